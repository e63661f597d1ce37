"""Where a companion measure says otherwise than the matched agreement. Pure: nothing is measured, read or printed here.

Two measures are held against the strictest of the floors that both of them have: a floor that only one has would make
them differ by the floor alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, rounded
from reseed.verdict import FLOOR_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reseed.statistics import Estimate

__all__ = ["CALLED", "Said", "disagreements"]

CALLED = {
    "code": "code agreement",
    "projection": "projection agreement",
    "whitened": "whitened agreement",
    "subspace": "subspace overlap",
    "alive": "agreement of alive atoms",
    "mass": "mass-weighted agreement",
}
"""The companions that can disagree, and how they are called."""


@dataclass(frozen=True)
class Said:
    """What one measure says about runs that started apart."""

    between: Estimate
    """B(T)."""
    gain: Estimate
    """B(T) - B(0)."""
    floors: Mapping[str, float]
    """By name."""


def disagreements(cosine: Said, companions: Mapping[str, Said], *, margin: float) -> tuple[str, ...]:
    """One sentence for each companion that contradicts the matched agreement.

    It does where the two intervals of B(T) lie on opposite sides of their floors; or where one gain is more than
    `margin` and the other less than -`margin`, with their whole intervals. What is undefined contradicts nothing.

    Args:
        cosine: what the matched agreement says.
        companions: by measure; only those of `CALLED` are asked.
        margin: the smallest difference that matters, floor-adjusted.
    """
    said = (_disagreement(name, cosine, companions[name], margin) for name in CALLED if name in companions)
    return tuple(sentence for sentence in said if sentence)


def _disagreement(name: str, cosine: Said, companion: Said, margin: float) -> str:
    names = _common_floors(cosine, companion)
    if not names:
        return ""
    (_, floor), (_, own) = strictest = [_strictest(each, names) for each in (cosine, companion)]
    called = CALLED[name][0].upper() + CALLED[name][1:]
    if _side(cosine, floor) * _side(companion, own) < 0:
        here, there = (_against(each, *its) for each, its in zip((companion, cosine), reversed(strictest), strict=True))
        return f"{called} says otherwise: between starts it is {here}, while the matched agreement is {there}."
    if _turn(cosine, floor, margin) * _turn(companion, own, margin) < 0:
        return (
            f"{called} says otherwise: between starts it {_went(companion.gain)}, while the matched agreement "
            f"{_went(cosine.gain)}."
        )
    return ""


def _common_floors(cosine: Said, companion: Said) -> Sequence[str]:
    return [name for name in cosine.floors if _is_floor(cosine, name) and _is_floor(companion, name)]


def _is_floor(said: Said, name: str) -> bool:
    return said.floors.get(name, math.nan) < 1  # at a floor of 1 nothing can be told, and nan is no floor


def _strictest(said: Said, names: Sequence[str]) -> tuple[str, float]:
    name = max(names, key=lambda each: said.floors[each])
    return name, said.floors[name]


def _side(said: Said, floor: float) -> int:
    """1: the whole interval of B(T) is beyond the floor; -1: below it; 0: neither."""
    return (said.between.low > floor) - (said.between.high < floor)


def _turn(said: Said, floor: float, margin: float) -> int:
    """1: the gain is surely more than the margin; -1: surely a loss of more; 0: neither."""
    unit = margin * (1 - floor)
    return (said.gain.low > unit) - (said.gain.high < -unit)


def _against(said: Said, name: str, floor: float) -> str:
    where = "beyond" if _side(said, floor) > 0 else "below"
    floor_name = FLOOR_NAMES.get(name, name)
    return f"{_with_interval(said.between)}, {where} its {floor_name} floor of {rounded(floor)}"


def _went(gain: Estimate) -> str:
    low, high = sorted((abs(gain.low), abs(gain.high)))
    return f"{'rose' if gain.value > 0 else 'fell'} by {rounded(abs(gain.value))} {interval(low, high)}"


def _with_interval(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {interval(estimate.low, estimate.high)}"
