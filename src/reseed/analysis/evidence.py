"""What the pairs of runs of a condition say for and against its verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed.floors import FLOORS
from reseed.measures import MEASURES
from reseed.verdict import SURROGATE, Evidence, MeasureEvidence, Null, Peak

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.floors import Floor
    from reseed.statistics import Estimate

__all__ = ["measured", "nothing_known", "too_few", "weigh"]


def weigh(
    said: Mapping[str, MeasureEvidence],
    pairs: Pairs,
    floors: Mapping[str, Sequence[Floor]],
    *,
    r2: float,
    retention: float,
    has_rate: bool = True,
    samples: Literal["one", "several"] = "one",
    determined: bool = False,
) -> Evidence:
    """The evidence of a condition.

    Args:
        said: what each of its measures says, by name, the matched agreement among them.
        pairs: its pairs of runs.
        floors: the nulls, origins and references of its measures.
        r2: of the worst run.
        retention: mean over the runs.
        has_rate: whether the method has a learning rate.
        samples: whether all runs read one sample of activations, or disjoint ones.
        determined: whether what the method learns depends on the activations alone.
    """
    agreement, alive, code = (said.get(name) for name in ("agreement", "alive", "code"))
    if agreement is None:
        raise ValueError("the matched agreement is not among the measures")
    several = len(pairs.groups.unique()) > 1
    decides = alive is not None and _as_defined(alive, agreement, several=several)
    kmeans = (floor.value for floor in floors["agreement"] if floor.name == "kmeans")
    return Evidence(
        n_runs=len(pairs.groups),
        init_groups=len(pairs.groups.unique()),
        r2=r2,
        retention=retention,
        agreement=agreement,
        alive=alive if decides else None,
        code=code if code is not None and not math.isnan(code.gain.value) else None,
        kmeans=next(kmeans, math.nan),
        has_rate=has_rate,
        samples=samples,
        determined=determined,
    )


def measured(
    name: str, pairs: Pairs, floors: Sequence[Floor], surrogate: Pairs | None, level: float
) -> MeasureEvidence:
    """What one measure says, against its own nulls.

    Args:
        name: of the measure.
        pairs: the pairs of runs.
        floors: those of the measure; the nulls among them count.
        surrogate: the pairs of the runs on the surrogate, whose contraction is a null of its own.
        level: of the intervals.
    """
    last = len(pairs.steps) - 1
    half = max(place for place, step in enumerate(pairs.steps) if 2 * step <= pairs.steps[-1])
    peak = _highest(pairs, name)
    at = pairs.measures[name][[0, half, peak, last]]
    found = dict(zip(_NUMBERS, statistics.jackknife(_numbers, at, pairs.groups, level=level), strict=True))
    ends = _Ends(found["first"], found["between"], found["contraction"])
    return MeasureEvidence(
        title=MEASURES[name].title,
        within=found["within"],
        first=found["first"],
        between=found["between"],
        gain=found["gain"],
        contraction=found["contraction"],
        memory=found["memory"].value,
        halfway=pairs.steps[half],
        late=found["late"],
        late_within=found["late_within"],
        nulls=tuple(_null(floor, name, ends, surrogate) for floor in floors if _counts(floor)),
        peak=None if peak in {0, last} else Peak(pairs.steps[peak], found["peak"].value, found["rise"], found["fall"]),
    )


_AT_ENDS = ("within", "first", "between", "peak")
_DIFFERENCES = ("gain", "late", "late_within", "rise", "fall")
_NUMBERS = (*_AT_ENDS, *_DIFFERENCES, "contraction", "memory")


def _numbers(at: Float[Tensor, "four runs runs"], groups: Int[Tensor, " runs"]) -> Float[Tensor, " numbers"]:
    """What is jackknifed together, by `_NUMBERS`, of the matrices at step 0, halfway, at the peak and at the end."""
    within, between = statistics.within_start(at, groups), statistics.between_start(at, groups)
    first, half, peak, last = between
    differences = (last - first, last - half, within[3] - within[1], peak - first, peak - last)
    contraction = statistics.contraction_ratio(between)
    memory = statistics.init_memory(within[[0, 3]], between[[0, 3]])[-1]
    return torch.stack([within[3], first, last, peak, *differences, contraction, memory])


def _highest(pairs: Pairs, name: str) -> int:
    """The place of the snapshot at which the curve between starts is highest; the first where there is no curve."""
    curve = statistics.between_start(pairs.measures[name], pairs.groups)
    return int(torch.where(curve.isnan(), -math.inf, curve).argmax())


class _Ends(NamedTuple):
    """What a null is held against."""

    first: Estimate
    last: Estimate
    contraction: Estimate


def _as_defined(alive: MeasureEvidence, agreement: MeasureEvidence, *, several: bool) -> bool:
    """Whether living atoms have all that decides: values at both ends, and the nulls of all atoms."""
    known = alive.gain if several else alive.within
    return not math.isnan(known.value) and len(alive.nulls) == len(agreement.nulls)


def _counts(floor: Floor) -> bool:
    return floor.role == "null" and not math.isnan(floor.value)


def _null(floor: Floor, name: str, ends: _Ends, surrogate: Pairs | None) -> Null:
    """A null with what the runs have beyond it, with the errors of both."""
    level = ends.last.level
    value = _estimate(floor, level)
    runs = surrogate if floor.name == SURROGATE else None
    own = statistics.contraction(runs.measures[name], runs.groups, level=level) if runs else None
    return Null(
        name=floor.name,
        gives=FLOORS[floor.name].gives if floor.name in FLOORS else floor.name,
        value=floor.value,
        standard_error=floor.standard_error,
        adjusted=statistics.beyond(ends.last, value),
        born=statistics.beyond(ends.first, value),
        contraction=own.value if own else math.nan,
        slower=statistics.contrast(ends.contraction, own) if own else None,
    )


def _estimate(floor: Floor, level: float) -> Estimate:
    """A null as an estimate that is independent of the runs."""
    few = f"the {floor.name} has {floor.n} starts; 3 are needed for a spread"
    return statistics.Estimate(
        value=floor.value,
        standard_error=floor.standard_error,
        degrees=max(floor.n - 1.0, 0.0),
        n_units=floor.n,
        unit="start",
        level=level,
        reason=few if math.isnan(floor.standard_error) else "",
    )


def nothing_known(n_runs: int, r2: float) -> Evidence:
    """The evidence where no two runs can be compared."""
    nothing = too_few(n_runs)
    agreement = MeasureEvidence(
        title=MEASURES["agreement"].title,
        within=nothing,
        first=nothing,
        between=nothing,
        gain=nothing,
        contraction=nothing,
        memory=math.nan,
        halfway=0,
        late=nothing,
        late_within=nothing,
    )
    return Evidence(n_runs=n_runs, init_groups=n_runs, r2=r2, retention=math.nan, agreement=agreement)


def too_few(n_runs: int) -> Estimate:
    """What cannot be estimated, and why."""
    return statistics.Estimate(math.nan, math.nan, 0.0, n_runs, "run", reason="fewer than two runs finished")
