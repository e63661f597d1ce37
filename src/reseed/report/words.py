"""The words and cells that the text and the page both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed.numbers import interval, percent, rounded
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.findings import Comparison, ConditionFindings, Findings, Floor, Interval, RunFindings

__all__ = [
    "ABOUT_MEASURES",
    "ABOUT_THRESHOLDS",
    "CLASSES",
    "FLOORS",
    "MEASURES",
    "VerdictRow",
    "barriers",
    "beside",
    "companions",
    "counted",
    "estimated",
    "factor",
    "floor_policies",
    "floor_value",
    "floors_shown",
    "notes",
    "run_labels",
    "runs_finished",
    "signed",
    "spawned",
    "steps",
    "strictest_floor",
    "title",
    "tuned",
    "verdict_row",
    "versus",
]

CLASSES: dict[Outcome, str] = {
    Outcome.CONVERGENT: "together",
    Outcome.STABILIZING: "together",
    Outcome.INHERITED: "born",
    Outcome.FROZEN: "born",
    Outcome.DIVERGING: "apart",
    Outcome.UNSTABLE: "apart",
    Outcome.NOT_FITTED: "open",
    Outcome.NOT_TESTABLE: "open",
    Outcome.INCONCLUSIVE: "open",
}
"""Outcomes that share an accent: came together, born that way, stayed or went apart, cannot be said."""

MEASURES = {
    "agreement": "matched agreement",
    "explained": "agreement explained by retention",
    "code": "code agreement",
    "mmcs": "best cosine (MMCS)",
    "shared": "shared fraction",
    "projection": "projection agreement",
    "alive": "agreement of alive atoms",
}
"""How measures are called in headings; one that is not listed keeps its name."""

ABOUT_MEASURES = {
    "code": "correlation of matched atoms' activations on the same held-out tokens",
    "mmcs": "each atom's best cosine in the other dictionary, several may choose the same one",
    "shared": "matched pairs with cosine above .7 in decoder and encoder both",
    "projection": "correlation of what matched atoms read from the activations",
    "alive": "matched agreement of the atoms that fire on the held-out tokens",
}
"""What the companions of the matched agreement are."""

FLOORS = {
    "isotropic": "random directions",
    "data": "activations",
    "kmeans": "k-means",
    "hull": "hull",
    "step 0": "step 0",
}
"""How floors are called in headings and figures."""

ABOUT_THRESHOLDS = {
    "min_r2": "a condition with a run below this R² is not judged",
    "margin": "the smallest difference that matters, floor-adjusted",
    "convergent": "floor-adjusted agreement from which independent starts count as one dictionary",
    "frozen_retention": "mean cosine with their own step 0 from which atoms count as unmoved",
    "memory": "share of the start that is still there from which agreement counts as inherited",
    "level": "confidence of every interval",
}
"""What the thresholds of a study mean."""


@dataclass(frozen=True)
class VerdictRow:
    """The cells of one condition in the verdict table."""

    condition: str
    outcome: str
    r2: str
    alive: str
    within: str
    path: str
    """B(0) -> B(T)."""
    between_interval: str
    floor: str
    floor_name: str
    gain: str
    gain_interval: str


def verdict_row(condition: ConditionFindings) -> VerdictRow:
    """One condition's evidence in a line."""
    estimates = condition.estimates
    between, gain = estimates.get("between"), estimates.get("gain")
    floor = strictest_floor(condition)
    return VerdictRow(
        condition=condition.name,
        outcome=str(condition.verdict.outcome),
        r2=rounded(condition.r2.value),
        alive=percent(condition.alive.value),
        within=_value(estimates.get("within")),
        path=_arrow(_value(estimates.get("between at step 0")), _value(between)),
        between_interval=_interval(between),
        floor=rounded(floor.value) if floor else "n/a",
        floor_name=FLOORS.get(floor.name, floor.name) if floor else "",
        gain=signed(gain.value) if gain else "n/a",
        gain_interval=_interval(gain),
    )


def estimated(estimate: Interval | None, *, sign: bool = False) -> str:
    """`.46 [.44, .48]`, or `n/a`; `sign` puts a plus before what is above zero."""
    value = "n/a" if estimate is None else signed(estimate.value) if sign else rounded(estimate.value)
    return f"{value} {_interval(estimate)}".rstrip()


def signed(value: float) -> str:
    """`value` rounded, with its sign."""
    text = rounded(value)
    return f"+{text}" if value > 0 and text[0] not in "<>" else text


def strictest_floor(condition: ConditionFindings) -> Floor | None:
    """The floor that the verdict used."""
    return next((floor for floor in condition.floors if floor.name == condition.strictest), None)


def floor_value(condition: ConditionFindings, measure: str, floor: str) -> float:
    """One floor of `agreement` or of a companion measure; nan where there is none."""
    if measure == "agreement":
        return next((each.value for each in condition.floors if each.name == floor), math.nan)
    return condition.companion_floors.get(measure, {}).get(floor, math.nan)


def floors_shown(conditions: Iterable[ConditionFindings]) -> dict[str, str]:
    """The floors that some condition has, and how they are called."""
    present = {floor.name for each in conditions for floor in each.floors}
    return {name: called for name, called in FLOORS.items() if name in present}


def floor_policies(conditions: Iterable[ConditionFindings]) -> dict[tuple[str, str], None]:
    """How each floor was made: (what it is called, in one sentence), each once."""
    return {(FLOORS[floor.name], floor.policy): None for each in conditions for floor in each.floors}


def companions(conditions: Iterable[ConditionFindings]) -> tuple[str, ...]:
    """The companion measures that some condition has curves of, in the order they first appear."""
    parts = (name.rpartition(" ") for each in conditions for name in each.curves)
    named = (measure for measure, _, pairs in parts if pairs in {"within", "between"})
    return tuple(dict.fromkeys(measure for measure in named if measure not in {"", "explained"}))


def run_labels(condition: ConditionFindings) -> dict[str, str]:
    """Short names of the runs: run id -> `s0 r1`, start 0 run 1."""
    return {run.id: _run_label(run) for run in condition.runs}


def notes(condition: ConditionFindings) -> tuple[str, ...]:
    """Why something in the condition's row is undefined, each reason once, and what ended runs early."""
    named = [(said, condition.estimates.get(name)) for name, said in _SYMBOLS.items()]
    named += [("R²", condition.r2), ("alive", condition.alive)]
    by_reason: dict[str, list[str]] = {}
    for name, estimate in named:
        if estimate is not None and estimate.reason:
            by_reason.setdefault(estimate.reason, []).append(name)
    reasons = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    ended = [f"{_run_label(run)} {run.status}: {run.remedy}" for run in condition.runs if run.remedy]
    return (*reasons, *ended)


TEN = 10  # steps from which a tenth of a step says nothing
_SYMBOLS = {"between": "B", "within": "W", "gain": "gain"}


def beside(condition: ConditionFindings) -> tuple[str, ...]:
    """What the verdict weighed that is not in its row, in a few words each."""
    adjusted = condition.estimates.get("between adjusted"), condition.estimates.get("gain adjusted")
    return (
        runs_finished(condition),
        counted(condition.init_groups, "init group"),
        f"floor-adjusted B(T) {estimated(adjusted[0])}, gain {estimated(adjusted[1], sign=True)}",
        f"half-life of init memory {steps(condition.half_life)}",
        f"κ {rounded(condition.contraction)}",
    )


def spawned(condition: ConditionFindings) -> str:
    """How far children agree with their parents, and from which step on they are one dictionary; empty without them."""
    if condition.spawn is None:
        return ""
    each = [
        f"of step {step:,} agree {estimated(agreement)}"
        for step, agreement in zip(condition.spawn.steps, condition.spawn.agreement, strict=True)
    ]
    determined = condition.spawn.determined
    star = f"none up to {condition.spawn.steps[-1]:,}" if determined is None else f"{determined:,}"
    return f"children {', '.join(each)} with their parents · s* {star}"


def barriers(condition: ConditionFindings) -> str:
    """How much R² is lost between two runs, with their atoms matched and as they stand; empty where not measured."""
    found = condition.barrier
    told = [
        f"{said} {estimated(found[f'{pairs} matched'])} matched, {estimated(found[f'{pairs} unmatched'])} unmatched"
        for pairs, said in (("within", "born identical"), ("between", "started apart"))
        if found and not math.isnan(found[f"{pairs} matched"].value)
    ]
    return f"barrier in R², runs {'; '.join(told)}" if told else ""


def runs_finished(condition: ConditionFindings) -> str:
    """`6 runs`, or `5 of 6 runs finished`."""
    finished = sum(run.status == "finished" for run in condition.runs)
    total = counted(len(condition.runs), "run")
    return total if finished == len(condition.runs) else f"{finished} of {total} finished"


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def steps(count: float) -> str:
    """`412 steps`, `1.3 steps`, or `n/a`."""
    if not math.isfinite(count):
        return "n/a"
    return f"{count:,.0f} steps" if count >= TEN else f"{rounded(count, 1)} steps"


def versus(comparison: Comparison) -> str:
    """The first arm minus the second."""
    return f"{comparison.first} \N{MINUS SIGN} {comparison.second}"


def factor(dice: Iterable[str]) -> str:
    """What pairs of runs share: `init and encoder`, or `nothing`."""
    return " and ".join(dice) or "nothing"


def title(findings: Findings) -> str:
    """The name of the study."""
    return str(findings.study.get("name") or "study")


def tuned(findings: Findings) -> tuple[str, ...]:
    """How the learning rates were chosen, of the arms that were tuned."""
    arms = (arm for arm in findings.study.get("arms", ()) if arm.get("tuned"))
    return tuple(
        f"{arm['name']}: learning rate {arm['method']['learning_rate']:g}, chosen on held-out R² "
        f"({arm['tuned']['preprocess']}) among {', '.join(f'{rate:g}' for rate in arm['tuned']['rates'])}"
        for arm in arms
    )


def _run_label(run: RunFindings) -> str:
    return f"s{run.start_index} r{run.run_index}"


def _value(estimate: Interval | None) -> str:
    return "n/a" if estimate is None else rounded(estimate.value)


def _interval(estimate: Interval | None) -> str:
    return "" if estimate is None else interval(estimate.low, estimate.high)


def _arrow(first: str, last: str) -> str:
    return first if first == last == "n/a" else f"{first} → {last}"
