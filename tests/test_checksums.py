"""The sums of a study: written before the file, right whatever was killed, and checked wherever a file is read."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import reseed
from reseed import TrajectoryError
from reseed._support import checksums
from reseed._support.checksums import SUMS, Checksums, check_study, verify
from reseed._support.files import sha256_of_file
from reseed.findings import Findings
from reseed.pipeline.evidence import check_evidence
from reseed.pipeline.rejudge import rejudge
from reseed.pipeline.tune import tune
from reseed.spec import Study
from reseed.trajectory import StudyFolder
from studies import begun_again, contents, finished


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finished(tmp_path_factory)[0]


@pytest.fixture
def again(tmp_path_factory, tmp_path):
    """A finished study that may be spoiled."""
    return begun_again(tmp_path_factory, tmp_path)


def run(folder):
    return reseed.run(Study.read(folder.with_suffix(".toml")), folder, quiet=True)


def report(folder):
    check_evidence(Findings.read(folder), folder)


def judge(folder):
    return rejudge(folder, quiet=True)


COMMANDS = [run, judge, report]


def lines(folder):
    return dict(reversed(line.split("  ", 1)) for line in (folder / SUMS).read_text().splitlines())


def digest_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def other(text):
    """Another text of the same length."""
    return ("b" if text[0] == "a" else "a") + text[1:]


# What is written down.


def test_every_file_of_a_study_and_of_its_runs_has_its_sum_as_sha256sum_writes_it(whole):
    files = {name: digest for name, digest in contents(whole).items() if not name.endswith((SUMS, ".lock", ".html"))}
    told = lines(whole)
    for folder in (whole / "runs").iterdir():
        told |= {f"runs/{folder.name}/{name}": digest for name, digest in lines(folder).items()}
    assert told == files
    assert list(lines(whole)) == sorted(lines(whole))
    for folder in (whole, *(whole / "runs").iterdir()):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)  # noqa: S607 (of the system)


def test_findings_carry_the_sums_of_what_they_were_judged_from(whole):
    judged_from, files = Findings.read(whole).judged_from, contents(whole)
    assert {name: files[name] for name in judged_from} == judged_from
    assert {f"runs/{run.name}/{SUMS}" for run in (whole / "runs").iterdir()} <= judged_from.keys()
    assert {"study.toml", "manifest.json", "moments/centre.safetensors"} <= judged_from.keys()
    assert {name for name in files if name.startswith("compared/")} < judged_from.keys()
    assert "findings.json" not in judged_from


# Killed at any moment.


def test_a_line_is_there_before_its_file_and_the_file_before_stays_right(tmp_path):
    sums, path = Checksums(tmp_path), tmp_path / "done"
    sums.write_text(path, "old")
    sums.tell(path, digest_of("new"))
    assert len(sums.lines()["done"]) == 2
    assert sums.damage(path) is None
    sums.settle()
    assert lines(tmp_path) == {"done": digest_of("old")}


def test_a_file_that_was_replaced_often_between_kills_is_still_known(tmp_path):
    sums, path = Checksums(tmp_path), tmp_path / "done"
    sums.write_text(path, "there")
    for lost in ("a", "b", "c"):
        sums.tell(path, digest_of(lost))
    assert Checksums(tmp_path).damage(path) is None


@pytest.mark.parametrize("left", [1, 30, 64, 66, 69, 70])
def test_a_line_that_was_cut_off_is_none_and_the_next_one_is_whole(tmp_path, left):
    sums = Checksums(tmp_path)
    sums.write_text(tmp_path / "spec.json", "first")
    with sums.path.open("ab") as file:
        file.write(f"{'0' * 64}  done\n".encode()[:left])
    sums.write_text(tmp_path / "metrics.parquet", "second")
    assert sums.lines().keys() == {"spec.json", "metrics.parquet"}
    assert all(sums.damage(tmp_path / name) is None for name in ("spec.json", "metrics.parquet"))


def test_settling_leaves_the_lines_of_a_file_that_is_being_replaced(tmp_path):
    sums, path = Checksums(tmp_path), tmp_path / "done"
    sums.write_text(path, "old")
    with sums.replacing(path) as temporary:
        temporary.write_text("new")
        sums.tell(path, digest_of("new"))
        sums.settle()
    assert sums.damage(path) is None
    assert path.read_text() == "new"


def test_a_file_that_cannot_be_written_leaves_no_sum_without_which_the_others_would_be_lost(tmp_path):
    sums = Checksums(tmp_path)
    sums.write_text(tmp_path / "spec.json", "first")
    with pytest.raises(OSError, match="No such file"), sums.replacing(tmp_path / "done") as temporary:
        temporary.unlink()
    assert lines(tmp_path).keys() == {"spec.json"}


# Checked when read.


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "pattern",
    [
        *("runs/*/step-000005.safetensors", "runs/*/metrics.parquet", "runs/*/done", "runs/*/spec.json"),
        *("floors/*/*/data-1.safetensors", "moments/*", "points/*", "manifest.json"),
        *("compared/*/about.json", "compared/*/pairs.parquet", "compared/*/barriers.parquet", "findings.json"),
    ],
)
def test_one_other_bit_is_found_by_every_command_and_named_with_what_to_do(again, pattern, command):
    path = min(again.glob(pattern))
    content = bytearray(path.read_bytes())
    content[-20] ^= 4
    path.write_bytes(content)
    with pytest.raises(TrajectoryError, match=re.escape(f"{path} is not what was written (its SHA-256 is ")) as failure:
        command(again)
    assert "delete " in str(failure.value)


def test_a_bit_that_rots_without_a_trace_in_the_system_is_found_by_the_next_process(again):
    path = min(again.glob("runs/*/step-000005.safetensors"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums = path.parent / SUMS
    sums.write_text(sums.read_text().replace(digest, other(digest)))
    with pytest.raises(TrajectoryError, match="is not what was written"):
        report(again)


def test_a_verdict_that_was_edited_is_not_printed(again):
    path = again / "findings.json"
    word = Findings.read(again).conditions[0].verdict.outcome
    path.write_text(path.read_text().replace(f'"{word}"', '"convergent"'))
    for read in (again, path):
        with pytest.raises(TrajectoryError, match=r"--rejudge"):
            Findings.read(read)


def test_a_snapshot_is_checked_when_a_notebook_reads_it(again):
    snapshot = StudyFolder.open(again).runs("topk@centre")[0].snapshot(5)
    assert snapshot.atoms.isfinite().all()
    shutil.copy(snapshot.path.with_name("step-000002.safetensors"), snapshot.path)
    with pytest.raises(TrajectoryError, match="is not what was written"):
        _ = snapshot.atoms


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_without_its_sums_is_refused(again, command):
    (first, *_) = sorted((again / "runs").iterdir())
    (first / SUMS).unlink()
    with pytest.raises(TrajectoryError, match=r"so that nobody can tell whether .*delete ") as failure:
        command(again)
    assert str(first) in str(failure.value)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_reseed_never_wrote_is_refused_where_it_would_be_read(again, command):
    shutil.copy(
        min(again.glob("floors/*/*/data-1.safetensors")), again / "floors" / "centre" / "33" / "data-9.safetensors"
    )
    with pytest.raises(TrajectoryError, match=rf"data-9.safetensors has no line in {SUMS}: delete "):
        command(again)


def test_a_run_under_the_name_of_another_is_refused(again):
    first, second = sorted((again / "runs").iterdir())[:2]
    shutil.rmtree(first)
    shutil.copytree(second, first)
    with pytest.raises(TrajectoryError, match="describes another run than the id of its folder: delete "):
        run(again)


def test_notes_of_your_own_beside_the_files_disturb_nobody(again):
    before = contents(again)
    (again / "notes.txt").write_text("mine")
    (again / "runs" / "notes.txt").write_text("mine")
    run(again)
    judge(again)
    report(again)
    assert contents(again) | before == contents(again)


def test_every_file_is_hashed_once_however_its_path_is_written(again, monkeypatch):
    hashed = []
    monkeypatch.setattr(checksums, "_known", {})
    monkeypatch.setattr(checksums, "sha256_of_file", lambda path: hashed.append(path) or sha256_of_file(path))
    monkeypatch.chdir(again.parent)
    assert check_study(Path(again.name)) == []
    assert len(hashed) > 100
    before = len(hashed)
    assert not any(verify(path) for path in hashed[:before])
    assert StudyFolder.open(again).runs("topk@centre")[0].snapshot(5).atoms.isfinite().all()
    assert len(hashed) == before


# Missing.


def test_what_is_missing_is_told_by_a_report_and_made_again_by_the_study(again):
    before = contents(again)
    for pattern in ("points/*", "floors/*/*/kmeans-0.safetensors", "compared/*/barriers.parquet"):
        min(again.glob(pattern)).unlink()
    with pytest.warns(UserWarning, match="is missing: ") as said:
        report(again)
    assert [str(each.message).rsplit(": ", 1)[1].split()[0] for each in said] == ["delete", "run", "run"]
    assert "kmeans-0.safetensors is missing: run the study again to have it" in " ".join(judge(again).warnings)
    run(again)
    assert contents(again) == before


@pytest.mark.parametrize("pattern", ["moments/*", "compared/*/pairs.parquet", "runs/*/metrics.parquet"])
def test_what_judging_cannot_do_without_is_told_with_what_to_do_and_that_works(again, pattern):
    before = contents(again)
    lost = min(again.glob(pattern))
    lost.unlink()
    with pytest.raises(TrajectoryError, match=f"{lost.name} is missing") as failure:
        judge(again)
    if "delete" in str(failure.value):
        shutil.rmtree(lost.parent)
    run(again)
    assert contents(again) == before


def test_a_study_from_before_there_were_sums_is_taken_as_it_is_and_said_so(again):
    before = contents(again)
    for sums in again.rglob(SUMS):
        sums.unlink()
    assert check_study(again) == []
    assert verify(again / "manifest.json") is None
    with pytest.warns(UserWarning, match=f"has no {SUMS}, like studies from before"):
        run(again)
    assert contents(again) == before


@pytest.mark.parametrize("name", ["runs/exp1", "runs", "compared/exp1", "moments"])
def test_a_study_in_a_folder_of_any_name_is_checked(again, name):
    folder = again.parent / "elsewhere" / name
    folder.parent.mkdir(parents=True)
    again.rename(folder)
    assert check_study(folder) == []
    for file in ("study.toml", "findings.json", "moments/centre.safetensors", "points/*", "compared/*/pairs.parquet"):
        path = min(folder.glob(file))
        content = path.read_bytes()
        path.write_bytes(content[:-2] + b"x\n")
        found = verify(path)
        assert found is not None
        assert found.path == path
        assert [each.path for each in check_study(folder)] == [path]
        path.write_bytes(content)
    path = folder / "findings.json"
    path.write_text("{}")
    with pytest.raises(TrajectoryError, match=re.escape(f"delete {path} and judge the study again")):
        Findings.read(folder)


def test_a_file_is_checked_from_wherever_it_is_read(again, monkeypatch):
    first = min(again.glob("runs/*/step-000005.safetensors"))
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    for place in (first.parent, first.parent.parent, again):
        monkeypatch.chdir(place)
        assert verify(first.relative_to(place)) is not None


def test_sums_of_runs_are_not_made_anew_where_those_of_the_study_are_lost(again):
    (again / SUMS).unlink()
    first = min(again.glob("runs/*/step-000005.safetensors"))
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    for command in COMMANDS:
        with pytest.raises(TrajectoryError, match=rf"{SUMS} is missing, so that nobody can tell"):
            command(again)


def test_a_study_that_lost_its_sums_has_them_again_when_the_message_is_followed(again):
    before = contents(again)
    (again / SUMS).unlink()
    with pytest.raises(TrajectoryError, match=f"put it back, or delete all of {again} but runs and run the same study"):
        run(again)
    for path in again.iterdir():
        if path.name not in {"runs", "report.html", ".lock"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    run(again)
    assert contents(again) == before


def test_a_copy_of_findings_beside_a_study_is_nobodys_file(again):
    shutil.copy(again / "findings.json", again / "before.json")
    assert repr(Findings.read(again / "before.json")) == repr(Findings.read(again))
    report(again)


def test_a_tuning_is_mended_by_the_command_that_made_it(again, tmp_path):
    study = Study.read(again.with_suffix(".toml"))
    tune(study, tmp_path / "tuning", factors=(1.0,), quiet=True)
    before = contents(tmp_path / "tuning")
    damaged = min((tmp_path / "tuning").glob("runs/*/metrics.parquet"))
    damaged.write_bytes(b"")
    with pytest.raises(TrajectoryError, match=f"delete {damaged.parent} and run the same reseed tune again"):
        tune(study, tmp_path / "tuning", factors=(1.0,), quiet=True)
    shutil.rmtree(damaged.parent)
    tune(study, tmp_path / "tuning", factors=(1.0,), quiet=True)
    assert contents(tmp_path / "tuning") == before


# What may be edited.


def edit(folder, before, after):
    path = folder / "study.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_study_toml_whose_line_is_lost_is_refused_and_made_again(again, command):
    before = contents(again)
    (again / SUMS).write_text((again / SUMS).read_text().replace("study.toml", "studY.toml"))
    with pytest.raises(
        TrajectoryError, match=f"study.toml has no line in {SUMS}: delete {again / 'study.toml'} and run"
    ):
        command(again)
    (again / "study.toml").unlink()
    run(again)
    assert contents(again) == before


def test_edited_thresholds_are_taken_by_judging_and_both_values_are_told(again):
    edit(again, "margin = 0.03", "margin = 0.15")
    with pytest.warns(UserWarning, match="has been edited since the study was judged"):
        report(again)
    with pytest.warns(UserWarning, match="and its thresholds and features are taken"):
        findings = judge(again)
    assert "judged with margin = 0.15 instead of 0.03, which the study was run with" in findings.warnings
    assert repr(judge(again)) == repr(findings)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("convergent = 0.9", "convergent = 2.9", "convergent"),
        ("starts = 2", "starts = 3", "only its thresholds and features may change"),
        ('name = "topk"', 'name = "topl"', "only its thresholds and features may change"),
        ("starts", "st rts", "cannot be read as TOML"),
    ],
)
def test_anything_else_in_it_is_refused_with_how_to_have_it_back(again, before, after, told):
    expected = contents(again)
    edit(again, before, after)
    with pytest.raises(reseed.SpecError, match=told) as failure:
        judge(again)
    assert f"delete {again / 'study.toml'} and run the same study again" in str(failure.value)
    (again / "study.toml").unlink()
    run(again)
    assert contents(again) == expected
