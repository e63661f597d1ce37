"""How measures, floors and diagnostics are called; what is in no table keeps its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.floors import FLOORS
from reseed.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from reseed.findings import ConditionFindings

__all__ = [
    "diagnostic_title",
    "diagnostics",
    "floor_title",
    "floors_shown",
    "measure_meaning",
    "measure_short",
    "measure_title",
    "measures_shown",
]

DIAGNOSTICS = {
    "frozen_rows": "frozen rows of the mixing weights",
    "weight_entropy": "entropy of the mixing weights, nats",
    "effective_points": "points in a mixture, exp(entropy)",
    "relaxation_saturation": "saturation of Λ",
    "multiplier": "multiplier",
}
"""What methods say about themselves, and how it is called; others keep their names."""

_OF_ALL_METHODS = {"retention", "r2", "alive", "l0"}


def measure_title(name: str) -> str:
    """How a measure is called in headings."""
    return MEASURES[name].title if name in MEASURES else name


def measure_short(name: str) -> str:
    """How a measure is called where there is little space."""
    return (MEASURES[name].short if name in MEASURES else "") or measure_title(name)


def measure_meaning(name: str) -> str:
    """What a measure is; empty where that is not known."""
    return MEASURES[name].meaning if name in MEASURES else ""


def measures_shown(
    conditions: Iterable[ConditionFindings], role: Literal["agreement", "companion", "mechanism"]
) -> tuple[str, ...]:
    """The measures of one role that some condition has, in the order in which they first appear."""
    names = dict.fromkeys(name for each in conditions for name in each.measures)
    return tuple(name for name in names if (MEASURES[name].role if name in MEASURES else "companion") == role)


def floor_title(name: str) -> str:
    """How a floor is called in headings and figures."""
    return FLOORS[name].title if name in FLOORS else name


def floors_shown(conditions: Iterable[ConditionFindings]) -> tuple[str, ...]:
    """The floors of the matched agreement that some condition has, in the order of `FLOORS`."""
    present = dict.fromkeys(floor.name for each in conditions if each.agreement for floor in each.agreement.floors)
    return (*(name for name in FLOORS if name in present), *(name for name in present if name not in FLOORS))


def diagnostic_title(name: str) -> str:
    """How what a method says about itself is called."""
    return DIAGNOSTICS.get(name, name.replace("_", " "))


def diagnostics(conditions: Iterable[ConditionFindings]) -> tuple[str, ...]:
    """What the methods say about themselves in some condition."""
    names = dict.fromkeys(name for each in conditions for name in each.metrics if name not in _OF_ALL_METHODS)
    return (*(name for name in DIAGNOSTICS if name in names), *(name for name in names if name not in DIAGNOSTICS))
