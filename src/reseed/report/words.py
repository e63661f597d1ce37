"""The words and cells that the text and the page both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, percent, rounded
from reseed.verdict import Outcome
from reseed.verdict.disagreements import CALLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.findings import Comparison, ConditionFindings, Findings, Floor, Interval, RunFindings

__all__ = [
    "ABOUT_MEASURES",
    "ABOUT_THRESHOLDS",
    "CLASSES",
    "DIAGNOSTICS",
    "FLOORS",
    "MEASURES",
    "VerdictRow",
    "barriers",
    "beside",
    "companions",
    "counted",
    "diagnostics",
    "estimated",
    "factor",
    "floor_policies",
    "floor_value",
    "floors_of",
    "floors_shown",
    "last",
    "mechanisms",
    "notes",
    "of_measure",
    "of_pairs",
    "of_the_alive",
    "run_labels",
    "runs_finished",
    "signed",
    "spawned",
    "steps",
    "strictest_floor",
    "strictest_of",
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
    **CALLED,
    "mmcs": "best cosine (MMCS)",
    "shared": "shared fraction",
    "explained": "agreement explained by retention",
    "excess": "agreement beyond retention",
    "persistence": "match persistence",
}
"""How measures are called in headings; one that is not listed keeps its name."""

ABOUT_MEASURES = {
    "code": "correlation of matched atoms' activations on the same held-out tokens",
    "mmcs": "each atom's best cosine in the other dictionary, several may choose the same one",
    "shared": "matched pairs with cosine above .7 in decoder and encoder both",
    "projection": "correlation of what matched atoms read from the activations",
    "whitened": "cosine of matched atoms in a space where the activations vary alike in all directions",
    "subspace": "share of the leading directions of two dictionaries that is common to both",
    "alive": "matched agreement of the atoms that fire on the held-out tokens; mind how many these are",
    "mass": "matched cosines, each weighted by what its two atoms carry of the reconstructions",
}
"""What the companions of the matched agreement are."""

DIAGNOSTICS = {
    "frozen_rows": "frozen rows of mixing weights",
    "weight_entropy": "entropy of mixing weights, nats",
    "effective_points": "points in a mixture, exp(entropy)",
    "relaxation_saturation": "saturation of Λ",
    "multiplier": "multiplier",
}
"""What methods say about themselves, and how it is called; others keep their names."""

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
    adjusted: str
    """B(T), floor-adjusted."""
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
        adjusted=_value(estimates.get("between adjusted")),
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
    return tuple(dict.fromkeys(measure for measure in named if measure not in _NOT_COMPANIONS))


_NOT_COMPANIONS = {"", "explained", "excess", "persistence"}


def strictest_of(condition: ConditionFindings, measure: str) -> str:
    """The floor that `agreement` or a companion measure is adjusted by; empty where it has none."""
    return condition.strictest if measure == "agreement" else condition.companion_strictest.get(measure, "")


def floors_of(condition: ConditionFindings, measure: str) -> dict[str, float]:
    """The floors of `agreement` or of a companion measure, by name, without those that are not defined."""
    floors = {name: floor_value(condition, measure, name) for name in FLOORS}
    return {name: value for name, value in floors.items() if math.isfinite(value)}


def of_measure(condition: ConditionFindings, measure: str, number: str) -> Interval | None:
    """An estimate of `agreement` or of a companion measure, such as `between`, `within adjusted` or `gain`."""
    return condition.estimates.get(number if measure == "agreement" else f"{measure} {number}")


def diagnostics(conditions: Iterable[ConditionFindings]) -> tuple[str, ...]:
    """What the methods say about themselves in some condition: curves that are of no measure and no fit."""
    curves = dict.fromkeys(name for each in conditions for name in each.curves if not name.endswith(_OF_PAIRS))
    known = [name for name in DIAGNOSTICS if name in curves]
    return (*known, *(name for name in curves if name not in _BASIC and name not in known))


_OF_PAIRS = (" within", " between", " adjusted")
_BASIC = {"within", "between", "memory", "retention", "r2", "alive", "l0"}


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
    return (*reasons, *_stretched(condition), *ended)


def _stretched(condition: ConditionFindings) -> tuple[str, ...]:
    """What a difference is worth where the floor leaves little room."""
    floor = strictest_floor(condition)
    if floor is None or not HIGH_FLOOR <= floor.value < 1:
        return ()
    worth = rounded(0.01 / (1 - floor.value))
    return (
        f"the floor is {rounded(floor.value)}: .01 of agreement is {worth} when floor-adjusted, so read both scales",
    )


TEN = 10  # from here on the second digit after the point says nothing, and of steps the first
HARDLY_ANY_DEAD = 0.99  # alive share from which dead atoms move no number that is shown
HIGH_FLOOR = 0.9  # from here on the adjusted scale stretches tenfold and more
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


def mechanisms(condition: ConditionFindings) -> tuple[str, ...]:
    """What the atoms did, in a few words each; nothing where no runs were compared."""
    said = (
        ("retention", last(condition, "retention")),
        ("explained by it", of_pairs(condition, "explained")),
        ("beyond it", of_pairs(condition, "excess")),
        ("persistence", of_pairs(condition, "persistence")),
        *((name, last(condition, metric)) for metric, name in DIAGNOSTICS.items()),
    )
    return tuple(f"{name} {number}" for name, number in said if number)


def last(condition: ConditionFindings, curve: str) -> str:
    """A curve's last value; empty where there is none."""
    value = condition.curves[curve].value[-1] if curve in condition.curves else math.nan
    return "" if math.isnan(value) else rounded(value, 1 if abs(value) >= TEN else 2)


def of_pairs(condition: ConditionFindings, measure: str) -> str:
    """`W .36, B .08`, as far as there are such pairs."""
    ends = {symbol: last(condition, f"{measure} {pairs}") for symbol, pairs in (("W", "within"), ("B", "between"))}
    return ", ".join(f"{symbol} {value}" for symbol, value in ends.items() if value)


def of_the_alive(condition: ConditionFindings) -> str:
    """How agreement changes when dead atoms do not count; empty where hardly any are dead, or there are no pairs."""
    pairs = next((pairs for pairs in ("between", "within") if _has(condition, f"alive {pairs}")), None)
    if pairs is None or not condition.alive.value < HARDLY_ANY_DEAD:
        return ""
    plain, alive, mass = (condition.estimates.get(name) for name in (pairs, f"alive {pairs}", f"mass {pairs}"))
    return (
        f"{percent(condition.alive.value)} of the atoms are alive: agreement {pairs} starts is {_value(plain)}, "
        f"of alive atoms {estimated(alive)}, weighted by what atoms carry {estimated(mass)}"
    )


def _has(condition: ConditionFindings, estimate: str) -> bool:
    found = condition.estimates.get(estimate)
    return found is not None and math.isfinite(found.value)


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
