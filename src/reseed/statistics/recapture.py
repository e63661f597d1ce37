"""How many features there are, and how many a further run would bring (docs/mathematics.md, eq. 71 to 75).

Runs are occasions, and a class of atoms is caught by the runs that have an atom of it. What was caught once or twice
says how much was never caught. Every number here is a bound that holds however unequally easy classes are to find; that
runs are independent and classes are neither split nor joined is taken for granted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Int
from scipy.special import ndtri
from torch import Tensor

from reseed._support.guard import guarded
from reseed._support.numbers import percent

__all__ = ["LEAST_COVERAGE", "Ranged", "Recapture", "Saturation", "recapture"]

Saturation = Literal["none", "some"]
"""Whether runs find the same classes often enough for their number to be bounded."""

LEAST_COVERAGE = 0.1
"""Coverage that has to be surely exceeded before the number of classes is bounded."""

_THREE = 3  # the least number of runs that tells one chance to be found from several


@dataclass(frozen=True)
class Ranged:
    """A number and where it may lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Recapture:
    """What the classes of several runs say about classes in general."""

    n_runs: int
    frequencies: tuple[int, ...]
    """f_k: how many classes were found in exactly k runs, k from 1 to `n_runs`."""
    coverage: Ranged
    """1 - f_1 / sum_k k f_k: the share of a run's atoms that come back in another; in [0, 1]."""
    saturation: Saturation
    """"none" where the low end of the coverage is not above the least: there is no bound then."""
    bound: Ranged | None
    """At least so many classes, those that no run found included; None without saturation.

    Too high where many atoms belong to their run alone: each of them counts as a class.
    """
    recurrent: Ranged | None
    """At least so many classes without atoms that belong to one run alone: how many were found once is itself bounded,
    by those found twice and three times. None without saturation, and for two runs."""
    forecast: Ranged
    """How many new classes a further run would bring: between these whole numbers, the middle of their expectations."""
    heterogeneity: Ranged
    """1 where all classes are equally easy to find, above it where they are not or where atoms belong to one run alone;
    nan where no class was found once, twice or three times, and for two runs."""
    level: float = 0.95
    reason: str = ""
    """Why there is no bound; else empty."""

    @property
    def n_classes(self) -> int:
        """How many classes were found."""
        return sum(self.frequencies)

    @property
    def heterogeneous(self) -> bool:
        """Whether classes surely differ in how easy they are to find: the bound is then below their number."""
        return self.heterogeneity.low > 1

    @property
    def sentence(self) -> str:
        """What it says, with its numbers."""
        n_new = self.forecast
        further = f"a further run would bring {n_new.value:,.0f} new ones [{n_new.low:,.0f}, {n_new.high:,.0f}]"
        found = f"{self.n_runs} runs found {self.n_classes:,} classes, {self.frequencies[0]:,} of them once"
        if self.bound is None:
            return f"{found}: no saturation, no bound, since {self.reason}; {further}."
        at_least = f"there are at least {self.bound.value:,.0f} [{self.bound.low:,.0f}, {self.bound.high:,.0f}]"
        if self.recurrent is None:
            return f"{found}; {at_least}; {further}."
        ends = f"[{self.recurrent.low:,.0f}, {self.recurrent.high:,.0f}]"
        return f"{found}; {at_least}, {self.recurrent.value:,.0f} {ends} whatever belongs to one run; {further}."


@guarded(n_runs=(2, 10_000), level=(1e-9, 1 - 1e-9), least_coverage=(0.0, 1.0))
def recapture(
    appearances: Int[Tensor, " classes"],
    n_runs: int,
    *,
    level: float = 0.95,
    least_coverage: float = LEAST_COVERAGE,
) -> Recapture:
    """Bounds of the number of classes and of what a further run brings, from how often each class was found.

    The bound is Chao's, bias-corrected where no class was found twice, with his log-normal interval
    (@chao1987estimating). It is a **lower** bound: its low end is below the number of classes at `level` or more often,
    its high end is not above it. `recurrent` does without the classes that were found once, which may be spurious
    (@willis2016species). The forecast's ends hold for any distribution of chances to be found, by the two sharp bounds
    of a moment problem, widened to a prediction interval as in @krishnamoorthy2011improved.

    It misleads where classes are split, since their parts count as classes; where a threshold lets partners through by
    chance (measure how often on a null: over n runs, coverage is then up to 1 - (1 - chance)^(n - 1) without any common
    class, which `least_coverage` has to exceed); and where runs share a start.

    Args:
        appearances: in how many runs each class was found, from 1 to `n_runs`.
        n_runs: how many runs there are, those without any class included.
        level: of all intervals.
        least_coverage: what coverage has to exceed surely for a bound.

    Raises:
        ValueError: a class found in no run or in more than there are.
    """
    if len(appearances) and not 1 <= int(appearances.min()) <= int(appearances.max()) <= n_runs:
        raise ValueError(f"a class is found in 1 to {n_runs} runs; appearances has others")
    f = tuple(appearances.long().cpu().bincount(minlength=n_runs + 1)[1:].tolist())
    z = float(ndtri((1 + level) / 2))
    coverage = _coverage(f, z)
    reason = _unsaturated(coverage, least_coverage)
    return Recapture(
        n_runs=n_runs,
        frequencies=f,
        coverage=coverage,
        saturation="none" if reason else "some",
        bound=None if reason else _bound(f, z),
        recurrent=None if reason or n_runs < _THREE else _recurrent(f, z),
        forecast=_forecast(f, z),
        heterogeneity=_heterogeneity(f, z),
        level=level,
        reason=reason,
    )


def _coverage(f: Sequence[int], z: float) -> Ranged:
    """Good and Turing's, with the error of @esty1983normal."""
    total = sum(k * f_k for k, f_k in enumerate(f, 1))
    if not total:
        return Ranged(math.nan, math.nan, math.nan)
    value = 1 - f[0] / total
    error = math.sqrt(f[0] * value + 2 * f[1]) / total
    return Ranged(value, max(0.0, value - z * error), min(1.0, value + z * error))


def _unsaturated(coverage: Ranged, least: float) -> str:
    if math.isnan(coverage.value):
        return "no run found any class"
    if coverage.low > least:
        return ""
    return (
        f"{percent(coverage.value)} of a run's atoms have a class in other runs, not surely more than {percent(least)}"
    )


def _bound(f: Sequence[int], z: float) -> Ranged:
    """Eq. 71, and its variance."""
    seen, n_runs = sum(f), len(f)
    f1, f2 = f[0], f[1]
    share = (n_runs - 1) / n_runs
    if f2:
        unseen = share * f1**2 / (2 * f2)
        slopes = (1 + share * f1 / f2, 1 - share * (f1 / f2) ** 2 / 2)
        return _log_normal(seen, unseen, _variance(f, slopes, seen + unseen), z)
    unseen = share * f1 * (f1 - 1) / 2
    variance = unseen + share**2 * (f1 * (2 * f1 - 1) ** 2 / 4 - f1**4 / (4 * max(1.0, seen + unseen)))
    return _log_normal(seen, unseen, variance, z)


def _recurrent(f: Sequence[int], z: float) -> Ranged:
    """Eq. 72: f_1 replaced by the least that it can be, given f_2 and f_3, and never more than it was."""
    n_runs, f2, f3 = len(f), f[1], f[2]
    seen = sum(f[1:])
    if not f3:
        return Ranged(seen, seen, seen)
    share, once = (n_runs - 1) / n_runs, 2 * (n_runs - 2) / (3 * (n_runs - 1))
    ratio = f2 / f3
    if once * ratio * f2 > f[0]:
        return _bound(f, z)
    unseen = once * ratio * f2 + share * (once * ratio) ** 2 * f2 / 2  # found once, and never
    slopes = (
        0.0,
        1 + 2 * once * ratio + 3 * share * (once * ratio) ** 2 / 2,
        1 - once * ratio**2 - share * once**2 * ratio**3,
    )
    return _log_normal(seen, unseen, _variance(f, slopes, seen + unseen), z)


def _variance(f: Sequence[int], slopes: Sequence[float], total: float) -> float:
    """Eq. 73: to first order, of a bound that grows in proportion to all f, f_k being multinomial; slopes end in 1."""
    all_slopes = [*slopes, *[1.0] * (len(f) - len(slopes))]
    return max(0.0, math.fsum(f_k * slope**2 for f_k, slope in zip(f, all_slopes, strict=True)) - total)


def _log_normal(seen: int, unseen: float, variance: float, z: float) -> Ranged:
    """Of what was not seen, the logarithm is taken to be normal; classes are whole, and so are the ends."""
    if unseen <= 0:
        return Ranged(seen, seen, seen)
    factor = math.exp(z * math.sqrt(math.log1p(variance / unseen**2)))
    return Ranged(seen + unseen, math.floor(seen + unseen / factor), math.ceil(seen + unseen * factor))


def _forecast(f: Sequence[int], z: float) -> Ranged:
    """Eq. 74 and 75: two bounds of what is expected, and what a single run may be off them."""
    n_runs = len(f)
    weights = [1 / math.comb(n_runs, k) for k in (1, 2, 3)]
    c1, c2, c3 = (weight * f_k for weight, f_k in zip(weights, [*f, 0][:3], strict=True))
    least = c1**2 / (c1 + c2) if c1 else 0.0
    most = c1 - (c2**2 / (c2 + c3) if c2 and n_runs >= _THREE else 0.0)
    least_slopes = _slopes(c1, c2)
    cut_slopes = _slopes(c2, c3) if n_runs >= _THREE else (0.0, 0.0)
    least_variance = _poisson_variance(f, weights, (*least_slopes, 0.0))
    most_variance = _poisson_variance(f, weights, (1.0, -cut_slopes[0], -cut_slopes[1]))
    ends = [
        (_predicted(mean, variance, n_runs, -z), _predicted(mean, variance, n_runs, z))
        for mean, variance in ((least, least_variance), (most, most_variance))
    ]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return Ranged((least + most) / 2, max(0.0, math.ceil(low)), math.floor(high))


def _slopes(x: float, y: float) -> tuple[float, float]:
    """Of x^2 / (x + y)."""
    both = (x + y) ** 2
    return (x * (x + 2 * y) / both, -(x**2) / both) if both else (0.0, 0.0)


def _poisson_variance(f: Sequence[int], weights: Sequence[float], slopes: Sequence[float]) -> float:
    return math.fsum(f_k * (weight * slope) ** 2 for f_k, weight, slope in zip(f, weights, slopes, strict=False))


def _predicted(mean: float, variance: float, n_runs: int, z: float) -> float:
    """The end of a Poisson number's prediction interval whose mean is known with this variance."""
    excess = variance / mean if mean > 0 else 1 / n_runs  # as of the mean of so many numbers, where none was seen
    return mean + z**2 * excess / 2 + z * math.sqrt(max(mean, 0.0) + variance + (z * excess) ** 2 / 4)


def _heterogeneity(f: Sequence[int], z: float) -> Ranged:
    """Eq. 76: the ratio of two ratios, its logarithm normal."""
    n_runs = len(f)
    if n_runs < _THREE or not all(f[:3]):
        return Ranged(math.nan, math.nan, math.nan)
    c1, c2, c3 = (f[k - 1] / math.comb(n_runs, k) for k in (1, 2, 3))
    value = c1 * c3 / c2**2
    factor = math.exp(z * math.sqrt(1 / f[0] + 4 / f[1] + 1 / f[2]))
    return Ranged(value, value / factor, value * factor)
