"""Whether the curves of a condition have levelled off (docs/mathematics.md, eq. 91)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.analysis.run_metrics import run_metric
from reseed.findings import Levelling

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.statistics import Estimate
    from reseed.trajectory import Trajectory

__all__ = ["levelling"]


def levelling(runs: Sequence[Trajectory], pairs: Pairs, level: float) -> Levelling:
    """By how much R² and the matched agreement still change per doubling of the steps, and whether that is little."""
    steps = torch.tensor(pairs.steps)
    slope = statistics.per_doubling(steps, run_metric(runs, "r2", pairs.steps))
    r2 = statistics.over_runs(slope[None], pairs.groups, level=level)[0]
    agreement = _of_agreement(pairs, level)
    levels_off = all(abs(found.value) <= statistics.LEVEL for found in (r2, agreement))
    return Levelling(r2=interval(r2), agreement=interval(agreement), most=statistics.LEVEL, levels_off=levels_off)


def _of_agreement(pairs: Pairs, level: float) -> Estimate:
    """Of runs that started apart, or of all where they share one start."""
    several = len(pairs.groups.unique()) > 1
    curve = statistics.between_start if several else statistics.within_start

    def slope(matched: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"]) -> Float[Tensor, " one"]:
        return statistics.per_doubling(steps, curve(matched, groups))[None]

    steps = torch.tensor(pairs.steps)
    return statistics.jackknife(slope, pairs.measures["agreement"], pairs.groups, level=level)[0]
