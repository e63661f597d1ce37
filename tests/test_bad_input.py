"""Studies that lack something, real and spoilt: a clear sentence, and whatever can still be said."""

import shutil
import tomllib

import pytest
import tomli_w

import reseed
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import StudyFolder
from reseed.verdict import Outcome
from studies import LAST_STEP, SNAPSHOTS, arm, begun_again, matrix, study

TINY = {"steps": 2, "batch_size": 20, "evenly": 1, "device": "cpu"}


@pytest.fixture
def spoilt(tmp_path_factory, tmp_path):
    """A finished study of two conditions with two runs from each of two starts, and its runs of TopK."""
    folder = begun_again(tmp_path_factory, tmp_path)
    return folder, sorted(folder.glob("runs/topk-random@centre*"))


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("bad input") / "acts.npy", 300)


def small(acts, *arms, **changes):
    return study(acts, *arms, **{"training": TINY, "floors": {"draws": 3, "kmeans_steps": 1}} | changes)


def said(findings, *words):
    """The only warning that has these words."""
    (warning,) = (warning for warning in findings.warnings if all(word in warning for word in words))
    return warning


def test_a_run_that_lost_its_step_0_is_told_from_one_that_has_not_begun(spoilt):
    folder, runs = spoilt
    (runs[0] / "step-000000.safetensors").unlink()
    shutil.rmtree(runs[1])
    findings = rejudge(folder, quiet=True)
    assert said(findings, runs[0].name) == (
        f"{runs[0].name} has lost its step 0 and takes no part, since nobody knows where it began: to have it again, "
        f"delete {runs[0]} and run the study again"
    )
    assert said(findings, runs[1].name) == f"{runs[1].name} has not begun: run the study again to train it"
    left = findings.condition("topk@centre")
    assert [run.id for run in left.runs] == [run.name for run in runs[2:]]
    assert left.init_groups == 1
    assert left.measures["agreement"].within.curve.steps == SNAPSHOTS
    assert len(findings.condition("ra-topk@centre").pairs) == 6


@pytest.mark.parametrize("step", [5, LAST_STEP])
def test_a_snapshot_that_is_gone_is_told_and_the_others_are_compared(spoilt, step):
    folder, runs = spoilt
    (runs[0] / f"step-{step:06d}.safetensors").unlink()
    findings = rejudge(folder, quiet=True)
    left = tuple(other for other in SNAPSHOTS if other != step)
    assert findings.condition("topk@centre").steps == left
    assert said(findings, runs[0].name) == (
        f"{runs[0].name} has lost its snapshots of steps {step}, where no run is compared now; topk@centre is judged "
        f"at step {left[-1]}: to have it again, delete {runs[0]} and run the study again"
    )
    assert findings.condition("ra-topk@centre").steps == SNAPSHOTS


def test_half_of_the_runs_can_be_missing(spoilt):
    folder, runs = spoilt
    for run in (*runs[:2], *sorted(folder.glob("runs/ra-topk-kmeans@centre*"))[1:]):
        shutil.rmtree(run)
    findings = rejudge(folder, quiet=True)
    assert sum("has not begun" in warning for warning in findings.warnings) == 5
    assert len(findings.condition("topk@centre").pairs) == 1
    assert findings.condition("ra-topk@centre").verdict.outcome == Outcome.NOT_TESTABLE
    assert findings.comparisons == ()


def test_a_study_without_runs_says_so(spoilt):
    folder, _ = spoilt
    shutil.rmtree(folder / "runs")
    findings = rejudge(folder, quiet=True)
    assert findings.headline == "Nothing can be said: no run of this study has a step 0."
    assert len(findings.warnings) == 9


def test_a_study_of_an_older_reseed_is_judged_by_the_thresholds_of_today(spoilt):
    folder, _ = spoilt
    before = rejudge(folder, quiet=True)
    told = tomllib.loads((folder / "study.toml").read_text())
    del told["thresholds"]
    StudyFolder(folder).write_text("study.toml", tomli_w.dumps(told))
    assert repr(rejudge(folder, quiet=True).conditions) == repr(before.conditions)


def test_one_start_says_nothing_about_others_and_still_how_far_its_runs_drift(acts, tmp_path):
    findings = reseed.run(small(acts, starts=1, runs_per_start=2), tmp_path / "study", quiet=True)
    (condition,) = findings.conditions
    said(findings, "topk@centre: all runs share one start, so there is no B: it takes other starts")
    assert not any("born identical" in warning for warning in findings.warnings)  # one sentence says why
    assert "they cannot stabilize or converge" in condition.contraction.reason
    assert condition.measures["agreement"].within.last.value < 1
    assert condition.verdict.outcome not in {Outcome.CONVERGENT, Outcome.STABILIZING}
    assert condition.verdict.disagreements == ()


def test_one_run_per_start_has_no_w_and_still_a_b(acts, tmp_path):
    findings = reseed.run(small(acts, starts=3, runs_per_start=1), tmp_path / "study", quiet=True)
    (condition,) = findings.conditions
    said(findings, "topk@centre: no two runs share a start, so there is no W: it takes runs_per_start = 2")
    assert condition.measures["agreement"].between.last.low < condition.measures["agreement"].between.last.value
    assert condition.verdict.outcome != Outcome.INHERITED


def test_arms_of_different_sizes_are_compared_with_a_caution(acts, tmp_path):
    random = {"kind": "random"}
    arms = arm("topk", start=random), arm("topk", name="smaller", start=random, n_atoms=20)
    findings = reseed.run(small(acts, *arms), tmp_path / "study", quiet=True)
    (comparison,) = findings.comparisons
    assert not comparison.like_with_like
    assert comparison.outcome == "not compared"
    assert "not like with like (20 against 33 atoms)" in comparison.sentence
    assert [condition.n_atoms for condition in findings.conditions] == [33, 20]


def test_agreement_that_was_there_from_the_start_and_fits_nothing_is_not_called_stable(acts, tmp_path):
    told = reseed.run(
        small(acts, arm("ra-topk"), preprocess=("none",), thresholds={"min_r2": 0.9999}), tmp_path, quiet=True
    )
    (condition,) = told.conditions
    assert condition.verdict.outcome == Outcome.NOT_FITTED
    assert "is not judged: it says nothing of what was learnt" in condition.verdict.sentence
    assert "at step 0 and" in condition.verdict.sentence
