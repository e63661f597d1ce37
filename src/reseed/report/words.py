"""The words and cells that the text and the page both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, percent, rounded, steps
from reseed.report.called import diagnostic_title, diagnostics, floor_title, measure_short, measures_shown
from reseed.report.remembered import remembered
from reseed.thresholds import Thresholds
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reseed.findings import (
        Comparison,
        ConditionFindings,
        Curve,
        Findings,
        Floor,
        Interval,
        MeasureFindings,
        PairsFindings,
        Relation,
        RunFindings,
    )
    from reseed.thresholds import Look

__all__ = [
    "ABOUT_THRESHOLDS",
    "CENTRED",
    "CLASSES",
    "RUNS_OF",
    "VerdictRow",
    "barriers",
    "beside",
    "capital",
    "counted",
    "defined_floors",
    "dice",
    "estimated",
    "factor",
    "false_words",
    "floor_policies",
    "last",
    "level_of",
    "levelled",
    "mechanisms",
    "nested",
    "no_answer",
    "notes",
    "nulls_and_references",
    "of_pairs",
    "of_the_alive",
    "ordered",
    "pairs_behind",
    "ratio",
    "remembered",
    "run_labels",
    "runs_finished",
    "signed",
    "spawned",
    "steps",
    "strictest_null",
    "surrogate",
    "times_as_far",
    "title",
    "tuned",
    "turned",
    "up_to_sign",
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

CENTRED = frozenset({"centre", "centre-scale", "standardise", "whiten"})
"""Preprocessings that take the mean away, which makes every cosine smaller: they are shown before the others."""

RUNS_OF: dict[Relation, str] = {"within": "born identical", "between": "started apart"}
"""What the runs of a pair have in common."""

ABOUT_THRESHOLDS = {
    "min_r2": "a condition with a run below this R² is not judged",
    "margin": "the smallest difference that matters, in raw agreement",
    "convergent": "share of the way from the null to one dictionary, from which independent starts count as one",
    "frozen_retention": "mean cosine with their own step 0 from which atoms count as unmoved",
    "memory": "share of the start that is still there from which agreement counts as inherited",
    "level": "confidence of every interval, but at a planned look",
    "holm": "whether the error is that of all conditions together",
}
"""What the thresholds of a study mean."""


@dataclass(frozen=True)
class VerdictRow:
    """The cells of one condition in the first table; what is not defined says in a few words why."""

    condition: str
    outcome: str
    r2: str
    alive: str
    within: str
    """Agreement of runs born identical, at the last step."""
    path: str
    """Agreement of runs that started apart, at step 0 and at the last step."""
    between_interval: str
    """Interval of the latter; empty where it has none."""
    null: str
    """The strictest null."""
    null_name: str
    """How it is called; empty where there is none."""
    ratio: str
    """Distance of runs that started apart over that of the null."""
    replicated: str
    """Share of atoms with a partner beyond the null, among runs that started apart."""
    gain: str
    gain_interval: str


def verdict_row(condition: ConditionFindings) -> VerdictRow:
    """One condition's evidence in a line."""
    found = condition.agreement
    why = no_answer(condition)
    null = strictest_null(condition)
    last, gain = (found.between.last, found.gain) if found else (None, None)
    return VerdictRow(
        condition=condition.name,
        outcome=str(condition.verdict.outcome),
        r2=_or(condition.r2, "none"),
        alive="none" if math.isnan(condition.alive.value) else percent(condition.alive.value),
        within=_or(found.within.last if found else None, "no two runs" if found is None else "one run a start"),
        path=why or (f"{rounded(found.born.value)} → {rounded(last.value)}" if found and last else why),
        between_interval=interval(last.low, last.high) if last else "",
        null=rounded(null.value) if null else "none",
        null_name=floor_title(null) if null else "",
        ratio=why or (estimated(ratio(found.between)) if found and null else "no null"),
        replicated=why or _come_back(condition),
        gain=why or (signed(gain.value) if gain else why),
        gain_interval=interval(gain.low, gain.high) if gain else "",
    )


def _come_back(condition: ConditionFindings) -> str:
    """The replicated share, clipped at 0, which it may miss by chance; or why there is none."""
    replicated = condition.measures.get("replicated")
    if replicated is None:
        return "unmeasured"
    last = replicated.between.last
    if math.isnan(last.value):
        return "null too near 1"
    ends = {name: getattr(last, name) for name in ("value", "low", "high")}
    clipped = {name: end if math.isnan(end) else max(0.0, end) for name, end in ends.items()}
    return estimated(last.model_copy(update=clipped))


def no_answer(condition: ConditionFindings) -> str:
    """Why nothing can be said of runs that started apart, in two words; empty where something can."""
    found = condition.agreement
    if found is None:
        return "no two runs"
    if math.isfinite(found.between.last.value):
        return ""
    return "one start" if condition.init_groups <= 1 else "unmeasured"


def _or(found: Interval | None, otherwise: str) -> str:
    """The value, or what is said where it is not defined."""
    return rounded(found.value) if found is not None and not math.isnan(found.value) else otherwise


def ordered(conditions: Iterable[ConditionFindings]) -> tuple[ConditionFindings, ...]:
    """Centred activations first, else as they come."""
    return tuple(sorted(conditions, key=lambda each: each.preprocess not in CENTRED))


def ratio(pairs: PairsFindings) -> Interval | None:
    """(1 - A) / (1 - null): 1 as far apart as the strictest null, 0 one dictionary; None where there is no null."""
    shown = pairs.adjusted
    if shown is None:
        return None
    ends = {"value": 1 - shown.value, "low": max(0.0, 1 - shown.high), "high": 1 - shown.low}
    return shown.model_copy(update={name: end if math.isnan(end) else max(0.0, end) for name, end in ends.items()})


def times_as_far(pairs: PairsFindings, null: Floor | None) -> str:
    """The distance of the runs in units of that of the null, in words; empty where it is not defined."""
    found = ratio(pairs)
    if found is None or null is None or math.isnan(found.value):
        return ""
    if found.value > 1:
        return f"{estimated(found)} times as far apart as the null ({floor_title(null)})"
    return f"distance {estimated(found)} of the null's ({floor_title(null)})"


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


def strictest_null(condition: ConditionFindings) -> Floor | None:
    """The largest of the nulls of the matched agreement."""
    return condition.agreement.floor if condition.agreement else None


def defined_floors(found: MeasureFindings) -> tuple[Floor, ...]:
    """The floors of a measure that have a value."""
    return tuple(floor for floor in found.floors if math.isfinite(floor.value))


def nulls_and_references(found: MeasureFindings) -> tuple[Floor, ...]:
    """The same without the origin, where the curve begins."""
    return tuple(floor for floor in defined_floors(found) if floor.role != "origin")


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


def dice(findings: Findings) -> tuple[str, ...]:
    """The dice that runs threw, in the order of the first run."""
    runs = (run for each in findings.conditions for run in each.runs)
    return tuple(dict.fromkeys(die for run in runs for die in run.rolls))


def capital(said: str) -> str:
    """With a capital letter at its beginning."""
    return said[:1].upper() + said[1:]


def run_labels(condition: ConditionFindings) -> dict[str, str]:
    """Short names of the runs: run id -> `s0 r1`, start 0 run 1."""
    return {run.id: _run_label(run) for run in condition.runs}


def notes(condition: ConditionFindings) -> tuple[str, ...]:
    """Why something in the condition's row is undefined, each reason once, and what ended runs early."""
    found = condition.agreement
    named = (
        [("started apart", found.between.last), ("born identical", found.within.last), ("gain", found.gain)]
        if found
        else []
    )
    named += [("R²", condition.r2), ("alive", condition.alive)]
    by_reason: dict[str, list[str]] = {}
    for name, estimate in named:
        if estimate.reason:
            by_reason.setdefault(estimate.reason, []).append(name)
    reasons = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    ended = [f"{_run_label(run)} {run.status}: {run.remedy}" for run in condition.runs if run.remedy]
    return (*reasons, *ended)


TEN = 10  # from here on the second digit after the point says nothing
HARDLY_ANY_DEAD = 0.99  # alive share from which dead atoms move no number that is shown


def beside(condition: ConditionFindings) -> tuple[str, ...]:
    """What the verdict weighed that is not in its sentence, in a few words each."""
    found = condition.agreement
    far = times_as_far(found.between, strictest_null(condition)) if found else ""
    closer, left = condition.contraction, remembered(condition)
    return (
        runs_finished(condition),
        counted(condition.init_groups, "init group"),
        *([far] if far else []),
        *([f"distance at the end over that at step 0 (κ) {estimated(closer)}"] if closer.value == closer.value else []),
        *([left] if left else []),
    )


def turned(condition: ConditionFindings) -> str:
    """Where the curve between starts rose and fell again; empty where it did not."""
    turn = condition.turn
    if turn is None:
        return ""
    return (
        f"runs that started apart agreed most at step {turn.step:,} ({rounded(turn.peak)}) and fell by "
        f"{estimated(turn.fall)} until the last step"
    )


def levelled(condition: ConditionFindings) -> str:
    """Whether its curves have levelled off, by how much they still change; empty where no runs were compared."""
    found = condition.levelling
    if found is None:
        return ""
    agreed = "runs that started apart" if condition.init_groups > 1 else "runs of its one start"
    changes = f"R² {_change(found.r2)}, the agreement of {agreed} {_change(found.agreement)}"
    said = "its curves level off" if found.levels_off else "its curves have not levelled off"
    within = f"level is within ±{rounded(found.most)}"
    return f"{said}: over the last third of training, per doubling of the steps, {changes}; {within}"


def _change(found: Interval) -> str:
    if math.isnan(found.value):
        return "n/a"
    sign = "+" if found.value > 0 else ""
    return f"{sign}{rounded(found.value, 3)} {interval(found.low, found.high, 3)}".rstrip()


def surrogate(condition: ConditionFindings) -> str:
    """What the same recipe did on structureless rows, in one line; empty where it was not trained there."""
    found = condition.surrogate
    if found is None:
        return ""
    return (
        f"the same recipe on the {found.kind} surrogate ({counted(len(found.runs), 'run')}): "
        f"agreement {rounded(found.born.value)} → {estimated(found.last)}, κ {estimated(found.contraction)}, "
        f"R² {rounded(found.r2)}, {percent(found.alive)} of its atoms alive; rows of rank {found.rank:,}, "
        f"{1 / found.dimensions_per_token:,.0f} for each dimension; {percent(found.share)} of the runs' cost on top"
    )


def nested(condition: ConditionFindings) -> str:
    """How far the dictionaries within one another agree, each beside its largest null; empty where there are none."""
    if not condition.nested:
        return ""
    each = [
        f"{found.n_atoms:,}: {rounded(found.born.value)} → {estimated(found.between)} (null {_largest(found.nulls)})"
        for found in condition.nested
    ]
    return f"nested dictionaries between starts, by their atoms: {'; '.join(each)}"


def _largest(nulls: Sequence[Floor]) -> str:
    return rounded(max((null.value for null in nulls if not math.isnan(null.value)), default=math.nan))


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


def level_of(findings: Findings) -> float:
    """The confidence of a study's intervals."""
    return _thresholds(findings).at(findings.study.get("starts", 0)).level


def _thresholds(findings: Findings) -> Thresholds:
    """Those of the study; findings of a younger reseed may know more of them."""
    given = findings.study.get("thresholds", {})
    return Thresholds.model_validate({name: given[name] for name in Thresholds.model_fields if name in given})


def up_to_sign(findings: Findings) -> str:
    """Of which methods an atom and its negative count as one, in a sentence; empty where of none."""
    kinds = sorted({each.kind for each in findings.conditions if each.sign == "abs"})
    return f"Atoms of {', '.join(kinds)} are compared up to sign, by absolute cosines." if kinds else ""


def false_words(findings: Findings) -> str:
    """How many false words so many conditions, at so many looks, may give; empty where no claim was possible.

    Each interval misses what it is of with 1 - level, to either side; words that claim something need one side only.
    """
    asked = (each for each in findings.conditions if not each.one_solution)
    tested = sum(math.isfinite(each.agreement.between.last.low) for each in asked if each.agreement)
    if not tested:
        return ""
    thresholds = _thresholds(findings)
    false = thresholds.error if thresholds.holm else tested * thresholds.error
    conditions = f"{counted(tested, 'condition')} {'is' if tested == 1 else 'are'}"
    together = " together (Holm)" if thresholds.holm else ""
    told = f"{conditions} expected to give{together} up to {rounded(false, 2 if false < 1 else 1)} false words"
    return f"Where there is nothing to find, {told}{_looks(thresholds.looks, findings.study.get('starts'))}."


def _looks(looks: Sequence[Look], starts: object) -> str:
    """That words were, or will be, read at several numbers of starts, and how much of the error each look spends."""
    if not looks:
        return ""
    at = ", ".join(f"{look.starts:,} ({rounded(look.error, 4)})" for look in looks)
    return f", over {counted(len(looks), 'look')}, at so many starts (error): {at}; this is the one at {starts}"


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
    """How the learning rates and the penalties were chosen, of the arms that were tuned."""
    return tuple(said for arm in findings.study.get("arms", ()) for said in (*_tuned_rate(arm), *_tuned_penalty(arm)))


def _tuned_rate(arm: Mapping[str, Any]) -> Iterator[str]:
    if record := arm.get("tuned"):
        rate = arm["method"]["learning_rate"]
        among = ", ".join(f"{each:g}" for each in record["rates"])
        yield f"{arm['name']}: learning rate {rate:g}, chosen on held-out R² ({record['preprocess']}) among {among}"


def _tuned_penalty(arm: Mapping[str, Any]) -> Iterator[str]:
    if record := arm.get("tuned_l0"):
        value, setting = arm["method"][record["setting"]], record["setting"]
        among = ", ".join(f"{each:g}" for each in record["penalties"])
        sought = f"L0 = {record['l0']:g} ({record['preprocess']})"
        yield f"{arm['name']}: {setting} {value:g}, chosen for a held-out {sought} among {among}"


def _run_label(run: RunFindings) -> str:
    return f"s{run.start_index} r{run.run_index}"
