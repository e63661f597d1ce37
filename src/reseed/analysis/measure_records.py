"""One record per measure: what it says within and between starts, raw and beyond its strictest null."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.intervals import adjusted, adjusted_curve, band, interval
from reseed.analysis.tables import strictest
from reseed.findings import MeasureFindings, PairsFindings
from reseed.measures import MEASURES

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.findings import Interval
    from reseed.floors import Floor
    from reseed.statistics import Estimate
    from reseed.verdict import MeasureEvidence

__all__ = ["measure_record"]

_NO_PAIRS = {
    "within": "no two runs share a start, so there is no W: it takes runs_per_start = 2",
    "between": "all runs share one start, so there is no B: it takes other starts",
}
_CURVES = {"within": statistics.within_start, "between": statistics.between_start}


def measure_record(
    name: str, pairs: Pairs, floors: tuple[Floor, ...], said: MeasureEvidence | None, level: float
) -> MeasureFindings:
    """What one measure says: its curves with bands, its ends, its gain.

    Args:
        name: of the measure.
        pairs: the pairs of runs.
        floors: its nulls, its origin and its references.
        said: what it says of runs that started apart, whose end is adjusted with the error of the null; None for
            measures that have no null.
        level: of the intervals.
    """
    null = strictest(floors)
    between = _over("between", name, pairs, null, level)
    if said is not None and said.strictest is not None and name not in pairs.without:
        between = between.model_copy(update={"adjusted": interval(said.strictest.adjusted)})
    born, gain = (interval(each) for each in _estimates(_born_and_gain, name, pairs, level))
    measure = MEASURES[name]
    return MeasureFindings(
        title=measure.title,
        short=measure.short,
        meaning=measure.meaning,
        role=measure.role,
        within=_over("within", name, pairs, null, level),
        between=between,
        born=born,
        gain=gain,
        floors=floors,
        strictest=None if null is None else null.name,
    )


def _over(relation: str, name: str, pairs: Pairs, null: Floor | None, level: float) -> PairsFindings:
    estimates = _estimates(_CURVES[relation], name, pairs, level)
    curve, last = band(pairs.steps, estimates), interval(estimates[-1])
    return PairsFindings(
        curve=curve,
        adjusted_curve=None if null is None else adjusted_curve(curve, null.value),
        last=_with_reason(last, _NO_PAIRS[relation]),
        adjusted=None if null is None else adjusted(last, null.value),
    )


def _estimates(statistic: statistics.Statistic, name: str, pairs: Pairs, level: float) -> tuple[Estimate, ...]:
    """Something about one measure, with the error of the null that it is held against where that is estimated."""
    estimates = statistics.jackknife(statistic, pairs.measures[name], pairs.groups, level=level)
    if name not in pairs.without:
        return estimates
    without = torch.stack([statistic(each, pairs.groups) for each in pairs.without[name]])
    return tuple(statistics.widened(each, values) for each, values in zip(estimates, without.T, strict=True))


def _born_and_gain(
    matrices: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"]
) -> Float[Tensor, " born_and_gain"]:
    between = statistics.between_start(matrices, groups)
    return torch.stack([between[0], statistics.gain(between)])


def _with_reason(found: Interval, reason: str) -> Interval:
    """The interval, with the reason why there are no such pairs where there are none."""
    return found.model_copy(update={"reason": reason}) if math.isnan(found.value) else found
