"""What the pairs of runs of a condition say for and against its verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from reseed import statistics
from reseed.floors import FLOORS
from reseed.verdict import Evidence

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.floors import Floor
    from reseed.statistics import Estimate

__all__ = ["adjective", "nothing_known", "weigh"]


def weigh(pairs: Pairs, floor: Floor, *, r2: float, retention: float, level: float) -> Evidence:
    """What the pairs of runs say against a floor; R² is that of the worst run, retention their mean."""
    matched, groups = pairs.measures["agreement"], pairs.groups
    between = statistics.ends(statistics.between_start, matched, groups, level=level)
    adjusted = statistics.floor_adjusted(matched, floor.value)
    return Evidence(
        n_runs=len(groups),
        init_groups=len(groups.unique()),
        r2=r2,
        within=statistics.within(matched[-1:], groups, level=level)[0],
        between_first=between.first,
        between=between.last,
        gain=between.gain,
        floor=floor.value,
        floor_name=adjective(floor),
        floor_error=floor.standard_error,
        adjusted=_beyond(between.last, pairs, floor, level),
        adjusted_gain=statistics.ends(statistics.between_start, adjusted, groups, level=level).gain,
        retention=retention,
        memory=statistics.memory(matched, groups, level=level)[-1].value,
    )


def adjective(floor: Floor) -> str:
    """How a floor is called in `the ... floor is`; one that is not in `FLOORS` by its name."""
    return FLOORS[floor.name].adjective if floor.name in FLOORS else floor.name


def _beyond(between: Estimate, pairs: Pairs, floor: Floor, level: float) -> Estimate:
    """B(T) on the floor-adjusted scale, with the error of the floor as well as that of the runs.

    The floor at step 0 is of the same runs, and is left out with them; all others are drawn apart from the runs.
    """
    if floor.name == "step 0":

        def adjusted(p: Tensor, s: Tensor) -> Tensor:
            first, last = statistics.between_start(p, s)
            return ((last - first) / (1 - first))[None]

        return statistics.jackknife(adjusted, pairs.measures["agreement"][[0, -1]], pairs.groups, level=level)[0]
    few = f"the {floor.name} floor has {floor.n} draws; 3 are needed for a spread"
    drawn = statistics.Estimate(
        value=floor.value,
        standard_error=floor.standard_error,
        degrees=max(floor.n - 1.0, 0.0),
        n_units=floor.n,
        unit="start",
        reason=few if math.isnan(floor.standard_error) else "",
    )
    return statistics.beyond(between, drawn)


def nothing_known(n_runs: int, r2: float) -> Evidence:
    """The evidence where no two runs can be compared."""
    nothing = too_few(n_runs)
    return Evidence(
        n_runs=n_runs,
        init_groups=n_runs,
        r2=r2,
        within=nothing,
        between_first=nothing,
        between=nothing,
        gain=nothing,
        floor=math.nan,
        floor_name="step-0",
        floor_error=math.nan,
        adjusted=nothing,
        adjusted_gain=nothing,
        retention=math.nan,
        memory=math.nan,
    )


def too_few(n_runs: int) -> Estimate:
    """What cannot be estimated, and why."""
    return statistics.Estimate(math.nan, math.nan, 0.0, n_runs, "run", reason="fewer than two runs finished")
