"""Runs of reseed are read like everybody else's dictionaries: codes are those that their snapshots keep."""

import json
import shutil

import pytest
import torch

import reseed
from reseed.activations import PREPROCESSINGS, open_activations, preprocessed
from reseed.cli import main
from reseed.errors import DictionaryError
from reseed.geometry import measure
from reseed.interop import read
from reseed.methods import METHODS
from reseed.methods._alternating import Iterating
from reseed.trajectory import StudyFolder
from studies import D_MODEL, IN_ONE_SPACE, N_ATOMS, READS, arm, matrix, study

LAST = 12
CLOSE = 1e-5  # of the largest code


OTHERS = tuple(kind for kind in IN_ONE_SPACE if kind != "topk" and not issubclass(METHODS[kind], Iterating))
ITERATING = tuple(kind for kind in IN_ONE_SPACE if issubclass(METHODS[kind], Iterating))
CONDITIONS = (*(f"topk@{name}" for name in PREPROCESSINGS), *(f"{kind}@centre" for kind in OTHERS))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Studies of one method under all preprocessings and of the others under one, beside their activations."""
    folder = tmp_path_factory.mktemp("own")
    acts = matrix(folder / "acts.npy", offset=5.0)
    more = {"steps": LAST, "starts": 2, "runs_per_start": 1}
    others = map(arm, OTHERS)
    reseed.run(study(acts, arm("topk"), preprocess=PREPROCESSINGS, **more), folder / "study", quiet=True)
    reseed.run(study(acts, *others, **more), folder / "others", quiet=True)
    return folder


@pytest.fixture(scope="module")
def folder(place):
    return StudyFolder.open(place / "study")


@pytest.fixture(scope="module")
def others(place):
    return StudyFolder.open(place / "others")


@pytest.fixture(scope="module")
def heldout(place):
    """Raw, as a user would have them."""
    return open_activations(place / "acts.npy").heldout.rows


def copied(run, place):
    """A run alone, out of its study."""
    return shutil.copytree(run.folder, place / "runs" / run.id)


def test_a_place_may_be_told_from_where_one_is(place, monkeypatch):
    monkeypatch.chdir(place)
    run = StudyFolder.open(place / "study").runs("topk@none")[0]
    relative = run.folder.relative_to(place)
    assert read(relative).sums == read(run.folder).sums
    assert read(relative).name == str(relative)


def run_of(name, folder, others):
    return (folder if name.startswith("topk@") else others).runs(name)[0]


@pytest.mark.parametrize("name", CONDITIONS)
def test_codes_of_raw_tokens_are_those_that_every_snapshot_keeps(folder, others, heldout, name):
    for snapshot in run_of(name, folder, others).snapshots.values():
        found, expected = read(snapshot.path).encode(heldout), snapshot.codes
        assert (found - expected).abs().max() <= CLOSE * expected.abs().max()
        assert expected.any()


@pytest.mark.parametrize("name", CONDITIONS)
def test_reconstructions_come_back_to_raw_tokens(folder, others, place, heldout, name):
    run = run_of(name, folder, others)
    found, codes = read(run.folder), run.snapshot(LAST).codes
    preprocess = preprocessed(open_activations(place / "acts.npy"), name.partition("@")[2]).preprocess
    expected = codes @ found.atoms + found.decoder_bias
    there = found.reconstruct(heldout)
    back = there / heldout.norm(dim=1, keepdim=True) if preprocess.unit_norm else preprocess(there)
    torch.testing.assert_close(back, expected, rtol=1e-4, atol=1e-4)


def test_of_a_learner_whose_codes_take_more_than_an_encoder_atoms_are_read_and_that_is_said(place, heldout, tmp_path):
    asked = study(place / "acts.npy", *map(arm, ITERATING), runs_per_start=1, steps=2)
    reseed.run(asked, tmp_path / "study", quiet=True)
    for kind in ITERATING:
        run = StudyFolder.open(tmp_path / "study").runs(f"{kind}@centre")[0]
        found = read(run.folder)
        assert torch.equal(found.atoms, run.snapshot(2).atoms)
        assert f"how {kind} makes codes is not in the run's record, or takes more than an encoder" in found.notes[0]
        with pytest.raises(DictionaryError, match="does not say how it makes codes"):
            found.encode(heldout)


def test_a_transcoder_codes_what_it_reads_and_writes_the_rest(place, heldout, tmp_path):
    asked = study(place / "acts.npy", arm("transcoder"), preprocess=("none", "centre"), runs_per_start=1, steps=4)
    reseed.run(asked, tmp_path / "study", quiet=True)
    folder = StudyFolder.open(tmp_path / "study")
    run, reads = folder.runs("transcoder@none")[0], heldout[:, :READS]
    found, expected = read(run.folder), run.snapshot(4).codes
    assert found.transcodes
    assert found.atoms.shape == (N_ATOMS, D_MODEL - READS)
    assert (found.encode(reads) - expected).abs().max() <= CLOSE * expected.abs().max()
    torch.testing.assert_close(
        found.reconstruct(reads), expected @ found.atoms + found.decoder_bias, rtol=1e-4, atol=1e-4
    )
    with pytest.raises(DictionaryError, match=r"reads centred activations.*give a run of preprocess = none"):
        read(folder.runs("transcoder@centre")[0].folder).encode(reads)


def test_a_folder_is_read_by_its_last_snapshot_and_a_snapshot_by_itself(folder):
    run = folder.runs("topk@none")[0]
    last, first = read(run.folder), read(run.folder / "step-000000.safetensors")
    assert (last.format, last.step, first.step) == ("reseed", LAST, 0)
    assert torch.equal(last.atoms, run.snapshot(LAST).atoms)
    assert torch.equal(first.atoms, run.snapshot(0).atoms)
    assert last.atoms.shape == (N_ATOMS, D_MODEL)
    assert set(last.sums) == {"spec.json", f"step-{LAST:06d}.safetensors"}
    assert last.notes == ()
    assert last.seed is None


def test_it_says_what_it_is_of_and_where_it_started(others, place):
    run = others.runs("ra-topk@centre")[1]
    found = read(run.folder)
    about = dict(found.about)
    assert about.pop("points") == run.record.points
    assert about == {
        "run": run.id,
        "method": "ra-topk",
        "start": "kmeans",
        "start_index": 1,
        "run_index": 0,
        "preprocess": "centre",
        "activations": open_activations(place / "acts.npy").fingerprint,
    }
    assert set(found.sums) == {"spec.json", f"step-{LAST:06d}.safetensors", "centre.safetensors"}
    assert "TopK, k = 3; reads centred activations" in found.told()


def test_a_model_and_a_layer_that_the_activations_say_are_told(folder, tmp_path):
    shutil.copytree(folder.path, tmp_path / "study")
    manifest = json.loads((tmp_path / "study/manifest.json").read_text())
    manifest["activations"] |= {"model": "minilm", "layer": 3, "licence": "MIT"}
    (tmp_path / "study/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "study/SHA256SUMS").unlink()
    for sums in (tmp_path / "study/runs").glob("*/SHA256SUMS"):
        sums.unlink()
    about = read(tmp_path / "study/runs" / folder.runs("topk@none")[0].id).about
    assert (about["model"], about["layer"]) == ("minilm", 3)
    assert "licence" not in about


def test_runs_that_read_activations_otherwise_are_not_compared(folder):
    def of(name):
        return folder.runs(f"topk@{name}")[0].folder

    kinds = {name: read(of(name)).space.kind for name in PREPROCESSINGS}
    assert kinds == {
        "none": "raw",
        "centre": "centred",
        "centre-scale": "centred",
        "standardise": "standardised",
        "whiten": "whitened",
        "unit-norm": "constant norm",
    }
    with pytest.raises(DictionaryError, match=r"live in different spaces \(.* in raw, .* in whitened\)"):
        measure(dictionaries=(of("none"), of("whiten")), draws=2)
    bare = read(of("whiten")).atoms  # does not say where it lives
    assert measure(dictionaries=(of("whiten"), bare), draws=2).pair.agreement == pytest.approx(1)
    pair = measure(dictionaries=(of("centre"), of("centre-scale")), draws=2).pair  # one training, in other units
    assert pair.agreement == pytest.approx(1, abs=1e-5)


def test_a_run_out_of_its_study_has_its_atoms_and_its_codes_where_no_map_is_missing(folder, heldout, tmp_path):
    for name, known in (("none", True), ("unit-norm", True), ("centre", False), ("whiten", False)):
        run = folder.runs(f"topk@{name}")[0]
        alone, within = read(copied(run, tmp_path)), read(run.folder)
        assert torch.equal(alone.atoms, within.atoms)
        assert alone.space.kind == within.space.kind
        if known:
            assert torch.equal(alone.encode(heldout), within.encode(heldout))
        else:
            with pytest.raises(DictionaryError, match=rf"{name}\.safetensors has .* read the run where its study is"):
                alone.encode(heldout)


def test_a_run_on_a_surrogate_has_no_map_of_real_activations(tmp_path):
    small = study(matrix(tmp_path / "acts.npy"), floors={"surrogate": "elliptical"}, steps=4)
    reseed.run(small, tmp_path / "study", quiet=True)
    folder = StudyFolder.open(tmp_path / "study")
    found = read(folder.surrogates("topk@centre")[0].folder)
    assert found.about["surrogate"] == "elliptical"
    with pytest.raises(DictionaryError, match="the moments of surrogate rows are not kept"):
        found.encode(torch.ones(1, D_MODEL))


@pytest.mark.parametrize("name", ["spec.json", f"step-{LAST:06d}.safetensors", "moments"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_file_that_is_not_what_was_written_is_refused(folder, tmp_path, name, alone):
    shutil.copytree(folder.path, tmp_path / "study")
    run = tmp_path / "study/runs" / folder.runs("topk@centre")[0].id
    if alone:
        run = run.rename(tmp_path / "mine")
    if name == "moments" and alone:
        return  # which has none
    path = tmp_path / "study/moments/centre.safetensors" if name == "moments" else run / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DictionaryError, match=rf"{path.name} is not what was written \(its SHA-256 is"):
        read(run)


def test_what_is_missing_or_of_another_step_is_told(folder, tmp_path):
    run = copied(folder.runs("topk@none")[0], tmp_path)
    (run / "SHA256SUMS").unlink()
    (run / f"step-{LAST:06d}.safetensors").rename(run / "step-000099.safetensors")
    with pytest.raises(DictionaryError, match=r"step-000099\.safetensors is not of the step that its name says"):
        read(run)
    (run / "spec.json").write_text('{"format_version": 9}')
    with pytest.raises(DictionaryError, match=r"spec\.json is damaged \(its format version is 9\)"):
        read(run)
    with pytest.raises(DictionaryError, match="is no run of reseed: give its folder"):
        read(tmp_path, format="reseed")


def test_a_run_that_has_not_ended_or_whose_method_is_of_somebody_else_says_so(folder, tmp_path):
    run = copied(folder.runs("topk@none")[0], tmp_path)
    (run / "SHA256SUMS").unlink()
    (run / "done").unlink()
    assert read(run).notes == (f"{run}: the run has not ended",)
    record = json.loads((run / "spec.json").read_text())
    record["method"]["kind"] = "mine"
    (run / "spec.json").write_text(json.dumps(record))
    found = read(run)
    assert "how mine makes codes is not in the run's record" in found.notes[0]
    with pytest.raises(DictionaryError, match="does not say how it makes codes"):
        found.encode(torch.ones(1, D_MODEL))
    record["preprocess"] = "../x"
    (run / "spec.json").write_text(json.dumps(record))
    with pytest.raises(DictionaryError, match="a preprocessing that is not known here"):
        read(run)


@pytest.mark.parametrize("preprocess", ["none", "centre", "standardise"])
def test_a_run_is_exported_by_the_command_line(folder, heldout, tmp_path, capsys, preprocess):
    run, sae = folder.runs(f"topk@{preprocess}")[0], tmp_path / "sae"
    for form in ("saelens", "sparsify"):
        with pytest.raises(SystemExit, match="0"):
            main(["export", str(run.folder), "--format", form, "--out", str(sae), "--force"])
        out, err = capsys.readouterr()
        assert out == f"{sae}\n"
        assert ("its atoms have other directions" in err) == (preprocess == "standardise")
        found, expected = read(sae), run.snapshot(LAST).codes
        assert found.format == form
        assert (found.encode(heldout) - expected).abs().max() <= CLOSE * expected.abs().max()
    with pytest.raises(SystemExit, match="1"):
        main(["export", str(run.folder), "--format", form, "--out", str(sae)])
    assert f"reseed: {sae} holds a dictionary already" in capsys.readouterr().err


def test_a_study_names_its_runs(folder):
    with pytest.raises(DictionaryError, match=r"is no dictionary, but holds \d+: give one of .*runs/.*, .* more"):
        read(folder.path)
