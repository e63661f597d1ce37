"""Requirements: which words a verdict may have, and which numbers an estimate has to reach.

    convergent, stabilizing                    every condition has one of these words
    *@centre: between >= .80, r2 > .9          every condition that the pattern fits reaches these numbers
    ra-topk@centre: stabilizing, gain > 0      both, of one condition

The estimate itself decides; where its interval lies is said beside it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, interval, rounded
from reseed.errors import SpecError
from reseed.requirements.quantities import OF_A_MEASURE, QUANTITIES, measure_of, quantities
from reseed.verdict import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from reseed.findings import ConditionFindings, Findings, Interval

__all__ = ["Met", "Required", "check_names", "met", "parse"]

RELATIONS: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}
_NUMBER = re.compile(r"(?P<quantity>[^<>=\s]*)\s*(?P<relation>>=|<=|>|<)\s*(?P<bound>\S*)")


@dataclass(frozen=True)
class Required:
    """One requirement: words, or a number."""

    conditions: str
    """A pattern of names: `*` is all of them."""
    outcomes: frozenset[Outcome] = frozenset()
    """Words of which each condition has to have one; empty for a number."""
    quantity: str = ""
    """Whose estimate; empty for words."""
    relation: str = ""
    bound: float = math.nan

    def fits(self, condition: str) -> bool:
        """Whether it is about the condition of this name."""
        return fnmatchcase(condition, self.conditions)


@dataclass(frozen=True)
class Met:
    """Whether a condition has what is required, and the sentence that says so."""

    holds: bool
    sentence: str
    of_number: bool
    """Whether a number was required, and not words."""


def parse(given: Iterable[str]) -> tuple[Required, ...]:
    """What texts such as `*@centre: stabilizing, between >= .80` require.

    Raises:
        SpecError: a word, a quantity, a relation or a number is none.
    """
    return tuple(each for text in given for each in _parsed(text))


def _parsed(text: str) -> Iterator[Required]:
    conditions, colon, listed = text.rpartition(":")
    pattern = conditions.strip() if colon else "*"
    items = [item.strip() for item in listed.split(",")]
    words = {item for item in items if not re.search("[<>=]", item)}
    unknown = words - set(Outcome)
    if unknown or not pattern:
        raise SpecError(
            f"--require {', '.join(sorted(unknown)) or text}: choose from {', '.join(Outcome)}; or require a number, "
            "as in  *@centre: between >= .80"
        )
    if words:
        yield Required(pattern, outcomes=frozenset(map(Outcome, words)))
    yield from (_number(pattern, item) for item in items if item not in words)


def _number(pattern: str, item: str) -> Required:
    found = _NUMBER.fullmatch(item)
    bound = _float(found["bound"]) if found else math.nan
    if found is None or not math.isfinite(bound):
        raise SpecError(
            f"--require {item}: a quantity, one of {' '.join(RELATIONS)}, and a number, as in  between >= .80"
        )
    quantity = found["quantity"].removesuffix(".last")
    measure, _, part = quantity.partition(".")
    if quantity not in QUANTITIES and (not measure or part not in OF_A_MEASURE):
        raise SpecError(
            f"--require {item}: {quantity or 'nothing'} is no quantity; choose from {', '.join(QUANTITIES)}, or for "
            "another measure, such as mmcs, mmcs.between"
        )
    return Required(pattern, quantity=quantity, relation=found["relation"], bound=bound)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def check_names(required: Iterable[Required], *, conditions: Collection[str], measures: Collection[str]) -> None:
    """Refuse what no condition, or no measure, can meet.

    Raises:
        SpecError: a pattern fits no condition, or a measure does not exist.
    """
    for each in required:
        if not any(map(each.fits, conditions)):
            raise SpecError(f"--require {each.conditions}: no such condition; this study has {', '.join(conditions)}")
        measure, _, part = each.quantity.partition(".")
        if each.quantity not in QUANTITIES and part and measure not in measures:
            raise SpecError(f"--require {each.quantity}: no measure {measure}; this study has {', '.join(measures)}")


def met(findings: Findings, required: Iterable[Required]) -> tuple[Met, ...]:
    """Each requirement held against each condition that it is about."""
    return tuple(
        _words(condition, each) if each.outcomes else _estimate(condition, each)
        for each in required
        for condition in findings.conditions
        if each.fits(condition.name)
    )


def _words(condition: ConditionFindings, required: Required) -> Met:
    outcome = condition.verdict.outcome
    wanted = ", ".join(sorted(required.outcomes))
    return Met(outcome in required.outcomes, f"{condition.name} is {outcome}; required: {wanted}", of_number=False)


def _estimate(condition: ConditionFindings, required: Required) -> Met:
    found = quantities(condition).get(required.quantity)
    named = f"{condition.name}: {required.quantity}"
    if found is None or math.isnan(found.value):
        why = (found and found.reason) or "there is nothing that it could be measured on"
        return Met(holds=False, sentence=f"{named} is not defined ({why})", of_number=True)
    holds = RELATIONS[required.relation](found.value, required.bound)
    digits = digits_apart(found.value, required.bound)
    said = f"{rounded(found.value, digits)} {interval(found.low, found.high, digits)}".rstrip()
    said += _beside(condition, required.quantity)
    wanted = f"required: {required.relation} {rounded(required.bound, digits)}"
    verdict = "reached" if holds else "not reached"
    return Met(
        holds, f"{named} is {said}; {wanted}: {verdict}, {_stands(found, required, holds=holds)}", of_number=True
    )


def _beside(condition: ConditionFindings, quantity: str) -> str:
    """What an agreement is not told without: where it began, its strictest null, and that it could be no other."""
    measure = measure_of(condition, quantity)
    if measure is None:
        return ""
    identical = quantity.removesuffix(".adjusted").endswith("within")
    born = "born identical" if identical else f"{rounded(measure.born.value)} at step 0"
    null = "no null" if measure.floor is None else f"{measure.floor.name} null {rounded(measure.floor.value)}"
    why = f", {Reason.DETERMINED}" if condition.one_solution else ""
    return f" ({born}, {null}{why})"


def _stands(found: Interval, required: Required, *, holds: bool) -> str:
    """Where the interval lies, beside what the estimate decided."""
    if math.isnan(found.low) or math.isnan(found.high):
        return "without an interval"
    there = RELATIONS[required.relation]
    ends = {there(found.low, required.bound), there(found.high, required.bound)}
    if ends == {holds}:
        return "with the whole interval"
    return f"but the interval also holds values that {'do not reach' if holds else 'would reach'} it"
