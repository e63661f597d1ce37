"""How many features there are, and how many a further run would bring (docs/mathematics.md, eq. 71 to 76 and 78).

Runs are occasions, and a class of atoms is caught by the runs that have an atom of it. What was caught once or twice
says how much was never caught. Every number here holds however unequally easy classes are to find, as long as runs are
independent.
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
"""Coverage that has to be surely exceeded before the number of classes is bounded, and twice what chance gives."""

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
    """At least so many classes come back at all, those that no run found included: how many are found once is itself
    bounded by those found twice and three times, so that atoms of one run alone count for nothing. None without
    saturation; of two runs the classes found twice."""
    chao: Ranged | None
    """Chao's bound, which takes all classes that were found once as they are; None without saturation.

    Far too high where many atoms belong to their run alone or classes are split, as in most dictionaries.
    """
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
        """Whether classes surely differ in how easy they are to find, or some belong to one run alone."""
        return self.heterogeneity.low > 1

    @property
    def sentence(self) -> str:
        """What it says, with its numbers."""
        found = f"{self.n_runs} runs found {self.n_classes:,} classes, {self.frequencies[0]:,} of them once"
        further = f"a further run would bring {_told(self.forecast)} new ones"
        if self.bound is None or self.chao is None:
            return f"{found}: no saturation, no bound, since {self.reason}; {further}."
        at_least = f"at least {_told(self.bound)} come back"
        return f"{found}; {at_least}, at least {_told(self.chao)} with every atom that one run has alone; {further}."


@guarded(n_runs=(2, 10_000), level=(1e-9, 1 - 1e-9), chance=(0.0, 1.0))
def recapture(
    appearances: Int[Tensor, " classes"],
    n_runs: int,
    *,
    level: float = 0.95,
    chance: float = 0.01,
) -> Recapture:
    """Bounds of the number of classes and of what a further run brings, from how often each class was found.

    Bounds are **lower** ones: at `level` or more often the low end is not above the number of classes, and nothing is
    said of how far it lies below. `chao` is that of @chao1987estimating, bias-corrected where no class was found twice,
    with its log-normal interval; `bound` does without the classes that were found once, which may be spurious
    (@willis2016species). The forecast's ends hold for any distribution of chances to be found, by the two sharp bounds
    of a moment problem (@daley2016better), widened to a prediction interval as in @krishnamoorthy2011improved.

    It misleads where a threshold lets more partners through by chance than `chance` says (measure it on a null), and
    where runs share a start.

    Args:
        appearances: in how many runs each class was found, from 1 to `n_runs`.
        n_runs: how many runs there are, those without any class included.
        level: of all intervals.
        chance: how often a matched pair passes the threshold on a null. There is no bound unless coverage is surely
            above a tenth and above twice what this gives without any common class, 1 - (1 - chance)^(n_runs - 1); and
            `bound` is less the pairs that it makes of atoms of one run alone.

    Raises:
        ValueError: a class found in no run or in more than there are.
    """
    if len(appearances) and not 1 <= int(appearances.min()) <= int(appearances.max()) <= n_runs:
        raise ValueError(f"a class is found in 1 to {n_runs} runs; appearances has others")
    frequencies = appearances.long().cpu().bincount(minlength=n_runs + 1)[1:]
    f = frequencies.double().tolist()
    z = float(ndtri((1 + level) / 2))
    coverage = _coverage(f, z)
    reason = _unsaturated(coverage, max(LEAST_COVERAGE, min(1.0, 2 * (1 - (1 - chance) ** (n_runs - 1)))))
    return Recapture(
        n_runs=n_runs,
        frequencies=tuple(frequencies.tolist()),
        coverage=coverage,
        saturation="none" if reason else "some",
        bound=None if reason else _bound(f, z, chance),
        chao=None if reason else _chao(f, z),
        forecast=_forecast(f, z),
        heterogeneity=_heterogeneity(f, z),
        level=level,
        reason=reason,
    )


def _coverage(f: Sequence[float], z: float) -> Ranged:
    """Eq. 78: Good and Turing's (@good1953population), with the error of @esty1983normal."""
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
    return f"{percent(coverage.value)} of a run's atoms come back, which is not surely more than {percent(least)}"


def _chao(f: Sequence[float], z: float) -> Ranged:
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


def _bound(found: Sequence[float], z: float, chance: float) -> Ranged:
    """Eq. 72: f_1 replaced by the least that it can be, given f_2 and f_3, and never more than it was."""
    n_runs, f1 = len(found), found[0]
    by_chance = f1 * ((1 - chance) ** (1 - n_runs) - 1) / 2  # pairs of atoms of one run alone, each found twice
    f = (f1, max(0.0, found[1] - by_chance), *found[2:])
    seen = sum(f[1:])
    if n_runs < _THREE or not f[2]:
        return _log_normal(seen, 0.0, 0.0, z)
    f2, f3 = f[1], f[2]
    share, once = (n_runs - 1) / n_runs, 2 * (n_runs - 2) / (3 * (n_runs - 1))
    ratio = f2 / f3
    if once * ratio * f2 > f[0]:
        return _chao(f, z)
    unseen = once * ratio * f2 + share * (once * ratio) ** 2 * f2 / 2  # found once, and never
    slopes = (
        0.0,
        1 + 2 * once * ratio + 3 * share * (once * ratio) ** 2 / 2,
        1 - once * ratio**2 - share * once**2 * ratio**3,
    )
    return _log_normal(seen, unseen, _variance(f, slopes, seen + unseen), z)


def _variance(f: Sequence[float], slopes: Sequence[float], total: float) -> float:
    """Eq. 73: to first order, of a bound that grows in proportion to all f, f_k being multinomial; slopes end in 1."""
    all_slopes = [*slopes, *[1.0] * (len(f) - len(slopes))]
    return max(0.0, math.fsum(f_k * slope**2 for f_k, slope in zip(f, all_slopes, strict=True)) - total)


def _log_normal(seen: float, unseen: float, variance: float, z: float) -> Ranged:
    """Of what was not seen, the logarithm is taken to be normal; classes are whole, and so are the ends."""
    if unseen <= 0:
        return Ranged(seen, float(math.floor(seen)), float(math.ceil(seen)))
    factor = math.exp(z * math.sqrt(math.log1p(variance / unseen**2)))
    low, high = math.floor(seen + unseen / factor), math.ceil(seen + unseen * factor)
    return Ranged(seen + unseen, float(low), float(high))


def _forecast(f: Sequence[float], z: float) -> Ranged:
    """Eq. 74 and 75: two bounds of what is expected, and what a single run may be off them."""
    n_runs = len(f)
    weights = [1 / max(1, math.comb(n_runs, k)) for k in (1, 2, 3)]
    c1, c2, c3 = (weight * f_k for weight, f_k in zip(weights, [*f, 0.0][:3], strict=True))
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
    return Ranged((least + most) / 2, max(0.0, float(math.ceil(low))), float(math.floor(high)))


def _slopes(x: float, y: float) -> tuple[float, float]:
    """Of x^2 / (x + y)."""
    both = (x + y) ** 2
    return (x * (x + 2 * y) / both, -(x**2) / both) if both else (0.0, 0.0)


def _poisson_variance(f: Sequence[float], weights: Sequence[float], slopes: Sequence[float]) -> float:
    return math.fsum(f_k * (weight * slope) ** 2 for f_k, weight, slope in zip(f, weights, slopes, strict=False))


def _predicted(mean: float, variance: float, n_runs: int, z: float) -> float:
    """The end of a Poisson number's prediction interval whose mean is known with this variance."""
    excess = variance / mean if mean > 0 else 1 / n_runs  # as of the mean of so many numbers, where none was seen
    return mean + z**2 * excess / 2 + z * math.sqrt(max(mean, 0.0) + variance + (z * excess) ** 2 / 4)


def _heterogeneity(f: Sequence[float], z: float) -> Ranged:
    """Eq. 76: the ratio of two ratios, its logarithm normal."""
    n_runs = len(f)
    if n_runs < _THREE or not all(f[:3]):
        return Ranged(math.nan, math.nan, math.nan)
    c1, c2, c3 = (f[k - 1] / math.comb(n_runs, k) for k in (1, 2, 3))
    value = c1 * c3 / c2**2
    factor = math.exp(z * math.sqrt(1 / f[0] + 4 / f[1] + 1 / f[2]))
    return Ranged(value, value / factor, value * factor)


def _told(number: Ranged) -> str:
    return f"{number.value:,.0f} [{number.low:,.0f}, {number.high:,.0f}]"
