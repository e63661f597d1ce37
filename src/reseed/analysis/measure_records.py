"""One record per measure: what it says within and between starts, raw and beyond its strictest floor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.evidence import adjective
from reseed.analysis.intervals import adjusted, adjusted_curve, band, interval, scaled
from reseed.analysis.tables import strictest
from reseed.findings import MeasureFindings, PairsFindings
from reseed.measures import MEASURES
from reseed.verdict import MeasureEvidence

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.findings import Interval
    from reseed.floors import Floor
    from reseed.statistics import Estimate
    from reseed.verdict import Evidence

__all__ = ["measure_record", "said_by", "with_evidence"]

_NO_PAIRS = {
    "within": "no two runs share a start, so there is no W: it takes runs_per_start = 2",
    "between": "all runs share one start, so there is no B: it takes other starts",
}
_CURVES = {"within": statistics.within_start, "between": statistics.between_start}


def measure_record(name: str, pairs: Pairs, floors: tuple[Floor, ...], level: float) -> MeasureFindings:
    """What one measure says: its curves with bands, its ends, its gain; its strictest floor is taken as known."""
    floor = strictest(floors)
    born, gain = (interval(each) for each in _estimates(_born_and_gain, name, pairs, level))
    measure = MEASURES[name]
    return MeasureFindings(
        title=measure.title,
        short=measure.short,
        meaning=measure.meaning,
        role=measure.role,
        within=_over("within", name, pairs, floor, level),
        between=_over("between", name, pairs, floor, level),
        born=born,
        gain=gain,
        gain_adjusted=None if floor is None else scaled(gain, floor.value),
        floors=floors,
        strictest=None if floor is None else floor.name,
    )


def with_evidence(record: MeasureFindings, evidence: Evidence) -> MeasureFindings:
    """The record of the measure that the verdict is about: its adjusted interval holds the error of the floor, too.

    Where it has no pairs of a kind, it says what it takes to have them.
    """
    within, between = record.within, record.between
    within = within.model_copy(update={"last": _with_reason(within.last, _NO_PAIRS["within"])})
    last = _with_reason(between.last, _NO_PAIRS["between"])
    between = between.model_copy(update={"last": last, "adjusted": interval(evidence.adjusted)})
    gain = interval(evidence.adjusted_gain)
    return record.model_copy(update={"within": within, "between": between, "gain_adjusted": gain})


def said_by(name: str, pairs: Pairs, floors: tuple[Floor, ...], level: float) -> MeasureEvidence:
    """What a measure says about runs that started apart, for holding it against another."""
    ends = statistics.ends(statistics.between_start, pairs.measures[name], pairs.groups, level=level)
    beneath = {adjective(floor): floor.value for floor in floors}
    return MeasureEvidence(MEASURES[name].title, ends.last, ends.gain, beneath)


def _over(relation: str, name: str, pairs: Pairs, floor: Floor | None, level: float) -> PairsFindings:
    estimates = _estimates(_CURVES[relation], name, pairs, level)
    curve, last = band(pairs.steps, estimates), interval(estimates[-1])
    return PairsFindings(
        curve=curve,
        adjusted_curve=None if floor is None else adjusted_curve(curve, floor.value),
        last=last,
        adjusted=None if floor is None else adjusted(last, floor.value),
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
