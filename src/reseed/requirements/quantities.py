"""The estimates of a condition by name: as `findings.json` calls them, those of the matched agreement first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Interval, MeasureFindings

__all__ = ["OF_A_MEASURE", "QUANTITIES", "measure_of", "quantities"]

OF_A_MEASURE = ("within", "within.adjusted", "between", "between.adjusted", "born", "gain")
"""At the last step; of another measure than the matched agreement with its name before them: `mmcs.between`."""

QUANTITIES = (*OF_A_MEASURE, "r2", "alive")
"""What every condition with two finished runs has."""


def quantities(condition: ConditionFindings) -> dict[str, Interval]:
    """Every estimate of a condition that its findings hold."""
    found: dict[str, Interval] = {}
    for name, measure in condition.measures.items():
        before = "" if name == "agreement" else f"{name}."
        found |= {f"{before}{part}": each for part, each in _of(measure).items() if each is not None}
    return found | {"r2": condition.r2, "alive": condition.alive}


def measure_of(condition: ConditionFindings, quantity: str) -> MeasureFindings | None:
    """The measure whose estimate a quantity is; None for those of the condition itself."""
    if quantity in OF_A_MEASURE:
        return condition.agreement
    return condition.measures.get(quantity.partition(".")[0])


def _of(measure: MeasureFindings) -> dict[str, Interval | None]:
    estimates = (
        *(measure.within.last, measure.within.adjusted, measure.between.last, measure.between.adjusted),
        *(measure.born, measure.gain),
    )
    return dict(zip(OF_A_MEASURE, estimates, strict=True))
