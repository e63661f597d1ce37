"""What studies with a known answer are made of, and how their answers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reseed._support.numbers import rounded
from reseed.calibration.results import Case
from reseed.matching import match
from reseed.methods import Method, RATopK, TopK
from reseed.spec import Arm
from reseed.starts import Start
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.activations.synthetic import Planted
    from reseed.dice import Die
    from reseed.findings import ConditionFindings, Findings
    from reseed.matching import Sign
    from reseed.spec import Scope
    from reseed.verdict import Outcome

__all__ = [
    "HUGE",
    "KMEANS",
    "RANDOM",
    "SHARED",
    "arm_of",
    "condition_of",
    "range_case",
    "recovery",
    "reference_ra_topk",
    "topk_of",
    "verdict_case",
]

SHARED: dict[Die, Scope] = {"init": "shared", "encoder": "shared", "points": "shared", "kmeans": "shared"}
RANDOM, KMEANS = Start(kind="random"), Start(kind="kmeans", kmeans_steps=5)
HUGE = 1e30


def topk_of(learning_rate: float, **settings: Any) -> TopK:  # noqa: ANN401 (fields of TopK)
    """TopK of the size of most planted dictionaries here."""
    return TopK(n_atoms=32, k=3, learning_rate=learning_rate, **settings)


def reference_ra_topk(**settings: Any) -> RATopK:  # noqa: ANN401 (fields of RATopK)
    """The published recipe: no rescaling, m = 0 and a random encoder at the start."""
    return RATopK(rescale=False, multiplier_start="reference", encoder_start="independent", **settings)


def arm_of(name: str, method: Method, start: Start, *, shared: bool = False) -> Arm:
    """An arm, whose runs share everything but the order of the data where asked."""
    return Arm(name=name, method=method, start=start, dice=SHARED if shared else {})


def condition_of(findings: Findings, arm: str) -> ConditionFindings:
    """The one condition of an arm."""
    return next(condition for condition in findings.conditions if condition.arm == arm)


def verdict_case(name: str, findings: Findings, arm: str, *allowed: Outcome) -> Case:
    """Whether an arm's verdict is one of those allowed."""
    outcome = condition_of(findings, arm).verdict.outcome
    return Case(name, " or ".join(allowed), str(outcome), outcome in allowed)


def range_case(name: str, value: float, least: float, most: float) -> Case:
    """Whether a number lies where it should."""
    expected = f"at least {rounded(least)}" if least else f"at most {rounded(most)}"
    return Case(name, expected, rounded(value, 3), least <= value <= most)


def recovery(folder: Path, made: Planted, sign: Sign = "signed") -> float:
    """Mean matched agreement of the runs' last dictionaries with the planted one."""
    study = StudyFolder.open(folder / "study")
    runs = [run for condition in study.manifest.conditions for run in study.runs(condition.name)]
    found = [match(run.snapshot(max(run.steps)).atoms, made.atoms, sign=sign).agreement for run in runs]
    return sum(found) / len(found)
