"""Where a companion measure says otherwise than the matched agreement. Pure: nothing is measured, read or printed here.

Two measures are held against the strictest of the floors that both of them have: a floor that only one has would make
them differ by the floor alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, rounded
from reseed.verdict.sentences import with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reseed.statistics import Estimate
    from reseed.verdict.evidence import MeasureEvidence

__all__ = ["disagreements"]


def disagreements(
    cosine: MeasureEvidence, companions: Mapping[str, MeasureEvidence], *, margin: float
) -> tuple[str, ...]:
    """One sentence for each companion that contradicts the matched agreement.

    It does where the two intervals of B(T) lie on opposite sides of their floors; or where one gain is more than
    `margin` and the other less than -`margin`, with their whole intervals. What is undefined contradicts nothing.

    Args:
        cosine: what the matched agreement says.
        companions: those that may contradict it, by name; all of them are asked, in this order.
        margin: the smallest difference that matters, floor-adjusted.
    """
    said = (_disagreement(cosine, companion, margin) for companion in companions.values())
    return tuple(sentence for sentence in said if sentence)


def _disagreement(cosine: MeasureEvidence, companion: MeasureEvidence, margin: float) -> str:
    names = _common_floors(cosine, companion)
    if not names:
        return ""
    (_, floor), (_, own) = strictest = [_strictest(each, names) for each in (cosine, companion)]
    called = companion.title[0].upper() + companion.title[1:]
    if _side(cosine, floor) * _side(companion, own) < 0:
        here, there = (_against(each, *its) for each, its in zip((companion, cosine), reversed(strictest), strict=True))
        return f"{called} says otherwise: between starts it is {here}, while the matched agreement is {there}."
    if _turn(cosine, floor, margin) * _turn(companion, own, margin) < 0:
        return (
            f"{called} says otherwise: between starts it {_went(companion.gain)}, while the matched agreement "
            f"{_went(cosine.gain)}."
        )
    return ""


def _common_floors(cosine: MeasureEvidence, companion: MeasureEvidence) -> Sequence[str]:
    return [name for name in cosine.floors if _is_floor(cosine, name) and _is_floor(companion, name)]


def _is_floor(evidence: MeasureEvidence, name: str) -> bool:
    return evidence.floors.get(name, math.nan) < 1  # at a floor of 1 nothing can be told, and nan is no floor


def _strictest(evidence: MeasureEvidence, names: Sequence[str]) -> tuple[str, float]:
    name = max(names, key=lambda each: evidence.floors[each])
    return name, evidence.floors[name]


def _side(evidence: MeasureEvidence, floor: float) -> int:
    """1: the whole interval of B(T) is beyond the floor; -1: below it; 0: neither."""
    return (evidence.between.low > floor) - (evidence.between.high < floor)


def _turn(evidence: MeasureEvidence, floor: float, margin: float) -> int:
    """1: the gain is surely more than the margin; -1: surely a loss of more; 0: neither."""
    unit = margin * (1 - floor)
    return (evidence.gain.low > unit) - (evidence.gain.high < -unit)


def _against(evidence: MeasureEvidence, name: str, floor: float) -> str:
    where = "beyond" if _side(evidence, floor) > 0 else "below"
    return f"{with_interval(evidence.between)}, {where} its {name} floor of {rounded(floor)}"


def _went(gain: Estimate) -> str:
    low, high = sorted((abs(gain.low), abs(gain.high)))
    return f"{'rose' if gain.value > 0 else 'fell'} by {rounded(abs(gain.value))} {interval(low, high)}"
