"""Estimates and bands in the form in which the findings hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reseed.findings import Curve, Interval
from reseed.statistics import floor_adjusted

if TYPE_CHECKING:
    from reseed.statistics import Estimate

__all__ = ["adjusted", "adjusted_curve", "band", "interval"]

_NUMBERS = ("value", "low", "high")


def interval(estimate: Estimate) -> Interval:
    """An estimate as the findings hold it."""
    return Interval(
        value=estimate.value,
        standard_error=estimate.standard_error,
        low=estimate.low,
        high=estimate.high,
        n_units=estimate.n_units,
        unit=estimate.unit,
        reason=estimate.reason or None,
    )


def adjusted(found: Interval, floor: float) -> Interval:
    """An interval on the floor-adjusted scale, the floor taken as known."""
    ends = {name: floor_adjusted(getattr(found, name), floor) for name in _NUMBERS}
    return found.model_copy(update={**ends, "standard_error": _in_units(found.standard_error, floor)})


def band(steps: Sequence[int], estimates: Sequence[Estimate]) -> Curve:
    """One quantity along the trajectory, with its band."""
    return Curve(
        steps=tuple(steps),
        value=tuple(estimate.value for estimate in estimates),
        low=tuple(estimate.low for estimate in estimates),
        high=tuple(estimate.high for estimate in estimates),
        unit=estimates[0].unit,
    )


def adjusted_curve(curve: Curve, floor: float) -> Curve:
    """A curve on the floor-adjusted scale, the floor taken as known."""
    ends = {name: tuple(floor_adjusted(value, floor) for value in getattr(curve, name)) for name in _NUMBERS}
    return curve.model_copy(update=ends)


def _in_units(number: float, floor: float) -> float:
    return number / (1 - floor) if floor < 1 else math.nan
