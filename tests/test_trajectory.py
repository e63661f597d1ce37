import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reseed
from reseed._support.files import write_json
from reseed.errors import TrajectoryError
from reseed.spec import Study
from reseed.trajectory import RunEnd, StudyFolder, Trajectory, pack_codes, points_name, read_header
from studies import D_MODEL, LAST_STEP, N_ATOMS, SNAPSHOTS, begun_again, contents, finished


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return StudyFolder.open(finished(tmp_path_factory)[0])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32))
def test_codes_come_back_as_they_were_packed(tmp_path_factory, n_tokens, n_atoms, chance):
    generator = torch.Generator().manual_seed(chance)
    codes = torch.rand(n_tokens, n_atoms, generator=generator) * (
        torch.rand(n_tokens, n_atoms, generator=generator) > 0.6
    )
    run = Trajectory(tmp_path_factory.mktemp("run"))
    run.write_snapshot(
        3, {"atoms": torch.zeros(n_atoms, 2)} | pack_codes(codes, torch.arange(n_atoms).expand_as(codes))
    )
    assert torch.equal(run.snapshot(3).codes, codes)
    assert torch.equal(run.snapshot(3).alive, (codes > 0).any(dim=0))


def test_a_study_folder_holds_its_runs_in_the_order_of_the_study(folder):
    for condition in folder.manifest.conditions:
        places = [(run.record.start_index, run.record.run_index) for run in folder.runs(condition.name)]
        assert places == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [condition.name for condition in folder.manifest.conditions] == ["topk@centre", "ra-topk@centre"]
    with pytest.raises(KeyError, match="no condition 'nothing@none': this study has topk@centre, ra-topk@centre"):
        folder.runs("nothing@none")


def test_a_trajectory_has_its_snapshots_by_step_from_0(folder):
    for run in folder.runs("ra-topk@centre"):
        assert run.steps == SNAPSHOTS
        for step, snapshot in run.snapshots.items():
            assert snapshot.header == {"format_version": 1, "run": run.id, "step": step, "n_atoms": N_ATOMS}
            assert snapshot.atoms.shape == snapshot.encoder.shape == (N_ATOMS, D_MODEL)
            assert snapshot.atoms.dtype == torch.float32
            assert snapshot.has("weights")


def test_an_ended_run_leaves_no_resume_point(folder):
    for run in folder.runs("topk@centre"):
        assert run.done == RunEnd(status="finished", step=LAST_STEP)
        assert not run.resume_point.exists()


def test_what_a_snapshot_does_not_hold_is_told_with_what_it_holds(folder):
    (run, *_) = folder.runs("topk@centre")
    with pytest.raises(TrajectoryError, match=r"has no 'weights'; it has atoms, codes.atoms, .*encoder"):
        run.snapshot(0).tensor("weights")


def test_moments_floors_and_points_travel_with_the_study(folder):
    moments = folder.moments("centre")
    assert moments["mean"].norm() < 1e-5
    assert moments["covariance"].shape == (D_MODEL, D_MODEL)
    assert all(len(folder.draws("centre", N_ATOMS, floor)) == 3 for floor in ("data", "kmeans"))
    (run, *_) = folder.runs("ra-topk@centre")
    assert folder.points(run.record.points).shape == (N_ATOMS, D_MODEL)


def test_points_of_equal_identity_have_one_name():
    assert points_name(["kmeans", 3, None]) == points_name(("kmeans", 3, None)) != points_name(["kmeans", 4, None])


def test_points_are_made_once(tmp_path):
    folder, made = StudyFolder(tmp_path), []
    for identity in (("data", 1), ("data", 1), ("data", 2)):
        folder.remember_points(identity, lambda: made.append(0) or torch.ones(2, 3))
    assert len(made) == 2


def test_a_run_that_does_not_exist_yet_is_nothing_but_a_place(tmp_path):
    run = StudyFolder(tmp_path).run("a")
    assert run.done is None
    assert run.steps == ()
    assert list(tmp_path.iterdir()) == []


def test_remains_of_killed_processes_are_cleared(tmp_path_factory, tmp_path):
    again = begun_again(tmp_path_factory, tmp_path)
    before = contents(again)
    (run, *_) = (again / "runs").iterdir()
    for left in (run / ".done.x1234567.partial", again / ".findings.json.x1234567.partial", run / "state.safetensors"):
        left.write_bytes(b"half")
    StudyFolder.open(again).clear_remains()
    assert contents(again) == before


# Folders that cannot be read.


def test_a_folder_that_is_no_study_comes_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(
        TrajectoryError, match=r"is a folder, not a study: it has no manifest.json; make one with  reseed run"
    ):
        StudyFolder.open(tmp_path)


@pytest.mark.parametrize("version", [0, 3, None])
def test_another_format_version_is_refused_with_the_version_that_wrote_it(tmp_path, version):
    write_json(tmp_path / "manifest.json", {"format_version": version, "reseed": "9.9"})
    with pytest.raises(TrajectoryError, match=rf"format version {version}; this reseed reads versions 1 to 2.*9\.9"):
        StudyFolder.open(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "\x00"])
def test_a_damaged_manifest_is_told_as_such(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(TrajectoryError, match=r"manifest.json is damaged"):
        StudyFolder.open(tmp_path)


@pytest.mark.parametrize("bytes_left", [0, 7, 200])
def test_a_truncated_file_is_told_as_damaged(tmp_path_factory, tmp_path, bytes_left):
    (run, *_) = StudyFolder.open(begun_again(tmp_path_factory, tmp_path)).runs("topk@centre")
    path = run.snapshot(5).path
    path.write_bytes(path.read_bytes()[:bytes_left])
    with pytest.raises(TrajectoryError, match=f"{path.name} is not what was written"):
        read_header(path)


def damage(path):
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(
    "pattern",
    [
        *("runs/*/step-000005.safetensors", "runs/*/metrics.parquet", "runs/*/done", "floors/*/*/data-1.safetensors"),
        *("compared/*/about.json", "compared/*/pairs.parquet", "compared/*/barriers.parquet"),
    ],
)
def test_a_damaged_study_heals_to_the_same_bytes_when_the_message_is_followed(tmp_path_factory, tmp_path, pattern):
    again = begun_again(tmp_path_factory, tmp_path)
    before = contents(again)
    damage(min(again.glob(pattern)))
    again_asked = Study.read(tmp_path / "study.toml")
    with pytest.raises(TrajectoryError) as told:
        reseed.run(again_asked, again, quiet=True)
    remove(Path(str(told.value).split("delete ")[1].split(" and run")[0]))
    reseed.run(again_asked, again, quiet=True)
    assert contents(again) == before


def remove(path):
    for file in path.glob("*"):
        file.unlink()
    path.rmdir() if path.is_dir() else path.unlink()


def test_specs_are_json_that_anybody_can_read(folder):
    (run, *_) = folder.runs("topk@centre")
    spec = json.loads((run.folder / "spec.json").read_text())
    assert spec["method"]["kind"] == "topk"
    assert spec["training"]["steps"] == LAST_STEP
    assert "threads" not in spec["training"]
