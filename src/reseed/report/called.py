"""How measures, floors and diagnostics are called: as the findings say; what they have no title for keeps its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from reseed.findings import ConditionFindings, Floor, MeasureFindings

__all__ = [
    "diagnostic_title",
    "diagnostics",
    "floor_title",
    "floors_shown",
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
    "threshold": "mean threshold",
}
"""What methods say about themselves, and how it is called; others keep their names."""

_OF_ALL_METHODS = {"retention", "r2", "alive", "l0"}


def measure_title(name: str, found: MeasureFindings) -> str:
    """How a measure is called in headings."""
    return found.title or name


def measure_short(name: str, found: MeasureFindings) -> str:
    """How a measure is called where there is little space."""
    return found.short or measure_title(name, found)


def measures_shown(
    conditions: Iterable[ConditionFindings], role: Literal["agreement", "companion", "mechanism"]
) -> dict[str, MeasureFindings]:
    """The measures of one role, in the order in which they first appear, each with its record there."""
    shown: dict[str, MeasureFindings] = {}
    for each in conditions:
        for name, found in each.measures.items():
            if found.role == role:
                shown.setdefault(name, found)
    return shown


def floor_title(floor: Floor) -> str:
    """How a floor is called in headings and figures."""
    return floor.title or floor.name


def floors_shown(conditions: Iterable[ConditionFindings]) -> dict[str, Floor]:
    """The floors of the matched agreement that some condition has, in the order of the condition that has most."""
    found = sorted((each.agreement.floors for each in conditions if each.agreement), key=len, reverse=True)
    shown: dict[str, Floor] = {}
    for floors in found:
        for floor in floors:
            shown.setdefault(floor.name, floor)
    return shown


def diagnostic_title(name: str) -> str:
    """How what a method says about itself is called."""
    return DIAGNOSTICS.get(name, name.replace("_", " "))


def diagnostics(conditions: Iterable[ConditionFindings]) -> tuple[str, ...]:
    """What the methods say about themselves in some condition."""
    names = dict.fromkeys(name for each in conditions for name in each.metrics if name not in _OF_ALL_METHODS)
    return (*(name for name in DIAGNOSTICS if name in names), *(name for name in names if name not in DIAGNOSTICS))
