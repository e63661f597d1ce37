"""A study and its surrogate: trained beside the runs, kept, shared, judged as a null."""

import math
import shutil

import numpy as np
import pytest

from reseed.errors import TrajectoryError
from reseed.pipeline.run import run
from reseed.spec import Floors
from reseed.trajectory import StudyFolder
from studies import arm, contents, matrix, study


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of two arms with one recipe and one of another, and its findings."""
    folder = tmp_path_factory.mktemp("surrogate")
    made = study(
        matrix(folder / "acts.npy"),
        arm("topk"),
        arm("topk", name="topk-shared").model_copy(update={"dice": {"points": "shared", "kmeans": "shared"}}),
        arm("ra-topk"),
        starts=3,
        runs_per_start=1,
        floors=Floors(),
    )
    return made, folder / "study", run(made, folder / "study", quiet=True)


def test_every_arm_is_trained_on_the_surrogate_too(whole):
    made, folder, findings = whole
    for condition in findings.conditions:
        beside = condition.surrogate
        assert beside.kind == "elliptical"
        assert len(beside.runs) == made.floors.surrogate_starts == 3
        records = [StudyFolder.open(folder).run(run_id).record for run_id in beside.runs]
        assert {record.surrogate for record in records} == {"elliptical"}
        assert len({record.activations for record in records}) == 1
        assert records[0].activations != findings.activations["fingerprint"]
        assert [record.method for record in records] == [records[0].method] * 3
        assert beside.last.unit == "start"
        assert 0 < beside.contraction.value < 1.5


def test_arms_with_one_recipe_share_the_runs_on_it(whole):
    *_, findings = whole
    topk, shared, archetypal = (condition.surrogate.runs for condition in findings.conditions)
    assert topk == shared
    assert not set(topk) & set(archetypal)


def test_it_is_a_null_of_every_measure_and_the_rest_forbids_nothing(whole):
    *_, findings = whole
    condition = findings.condition("topk@centre")
    roles = {floor.name: floor.role for floor in condition.agreement.floors}
    nulls = {"isotropic": "null", "surrogate": "null"}
    assert roles == nulls | {"step 0": "origin", "data": "reference", "kmeans": "reference"}
    for name, measure in condition.measures.items():
        named = [floor.name for floor in measure.floors]
        assert ("surrogate" in named) == (measure.role != "mechanism"), name
        assert measure.strictest in {"isotropic", "surrogate", None}
    [surrogate] = (floor for floor in condition.agreement.floors if floor.name == "surrogate")
    assert surrogate.n == 3
    assert surrogate.value == pytest.approx(condition.surrogate.last.value)
    assert surrogate.standard_error == pytest.approx(condition.surrogate.last.standard_error)


def test_its_runs_write_their_ends_only(whole):
    _, folder, findings = whole
    beside = StudyFolder.open(folder).run(findings.conditions[0].surrogate.runs[0])
    assert beside.steps == (0, 12)
    assert beside.finished


def test_its_cost_beside_the_runs_is_told(whole):
    *_, findings = whole
    assert findings.conditions[0].surrogate.share == pytest.approx(1.0)  # three runs beside three


def test_a_finished_study_makes_no_surrogate_again(whole, monkeypatch):
    made, folder, _ = whole
    before = contents(folder)
    monkeypatch.setattr("reseed.pipeline.run.surrogate", None)
    run(made, folder, quiet=True)
    assert contents(folder) == before


def test_a_run_on_it_that_is_lost_is_made_again_to_the_same_bytes(whole):
    made, folder, findings = whole
    before = contents(folder)
    lost = folder / "runs" / findings.conditions[2].surrogate.runs[1]
    for file in lost.iterdir():
        file.unlink()
    lost.rmdir()
    run(made, folder, quiet=True)
    assert contents(folder) == before


def test_a_run_on_it_that_does_not_say_so_is_told_and_the_advice_mends_it(whole, tmp_path):
    made, folder, findings = whole
    mute = shutil.copytree(folder, tmp_path / "mute")
    first = StudyFolder.open(mute).run(findings.conditions[2].surrogate.runs[0])
    first.write_record(first.record.model_copy(update={"surrogate_rank": None}))
    with pytest.raises(TrajectoryError, match=f"does not say of which kind, rank and size: delete {first.folder} and"):
        run(made, mute, quiet=True)
    shutil.rmtree(first.folder)
    run(made, mute, quiet=True)
    assert contents(mute / "runs") == contents(folder / "runs")


def test_without_it_nothing_is_trained_beside(tmp_path):
    made = study(matrix(tmp_path / "acts.npy"), starts=3, runs_per_start=1)
    findings = run(made, tmp_path / "study", quiet=True)
    assert findings.conditions[0].surrogate is None
    assert len(list((tmp_path / "study" / "runs").iterdir())) == 3
    assert "surrogate" not in {floor.name for floor in findings.conditions[0].agreement.floors}


def test_a_study_that_had_none_gets_one_when_it_is_run_again(tmp_path):
    without = study(matrix(tmp_path / "acts.npy"), starts=3, runs_per_start=1)
    made = without.model_copy(update={"floors": Floors()})
    run(without, tmp_path / "late", quiet=True)
    late = run(made, tmp_path / "late", quiet=True)
    assert late.conditions[0].surrogate is not None
    run(made, tmp_path / "at once", quiet=True)
    assert contents(tmp_path / "late") == contents(tmp_path / "at once")


def heavy_tailed(path, n_tokens, rolled, d_model=24):
    """Rows with independent heavy-tailed coordinates under a common scale: elliptical, and nothing to find."""
    chance = np.random.default_rng(rolled)
    normal = chance.standard_normal((n_tokens, d_model)) * np.linspace(1.5, 0.5, d_model)
    rows = normal / np.sqrt(chance.chisquare(3, (n_tokens, 1)) / 3)
    np.save(path, rows.astype(np.float32))
    return path


def test_on_elliptical_noise_the_surrogate_is_what_is_observed(tmp_path):
    """It has to be: nothing distinguishes the rows from their surrogate."""
    made = study(
        heavy_tailed(tmp_path / "acts.npy", 1500, 1),
        arm("topk", start={"kind": "data"}, learning_rate=0.01),
        steps=120,
        batch_size=256,
        starts=6,
        runs_per_start=1,
        floors=Floors(surrogate_starts=6, draws=3),
    )
    found = run(made, tmp_path / "study", quiet=True).conditions[0]
    [surrogate] = (floor for floor in found.agreement.floors if floor.name == "surrogate")
    observed = found.agreement.between.last
    error = math.hypot(observed.standard_error, surrogate.standard_error)
    assert abs(observed.value - surrogate.value) < 4 * error + 0.02
    assert observed.value > found.agreement.born.value + 5 * error  # sharing the sample makes them agree
