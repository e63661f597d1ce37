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
    from collections.abc import Sequence

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
    null, n_steps = strictest(floors), len(pairs.steps)
    *curves, gain = _estimates(_curves_and_gain, name, pairs, level)
    within = _over("within", curves[:n_steps], pairs.steps, null)
    between = _over("between", curves[n_steps:], pairs.steps, null)
    if said is not None and said.strictest is not None and name not in pairs.without:
        between = between.model_copy(update={"adjusted": interval(said.strictest.adjusted)})
    measure = MEASURES[name]
    return MeasureFindings(
        title=measure.title,
        short=measure.short,
        meaning=measure.meaning,
        role=measure.role,
        within=within,
        between=between,
        born=interval(curves[n_steps]),
        gain=interval(gain),
        floors=floors,
        strictest=None if null is None else null.name,
    )


def _over(relation: str, estimates: Sequence[Estimate], steps: tuple[int, ...], null: Floor | None) -> PairsFindings:
    curve, last = band(steps, estimates), interval(estimates[-1])
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


def _curves_and_gain(
    matrices: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"]
) -> Float[Tensor, " values"]:
    """W(t), B(t) and G, which are jackknifed together: each time a start is left out, it is once for all of them."""
    between = statistics.between_start(matrices, groups)
    return torch.cat([statistics.within_start(matrices, groups), between, statistics.gain(between)[None]])


def _with_reason(found: Interval, reason: str) -> Interval:
    """The interval, with the reason why there are no such pairs where there are none."""
    return found.model_copy(update={"reason": reason}) if math.isnan(found.value) else found
