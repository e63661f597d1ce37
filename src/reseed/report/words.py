"""The words and cells that the text and the page both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, percent, rounded
from reseed.report.called import diagnostic_title, diagnostics, floor_title, measure_short, measures_shown
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.findings import (
        Comparison,
        ConditionFindings,
        Curve,
        Findings,
        Floor,
        Interval,
        MeasureFindings,
        Relation,
        RunFindings,
    )

__all__ = [
    "ABOUT_THRESHOLDS",
    "CLASSES",
    "VerdictRow",
    "barriers",
    "beside",
    "counted",
    "defined_floors",
    "estimated",
    "factor",
    "floor_policies",
    "last",
    "mechanisms",
    "notes",
    "of_pairs",
    "of_the_alive",
    "pairs_behind",
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

ABOUT_THRESHOLDS = {
    "min_r2": "a condition with a run below this R² is not judged",
    "margin": "the smallest difference that matters, in raw agreement",
    "convergent": "share of the way from the null to one dictionary, from which independent starts count as one",
    "frozen_retention": "mean cosine with their own step 0 from which atoms count as unmoved",
    "memory": "share of the start that is still there from which agreement counts as inherited",
    "level": "confidence of every interval",
}
"""What the thresholds of a study mean."""


@dataclass(frozen=True)
class VerdictRow:
    """The cells of one condition in the verdict table; the defaults are those of one in which no runs were compared."""

    condition: str
    outcome: str
    r2: str
    alive: str
    within: str = "n/a"
    path: str = "n/a"
    """B(0) -> B(T)."""
    between_interval: str = ""
    floor: str = "n/a"
    floor_name: str = ""
    adjusted: str = "n/a"
    """B(T), floor-adjusted."""
    gain: str = "n/a"
    gain_interval: str = ""


def verdict_row(condition: ConditionFindings) -> VerdictRow:
    """One condition's evidence in a line."""
    return VerdictRow(
        condition=condition.name,
        outcome=str(condition.verdict.outcome),
        r2=rounded(condition.r2.value),
        alive=percent(condition.alive.value),
        **(_agreement_cells(condition.agreement) if condition.agreement else {}),
    )


def _agreement_cells(found: MeasureFindings) -> dict[str, str]:
    """What the matched agreement says, in the fields of `VerdictRow`."""
    born, between, adjusted = rounded(found.born.value), found.between.last, found.between.adjusted
    floor = found.floor
    return {
        "within": rounded(found.within.last.value),
        "path": born if born == rounded(between.value) == "n/a" else f"{born} → {rounded(between.value)}",
        "between_interval": interval(between.low, between.high),
        "floor": rounded(floor.value) if floor else "n/a",
        "floor_name": floor_title(floor) if floor else "",
        "adjusted": rounded(adjusted.value) if adjusted else "n/a",
        "gain": signed(found.gain.value),
        "gain_interval": interval(found.gain.low, found.gain.high),
    }


def estimated(estimate: Interval | None, *, sign: bool = False) -> str:
    """`.46 [.44, .48]`, or `n/a`; `sign` puts a plus before what is above zero."""
    if estimate is None:
        return "n/a"
    value = signed(estimate.value) if sign else rounded(estimate.value)
    return f"{value} {interval(estimate.low, estimate.high)}".rstrip()


def signed(value: float) -> str:
    """`value` rounded, with its sign."""
    text = rounded(value)
    return f"+{text}" if value > 0 and text[0] not in "<>" else text


def strictest_floor(condition: ConditionFindings) -> Floor | None:
    """The floor that the verdict used."""
    return condition.agreement.floor if condition.agreement else None


def defined_floors(found: MeasureFindings) -> tuple[Floor, ...]:
    """The floors of a measure that have a value."""
    return tuple(floor for floor in found.floors if math.isfinite(floor.value))


def pairs_behind(floor: Floor, condition: ConditionFindings) -> int:
    """How many pairs of untrained dictionaries, or of runs at step 0, a floor is the mean of."""
    if floor.role == "origin":
        return sum(pair.relation == "between" for pair in condition.pairs)
    return math.comb(floor.n, 2)


def floor_policies(conditions: Iterable[ConditionFindings]) -> dict[tuple[str, str], None]:
    """How each floor was made: (what it is called, in one sentence), each once."""
    return {
        (floor_title(floor), floor.policy): None
        for each in conditions
        if each.agreement
        for floor in each.agreement.floors
    }


def run_labels(condition: ConditionFindings) -> dict[str, str]:
    """Short names of the runs: run id -> `s0 r1`, start 0 run 1."""
    return {run.id: _run_label(run) for run in condition.runs}


def notes(condition: ConditionFindings) -> tuple[str, ...]:
    """Why something in the condition's row is undefined, each reason once, and what ended runs early."""
    found = condition.agreement
    named = [("B", found.between.last), ("W", found.within.last), ("gain", found.gain)] if found else []
    named += [("R²", condition.r2), ("alive", condition.alive)]
    by_reason: dict[str, list[str]] = {}
    for name, estimate in named:
        if estimate.reason:
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


def beside(condition: ConditionFindings) -> tuple[str, ...]:
    """What the verdict weighed that is not in its row, in a few words each."""
    found = condition.agreement
    adjusted = found.between.adjusted if found else None
    return (
        runs_finished(condition),
        counted(condition.init_groups, "init group"),
        f"floor-adjusted B(T) {estimated(adjusted)}",
        f"half-life of init memory {steps(condition.half_life)}",
        f"κ {rounded(condition.contraction.value)}",
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
    if condition.barriers is None:
        return ""
    told = [
        f"{said} {estimated(barrier.matched)} matched, {estimated(barrier.unmatched)} unmatched"
        for barrier, said in (
            (condition.barriers.within, "born identical"),
            (condition.barriers.between, "started apart"),
        )
        if not math.isnan(barrier.matched.value)
    ]
    return f"barrier in R², runs {'; '.join(told)}" if told else ""


def mechanisms(condition: ConditionFindings) -> tuple[str, ...]:
    """What the atoms did, in a few words each; nothing where no runs were compared."""
    said = (
        ("retention", last(condition.metrics.get("retention"))),
        *(
            (measure_short(name, found), of_pairs(condition, name))
            for name, found in measures_shown([condition], "mechanism").items()
        ),
        *((diagnostic_title(name), last(condition.metrics[name])) for name in diagnostics([condition])),
    )
    return tuple(f"{name} {number}" for name, number in said if number)


def last(curve: Curve | None) -> str:
    """A curve's last value; empty where there is none."""
    value = curve.value[-1] if curve else math.nan
    return "" if math.isnan(value) else rounded(value, 1 if abs(value) >= TEN else 2)


def of_pairs(condition: ConditionFindings, measure: str) -> str:
    """`W .36, B .08`, as far as there are such pairs."""
    found = condition.measures.get(measure)
    ends = {"W": last(found.within.curve), "B": last(found.between.curve)} if found else {}
    return ", ".join(f"{symbol} {value}" for symbol, value in ends.items() if value)


def of_the_alive(condition: ConditionFindings) -> str:
    """How agreement changes when dead atoms do not count; empty where hardly any are dead, or there are no pairs."""
    plain, alive, mass = (condition.measures.get(name) for name in ("agreement", "alive", "mass"))
    if plain is None or alive is None or mass is None or not condition.alive.value < HARDLY_ANY_DEAD:
        return ""
    relations: tuple[Relation, ...] = ("between", "within")
    relation = next((each for each in relations if math.isfinite(alive.pairs(each).last.value)), None)
    if relation is None:
        return ""
    return (
        f"{percent(condition.alive.value)} of the atoms are alive: agreement {relation} starts is "
        f"{rounded(plain.pairs(relation).last.value)}, of alive atoms {estimated(alive.pairs(relation).last)}, "
        f"weighted by what atoms carry {estimated(mass.pairs(relation).last)}"
    )


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
