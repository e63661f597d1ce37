"""Delete-one jackknife over runs or starts, of anything about pairs of runs (docs/mathematics.md, eq. 39).

Pairs share runs, so they are no replicates. Leaving out one run with all its pairs, in turn, shows how much the
estimate owes to each run. Where runs are nested in starts, the start with all its runs is left out.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.guard import guarded
from reseed.statistics.curves import (
    BORN_IDENTICAL,
    between_start,
    contraction_ratio,
    gain,
    init_memory,
    no_memory_reason,
    within_start,
)
from reseed.statistics.estimate import Estimate, Unit

__all__ = [
    "Ends",
    "Statistic",
    "between",
    "contraction",
    "ends",
    "jackknife",
    "memory",
    "over_runs",
    "widened",
    "within",
]

_STARTS_NEEDED = 3  # without one of two starts no two runs are left that started apart

Statistic = Callable[[Float[Tensor, "*stack runs runs"], Int[Tensor, " runs"]], Float[Tensor, " values"]]
"""A function of a stack of pair matrices and the runs' init groups, computable for any subset of the runs."""


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def jackknife(
    statistic: Statistic,
    pairs: Float[Tensor, "*stack runs runs"],
    groups: Int[Tensor, " runs"],
    *,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """One estimate per value of `statistic`, with standard errors from leaving out one unit at a time.

    se^2 = (U-1)/U sum_u (theta_without_u - mean)^2, with U - 1 degrees. The unit is the start; where all runs have one
    start it is the run, and each estimate's `reason` says so. What too few starts or runs leave undefined is nan with a
    reason: of two starts nothing between starts has a spread, however many runs they have. Raises ValueError for a
    matrix that is not symmetric or does not fit `groups`.
    """
    pairs = _checked(pairs, groups)
    unit, units, caveat = _units(groups)
    theta = statistic(pairs, groups)
    without = torch.stack([_leave_out(statistic, pairs, groups, units == u) for u in units.unique()])
    n_units = len(without)
    variance = (n_units - 1) / n_units * (without - without.mean(dim=0)).square().sum(dim=0)
    return tuple(
        _estimate(value, error, n_units=n_units, unit=unit, level=level, caveat=caveat)
        for value, error in zip(theta.tolist(), variance.sqrt().tolist(), strict=True)
    )


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def within(
    pairs: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> tuple[Estimate, ...]:
    """W(t) with its band: one estimate per step."""
    return jackknife(within_start, pairs, groups, level=level)


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def between(
    pairs: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> tuple[Estimate, ...]:
    """B(t) with its band: one estimate per step."""
    return jackknife(between_start, pairs, groups, level=level)


class Ends(NamedTuple):
    """One curve at step 0, at the last step, and what lies between."""

    first: Estimate
    last: Estimate
    gain: Estimate
    """last - first; the difference itself is jackknifed, as both ends share their runs."""


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def ends(
    curve: Statistic, pairs: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> Ends:
    """Where a curve (`within_start` or `between_start`) begins and ends, and its gain."""

    def first_last_gain(p: Tensor, s: Tensor) -> Tensor:
        values = curve(p, s)
        return torch.stack([values[0], values[-1], gain(values)])

    return Ends(*jackknife(first_last_gain, pairs, groups, level=level))


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def memory(
    pairs: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> tuple[Estimate, ...]:
    """Init memory M(t) with its band, W and B jackknifed together; nan with a reason where there is no memory."""
    estimates = jackknife(lambda p, s: init_memory(within_start(p, s), between_start(p, s)), pairs, groups, level=level)
    reason = no_memory_reason(within_start(pairs, groups), between_start(pairs, groups))
    return tuple(replace(estimate, reason=reason or estimate.reason) for estimate in estimates)


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def contraction(
    pairs: Float[Tensor, "steps runs runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> Estimate:
    """Kappa = (1 - B(T)) / (1 - B(0)) with its interval, both ends jackknifed together: below 1 the runs came closer.

    Undefined for runs born identical: what never was apart cannot come together.
    """

    def kappa(p: Tensor, s: Tensor) -> Tensor:
        return contraction_ratio(between_start(p[[0, -1]], s))[None]

    estimate = jackknife(kappa, pairs, groups, level=level)[0]
    first = between_start(pairs[0], groups)
    if first.isnan() or 1 - first < BORN_IDENTICAL:
        return replace(estimate, reason="the runs were born identical: they cannot stabilize or converge")
    return estimate


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def over_runs(
    values: Float[Tensor, "steps runs"], groups: Int[Tensor, " runs"], *, level: float = 0.95
) -> tuple[Estimate, ...]:
    """The mean over runs of a number that each run has alone, such as R2 or L0, with its band."""

    def mean_over_runs(diagonals: Tensor, _: Tensor) -> Tensor:
        return diagonals.diagonal(dim1=-2, dim2=-1).mean(dim=-1)

    return jackknife(mean_over_runs, torch.diag_embed(values), groups, level=level)


@guarded(numbers="nan")
def widened(estimate: Estimate, without: Float[Tensor, " units"]) -> Estimate:
    """The estimate with the error of something that it was held against, such as a null, found from units of its own.

    `without` is its value with each of these units left out in turn: the variance of eq. 39 over them is added to that
    of the estimate, with the degrees of eq. 41 (docs/mathematics.md). The error is undefined where leaving one out
    leaves nothing.
    """
    if not estimate.defined:
        return estimate
    n_units = len(without)
    variance = ((n_units - 1) / n_units * (without - without.mean()).square().sum()).item()
    own = estimate.standard_error**2
    if math.isnan(variance):
        few = f"what it is held against has {n_units} starts; {_STARTS_NEEDED} are needed for a spread"
        return replace(estimate, standard_error=math.nan, reason=estimate.reason or few)
    parts = own**2 / estimate.degrees + variance**2 / (n_units - 1) if variance else 0.0
    degrees = (own + variance) ** 2 / parts if parts else estimate.degrees
    return replace(estimate, standard_error=math.sqrt(own + variance), degrees=degrees)


def _leave_out(
    statistic: Statistic, pairs: Float64[Tensor, "*stack runs runs"], groups: Int[Tensor, " runs"], out: Tensor
) -> Float64[Tensor, " values"]:
    kept = ~out
    return statistic(pairs[..., kept, :][..., kept], groups[kept])


def _units(groups: Int[Tensor, " runs"]) -> tuple[Unit, Int[Tensor, " runs"], str]:
    if len(groups.unique()) > 1:
        return "start", groups, ""
    only = "all runs have one start: the spread is over runs and says nothing about other starts"
    return "run", torch.arange(len(groups)), only


def _estimate(value: float, error: float, *, n_units: int, unit: Unit, level: float, caveat: str) -> Estimate:
    if math.isnan(value):
        caveat = "there is no such pair of runs, or one was not measured"
    elif math.isnan(error):
        needed = f"{_STARTS_NEEDED} starts" if unit == "start" and n_units < _STARTS_NEEDED else f"more {unit}s"
        caveat = f"leaving out one {unit} of {n_units} leaves nothing to average: {needed} are needed for a spread"
    return Estimate(
        value=value,
        standard_error=error,
        degrees=float(n_units - 1),
        n_units=n_units,
        unit=unit,
        level=level,
        reason=caveat,
    )


def _checked(pairs: Tensor, groups: Tensor) -> Float64[Tensor, "*stack runs runs"]:
    if pairs.ndim < 2 or pairs.shape[-2:] != (len(groups), len(groups)):  # noqa: PLR2004 (a matrix)
        raise ValueError(
            f"the pair matrices have shape {tuple(pairs.shape)}, but there are {len(groups)} runs; "
            "the last two axes are runs by runs"
        )
    pairs = pairs.to(torch.float64)
    if not torch.allclose(pairs, pairs.mT, rtol=0, atol=1e-6, equal_nan=True):
        raise ValueError("a pair matrix is not symmetric; average a measure that has a direction over both first")
    return pairs
