"""What a study asks, and its answer, in sentences made from its arms, its words and its comparisons. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal

from reseed._support.numbers import interval, rounded
from reseed.analysis.likeness import start_called
from reseed.verdict import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reseed.findings import Comparison, ConditionFindings, Interval, SameEnds
    from reseed.thresholds import Limits

__all__ = ["answer", "question"]

NAMED = 4
"""So many arms or methods are named; more are counted."""

SEEN = {
    "centre": "centred",
    "centre-scale": "centred and scaled",
    "standardise": "standardised",
    "whiten": "whitened",
    "unit-norm": "unit-norm",
    "none": "uncentred",
}
"""Activations by their preprocessing: those without a common mean first, because it makes all atoms alike."""

HALF_A_HUNDREDTH = 0.005
"""Differences below this are printed as none."""

Becomes = Literal["yes", "no", "unsaid"]
"""Whether runs that started apart become one dictionary."""


def question(conditions: Sequence[ConditionFindings]) -> str:
    """What a study of these conditions asks, in one sentence; empty where there are none."""
    arms = list(dict.fromkeys(each.arm for each in conditions))
    of_starts = [each for each in conditions if not each.one_solution]
    kinds = list(dict.fromkeys(each.kind for each in of_starts))
    if not arms:
        return ""
    asked = f"Do independently trained runs of {_listed(arms, 'arms')} become one dictionary"
    starts = {each.start_kind for each in of_starts}
    if 1 < len(kinds) <= NAMED:
        *others, last = kinds[1:]
        verb = "do" if others else "does"
        asked += f", and {verb} {_and([*others, last])} make features more stable than {kinds[0]}"
    elif len(kinds) > 1:
        asked += f", and which of {len(kinds)} methods makes features more stable than {kinds[0]}"
    elif len(starts) > 1:
        asked += f", and does {kinds[0]} end alike from {_and([start_called(each) for each in sorted(starts)])} starts"
    return f"{asked}?"


def answer(
    conditions: Sequence[ConditionFindings],
    comparisons: Sequence[Comparison],
    same_ends: Sequence[SameEnds],
    limits: Limits,
) -> str:
    """The answer to `question` in one to three sentences, with its numbers; empty where there are no conditions.

    It is about the preprocessing that leaves the least of a common mean, and says so where another would answer
    otherwise.
    """
    if not conditions:
        return ""
    seen = min((each.preprocess for each in conditions), key=_place)
    leading = [each for each in conditions if each.preprocess == seen]
    told = _convergence(leading, limits)
    by_seen: dict[str, dict[str, Becomes]] = {}
    for each in conditions:
        by_seen.setdefault(each.preprocess, {})[each.arm] = _becomes(each, limits)
    if len({frozenset(becomes.items()) for becomes in by_seen.values()}) > 1:
        told = f"On {SEEN.get(seen, seen)} activations: {told[0].lower()}{told[1:]}"
    kinds = {each.arm: each.kind for each in leading}
    here = [each for each in comparisons if each.preprocess == seen]
    of_methods = [each for each in here if {each.first, each.second} <= kinds.keys()]
    of_methods = [each for each in of_methods if kinds[each.first] != kinds[each.second]]
    of_one_solution = {each.arm for each in leading if each.one_solution}
    of_methods = [each for each in of_methods if not of_one_solution & {each.first, each.second}]
    more = _attribution(of_methods, limits, few=len(kinds) <= NAMED)
    alike = [each.sentence for each in same_ends if each.preprocess == seen] if len(set(kinds.values())) == 1 else []
    return " ".join(filter(None, (told, more, *alike[:1])))


def _place(preprocess: str) -> int:
    """Before which others a preprocessing counts."""
    return list(SEEN).index(preprocess) if preprocess in SEEN else len(SEEN)


def _becomes(condition: ConditionFindings, limits: Limits) -> Becomes:
    """By the word, and where that leaves it open by the number: an interval wholly below one dictionary says no."""
    outcome, last = condition.verdict.outcome, _last(condition)
    if condition.one_solution:
        return "unsaid"
    if outcome is Outcome.CONVERGENT:
        return "yes"
    fitted = outcome not in {Outcome.NOT_FITTED, Outcome.NOT_TESTABLE}
    return "no" if fitted and last is not None and last.high < limits.convergent else "unsaid"


def _last(condition: ConditionFindings) -> Interval | None:
    """B(T) against the strictest null, as the word *convergent* sees it."""
    found = condition.agreement
    return None if found is None else found.between.adjusted or found.between.last


def _convergence(conditions: Sequence[ConditionFindings], limits: Limits) -> str:
    groups: dict[Becomes, list[ConditionFindings]] = {"yes": [], "no": [], "unsaid": []}
    for each in conditions:
        groups[_becomes(each, limits)].append(each)
    yes, no, unsaid = groups.values()
    one = conditions[0].arm if len(conditions) == 1 else ""
    if len(yes) == len(conditions):
        return f"Yes: independent runs of {one or 'every arm'} become one dictionary ({_range(yes)})."
    if len(no) == len(conditions):
        lead = f"Independent runs of {one} do not" if one else "No arm's independent runs"
        return f"{lead} become one dictionary{_closest(no)}."
    if len(unsaid) == len(conditions):
        return _unsaid(conditions, one)
    named = len(conditions) <= NAMED

    def of(group: Sequence[ConditionFindings]) -> str:
        return _and([each.arm for each in group]) if named else str(len(group))

    told = [f"those of {of(no)} do not" if no else "", f"of {of(unsaid)} it cannot be said" if unsaid else ""]
    counted = "" if named else f" of {len(conditions)} arms"
    if yes:
        lead = f"Independent runs of {of(yes)}{counted} become one dictionary ({_range(yes)})"
        return f"{'; '.join(filter(None, (lead, *told)))}."
    return f"Independent runs of {of(no)}{counted} do not become one dictionary{_closest(no)}; {told[1]}."


def _closest(conditions: Sequence[ConditionFindings]) -> str:
    """Those that came together part of the way, or else the one that ends closest, with their numbers."""
    together = [each for each in conditions if each.verdict.outcome is Outcome.STABILIZING]
    if len(conditions) == 1:
        return f"; they came closer, {_path(conditions[0])}" if together else f" ({_path(conditions[0])})"
    if together and len(together) <= NAMED:
        told = _and([f"{each.arm} ({_path(each)})" for each in together])
        return f"; those of {told} came closer together"
    if together:
        return f"; those of {len(together)} came closer together"
    closest = max(conditions, key=lambda each: each.agreement.between.last.value if each.agreement else -math.inf)
    return f"; the closest are those of {closest.arm} ({_path(closest)})"


def _path(condition: ConditionFindings) -> str:
    """The start, the end with its spread, and the null."""
    found = condition.agreement
    if found is None:
        return ""
    null = f", {rounded(found.floor.value)} without common structure" if found.floor else ""
    return f"{rounded(found.born.value)} at step 0, {_told(found.between.last)} at the end{null}"


def _range(conditions: Iterable[ConditionFindings]) -> str:
    """From where to where they came: of one arm in full, of several the least and the most."""
    found = [each for each in conditions if each.agreement]
    if len(found) == 1:
        return _path(found[0])
    starts = _from_to(each.agreement.born.value for each in found if each.agreement)
    ends = _from_to(each.agreement.between.last.value for each in found if each.agreement)
    nulls = [each.agreement.floor.value for each in found if each.agreement and each.agreement.floor]
    beneath = f", at most {rounded(max(nulls))} without common structure" if nulls else ""
    return f"{starts} at step 0, {ends} at the end{beneath}"


def _from_to(values: Iterable[float]) -> str:
    found = sorted(values)
    return " to ".join(dict.fromkeys(map(rounded, (found[0], found[-1]))))


def _unsaid(conditions: Sequence[ConditionFindings], one: str) -> str:
    outcomes = Counter(each.verdict.outcome for each in conditions)
    whose = one or "any arm"
    if {*outcomes} == {Outcome.NOT_FITTED}:
        best = max(each.r2.value for each in conditions)
        return f"Nothing can be said of {whose}: no runs reconstruct the activations (R² {rounded(best)} at most)."
    if {*outcomes} == {Outcome.NOT_TESTABLE}:
        return f"Nothing can be said of {whose}: fewer than two runs finished."
    if {each.verdict.because for each in conditions} == {Reason.DETERMINED}:
        return (
            f"Runs of {one or 'every arm'} have one solution for given activations, whatever the start: that they "
            "agree says nothing about the activations."
        )
    words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    why = words if not one else str(conditions[0].verdict.outcome)
    bare = (
        "; the study has no surrogate to hold it against" if all(each.surrogate is None for each in conditions) else ""
    )
    return f"Whether independent runs of {whose} become one dictionary cannot be said ({why}{bare})."


def _attribution(comparisons: Sequence[Comparison], limits: Limits, *, few: bool) -> str:
    """The lead as it would be published and where it comes from; then what the methods do from equal starts."""
    alike = [each for each in comparisons if each.like_with_like]
    if not few:
        return _tally(alike)
    published = next((each for each in comparisons if each.first_pairs != each.second_pairs), None)
    told = published or next(iter(comparisons), None)
    if told is None or math.isnan(told.gap.value):
        return ""
    also = next((each for each in alike if each.first in {told.first, told.second}), None)
    return f"{_lead(told, limits)}{f'; {_gains(also)}' if also else ''}."


def _lead(found: Comparison, limits: Limits) -> str:
    """Where the gap between two arms comes from, told of the one that leads."""
    sign = -1 if found.gap.value < 0 else 1
    leader, other = (found.first, found.second)[::sign]
    gap, born, earned = (sign * part.value for part in (found.gap, found.born, found.earned))
    if gap <= limits.margin:
        return f"As it would be published, {found.first} has no lead over {found.second} ({_signed(found.gap)})"
    lead = f"The lead of {leader} over {other} as it would be published ({_told(found.gap, sign)})"
    if abs(earned) < HALF_A_HUNDREDTH:
        return f"{lead} was there at step 0"
    if earned < 0:
        return f"{lead} was there at step 0 ({rounded(born)}); training took {rounded(-earned)} of it"
    if born < HALF_A_HUNDREDTH:
        behind = f", from {rounded(-born)} behind at step 0" if born <= -HALF_A_HUNDREDTH else ""
        return f"{lead} was made in training{behind}"
    return f"{lead} is {rounded(born)} from step 0 and {rounded(earned)} from training"


_GAINS: dict[str, Callable[[Comparison], str]] = {
    "advantage": lambda each: f"gains more than {each.second}",
    "equivalent": lambda each: f"gains as much as {each.second}, within the margin",
    "disadvantage": lambda each: f"gains less than {each.second}",
    "inconclusive": lambda each: f"cannot be told from {each.second} in what it gains",
}


def _gains(found: Comparison) -> str:
    return f"from starts of one kind {found.first} {_GAINS[found.outcome](found)} ({_signed(found.gain_difference)})"


def _tally(alike: Sequence[Comparison]) -> str:
    """Comparisons of methods from equal starts, counted."""
    counts = Counter(str(each.outcome) for each in alike)
    words = {"advantage": "more", "equivalent": "as much", "disadvantage": "less", "inconclusive": "undecided"}
    told = [f"{counts[outcome]} {word}" for outcome, word in words.items() if counts[outcome]]
    compared = f"{len(alike)} comparison{'' if len(alike) == 1 else 's'} of methods from starts of one kind"
    return f"In {compared} the arm gains: {', '.join(told)}." if told else ""


def _told(found: Interval, sign: int = 1) -> str:
    """The value with its interval, or those of its negative."""
    low, high = sorted((sign * found.low, sign * found.high))
    return f"{rounded(sign * found.value)} {interval(low, high)}".rstrip()


def _signed(found: Interval) -> str:
    text = rounded(found.value)
    signed = f"+{text}" if found.value > 0 and text[0] not in "<>" else text
    return f"{signed} {interval(found.low, found.high)}".rstrip()


def _listed(names: Sequence[str], what: str) -> str:
    return _and(names) if len(names) <= NAMED else f"{len(names)} {what}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
