"""reseed writes into a folder that is empty or its own, and deletes nothing that it did not write."""

import shutil

import pytest

import reseed
from reseed import SpecError
from reseed.pipeline.demo import demo_study, run_demo
from reseed.pipeline.reproduce import reproduce
from reseed.pipeline.tune import tune
from reseed.spec import Study
from studies import begun_again, command_line, contents, matrix, study


@pytest.fixture
def own(tmp_path):
    """A folder of a user's own: activations, a study with comments, notes, and half a file of some other program."""
    matrix(tmp_path / "acts.npy")
    text = "# why we do this\n" + study("acts.npy", training={"steps": 2}).to_toml()
    (tmp_path / "study.toml").write_text(text)
    (tmp_path / "findings.json").write_text('{"of": "another program"}')
    (tmp_path / ".video.mp4.a1b2c3d4.partial").write_text("half")
    return tmp_path


def into(out, toml):
    reseed.run(Study.read(toml), out, quiet=True)


def tuning_into(out, toml):
    tune(Study.read(toml), out, factors=(1.0,), quiet=True)


@pytest.mark.parametrize("write", [into, tuning_into])
def test_a_folder_with_other_files_is_refused_and_left_as_it_is(own, write):
    before = contents(own)
    with pytest.raises(SpecError, match=r"is no study and holds other files \(.*acts.npy.*\): choose another --out"):
        write(own, own / "study.toml")
    assert contents(own) == before


def test_a_study_beside_a_folder_of_its_name_is_not_written_into_it(own):
    rows = own / "acts"
    rows.mkdir()
    shutil.move(own / "acts.npy", rows / "acts.npy")
    text = (own / "study.toml").read_text().replace('"acts.npy"', '"acts"')
    (own / "acts.toml").write_text(text)
    before = contents(own)
    ended = command_line("run", own / "acts.toml", "--quiet")
    assert (ended.returncode, ended.stdout_text) == (1, "")
    assert f"{rows} is no study and holds other files (acts.npy): choose another --out" in ended.stderr_text
    assert contents(own) == before


@pytest.mark.parametrize("name", ["acts.npy", "acts.npy/below", "acts.npy/far/below"])
def test_a_place_below_a_file_is_refused_with_the_file_named(own, name):
    with pytest.raises(SpecError, match=r"acts.npy is a file, and a folder is needed"):
        into(own / name, own / "study.toml")


@pytest.mark.parametrize("files", [None, (), (".lock",)])
def test_a_new_or_an_empty_folder_is_taken(own, files):
    out = own / "new"
    if files is not None:
        out.mkdir()
        for name in files:
            (out / name).touch()
    into(out, own / "study.toml")
    assert (out / "findings.json").exists()


def test_a_study_that_was_killed_before_its_manifest_is_its_own(own):
    out = own / "new"
    into(out, own / "study.toml")
    for left in ("manifest.json", "findings.json"):
        (out / left).unlink()
    shutil.rmtree(out / "runs")
    into(out, own / "study.toml")
    assert (out / "findings.json").exists()


@pytest.mark.parametrize(
    "left",
    [
        (".lock", ".study.toml.a1b2c3d4.partial"),
        (".lock", ".study.toml.a1b2c3d4.partial", "SHA256SUMS"),
        (".lock", "points/.0123456789abcdef.safetensors.a1b2c3d4.partial"),
    ],
)
def test_a_study_that_was_killed_at_its_first_file_is_its_own(own, left):
    out = own / "new"
    for name in left:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    if len(left) > 2:
        (out / ".study.toml.a1b2c3d4.partial").write_text("half")
    into(out, own / "study.toml")
    assert (out / "findings.json").exists()


def test_a_tuning_that_was_killed_at_its_points_is_its_own(own):
    out = own / "tuning"
    tuning_into(out, own / "study.toml")
    shutil.rmtree(out / "runs")
    (out / "tuning.json").unlink()
    tuning_into(out, own / "study.toml")
    assert (out / "tuning.json").exists()


def test_going_on_leaves_the_files_of_others_in_a_study_alone(tmp_path_factory, tmp_path):
    folder = begun_again(tmp_path_factory, tmp_path)
    (folder / "mine").mkdir()
    for name in (".video.mp4.a1b2c3d4.partial", "mine/.done.a1b2c3d4.partial", "notes.txt"):
        (folder / name).write_text("mine")
    before = contents(folder)
    into(folder, folder.with_suffix(".toml"))
    assert contents(folder) == before


@pytest.mark.parametrize("command", [run_demo, lambda _, out: reproduce("ablating-archetypes", "minilm", out)])
def test_a_demo_does_not_replace_a_study_of_your_own(own, command):
    before = contents(own)
    with pytest.raises(SpecError, match=r"study.toml is another study, which would be replaced: choose another --out"):
        command("minilm", own)
    assert contents(own) == before


def test_a_demo_goes_on_in_its_own_folder(tmp_path, monkeypatch):
    demo_study("minilm", "activations").write(tmp_path / "study.toml")
    asked = []
    monkeypatch.setattr("reseed.pipeline.demo.collect_bundled", lambda *_, **__: asked.append("collect"))
    monkeypatch.setattr("reseed.pipeline.demo.run", lambda *_, **__: asked.append("run"))
    run_demo("minilm", tmp_path)
    assert asked == ["collect", "run"]
