"""Rates on pair matrices whose truth is known: do intervals cover, do tests keep their level?

The agreement of runs i and j is mu + a_i + a_j + e_ij: each start has an effect, each pair of starts, each run and each
pair of runs. What the real code makes of thousands of such matrices is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float64, Int
from scipy.special import stdtrit
from torch import Tensor

from reseed import statistics
from reseed.calibration.results import Rate
from reseed.dice import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.statistics import Estimate

__all__ = ["LAWS", "SPREADS", "Spread", "coverage", "drawn", "permutation", "starts_of", "tost", "welch"]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the effects on an agreement, each of mean 0."""

    start: float = 0.0
    """Of a start, in all its pairs."""
    pair: float = 0.0
    """Of a pair of starts."""
    run: float = 0.0
    """Of a run, in all its pairs."""
    noise: float = 0.0
    """Of a pair of runs."""
    skewness: float = 0.0
    """Of every effect, at most 0: a long tail of low agreement."""


SPREADS = {
    "starts only": Spread(start=1.0),
    "starts and pairs": Spread(start=1.0, pair=1.0, run=0.3, noise=0.5),
    "as measured": Spread(start=1.0, pair=1.6, run=0.3, noise=0.5),
    "pairs only": Spread(pair=1.0),
}
"""In units of the first. In dictionaries trained from 40 starts a pair of starts had 1.6 to 11 times the effect of a
start: `as measured` is the least favourable of these."""

LAWS = {"normal": 0.0, "skewed": -0.6, "strongly skewed": -1.4}
"""Skewness; of the effects of 40 starts it was between -.6 and .5."""


def drawn(spread: Spread, starts: Int[Tensor, " runs"], repeats: int, *rolled: int | str) -> Float64[Tensor, "n r r"]:
    """Symmetric pair matrices around 0 for runs of these starts; pairs of one start have no effect of a pair of starts.

    The diagonal means nothing.
    """
    n_starts, n_runs = int(starts.max()) + 1, len(starts)

    def effects(name: str, deviation: float, *shape: int) -> Tensor:
        return deviation * _standard(spread.skewness, (repeats, *shape), generator(0, *rolled, name))

    own = effects("start", spread.start, n_starts)[:, starts] + effects("run", spread.run, n_runs)
    between = _symmetric(effects("pair", spread.pair, n_starts, n_starts))[:, starts][:, :, starts]
    return own[:, :, None] + own[:, None, :] + between + _symmetric(effects("noise", spread.noise, n_runs, n_runs))


def starts_of(n_starts: int, runs: int) -> Int[Tensor, " runs"]:
    """The start of each run, `runs` from each of `n_starts`."""
    return torch.arange(n_starts).repeat_interleave(runs)


def coverage(spread: Spread, n_starts: int, runs: int, repeats: int, *, least: float = 0.0) -> tuple[Rate, Rate]:
    """How often a 95 % interval of B covers the truth: by leaving out starts, and by taking pairs for replicates."""
    starts = starts_of(n_starts, runs)
    matrices = drawn(spread, starts, repeats, "coverage", n_starts, runs)
    covered = [_covers(estimate) for estimate in statistics.between(matrices, starts)]
    named = f"95 % intervals at {n_starts} starts x {runs}"
    jackknifed = Rate(f"{named} cover", sum(covered) / repeats, repeats, least=least)
    return jackknifed, Rate(f"{named} of pairs as replicates cover", _naive(matrices, starts), repeats)


def welch(spread: Spread, sizes: tuple[int, int], repeats: int, *, least: float = 0.0) -> Rate:
    """How often the interval of a difference of two arms covers 0, the second with three times the spread."""
    estimates = []
    for number, (size, scale) in enumerate(zip(sizes, (1, 3), strict=True)):
        starts = starts_of(size, 2)
        matrices = scale * drawn(spread, starts, repeats, "welch", number, *sizes)
        estimates.append(statistics.between(matrices, starts))
    covered = sum(_covers(statistics.contrast(x, y)) for x, y in zip(*estimates, strict=True))
    return Rate(f"Welch intervals at {sizes[0]} and {sizes[1]} starts cover", covered / repeats, repeats, least=least)


def tost(spread: Spread, n_starts: int, repeats: int, *, margin: float = 0.03, scale: float = 0.01) -> Rate:
    """How often two arms that differ by the margin are called equivalent."""
    starts = starts_of(n_starts, 2)
    arms = [
        statistics.between(offset + scale * drawn(spread, starts, repeats, "tost", number, n_starts), starts)
        for number, offset in enumerate((margin, 0.0))
    ]
    differences = (statistics.contrast(x, y) for x, y in zip(*arms, strict=True))
    called = [statistics.equivalence(difference, margin=margin).outcome == "equivalent" for difference in differences]
    return Rate(f"TOST at {n_starts} starts: false equivalence", sum(called) / repeats, repeats, most=0.05)


def permutation(
    spread: Spread, n_starts: int, runs: int, repeats: int, *, levels: Sequence[float] = (0.05, 0.1, 0.2, 0.5)
) -> list[Rate]:
    """How often two arms that do not differ give a p of at most each level, rounded down to what p can be."""
    starts = starts_of(2 * n_starts, runs)
    arms = (starts >= n_starts).long()
    matrices = drawn(spread, starts, repeats, "permutation", n_starts, runs)
    tests = [statistics.permutation_test(matrix, arms, starts=starts) for matrix in matrices]
    rates = []
    for level in levels:
        possible = math.floor(level / tests[0].smallest_p + 1e-9) * tests[0].smallest_p
        share = sum(test.p_value <= possible + 1e-9 for test in tests) / repeats
        name = f"permutation of {n_starts} + {n_starts} starts x {runs}: p at most {possible:.3f}"
        rates.append(Rate(name, share, repeats, least=possible, most=possible))
    return rates


def _covers(estimate: Estimate) -> bool:
    return estimate.low <= 0 <= estimate.high


def _naive(matrices: Float64[Tensor, "n r r"], starts: Int[Tensor, " runs"]) -> float:
    values = matrices[:, _apart(starts)]
    n_pairs = values.shape[1]
    half = float(stdtrit(n_pairs - 1, 0.975)) * values.std(dim=1) / math.sqrt(n_pairs)
    return float((values.mean(dim=1).abs() <= half).double().mean())


def _apart(starts: Int[Tensor, " runs"]) -> Bool[Tensor, "runs runs"]:
    return (starts[:, None] != starts[None, :]).triu(1)


def _symmetric(values: Float64[Tensor, "n k k"]) -> Float64[Tensor, "n k k"]:
    upper = values.triu(1)
    return upper + upper.mT


def _standard(skewness: float, shape: tuple[int, ...], dice: torch.Generator) -> Tensor:
    """Draws of mean 0 and variance 1: normal, or mirrored gamma ones of shape 4 / skewness^2 (whole numbers / 2)."""
    if not skewness:
        return torch.randn(*shape, generator=dice, dtype=torch.float64)
    degrees = round(8 / skewness**2)  # a gamma of shape k is half a chi-squared of 2 k degrees
    squares = torch.zeros(shape, dtype=torch.float64)
    for _ in range(degrees):
        squares += torch.randn(*shape, generator=dice, dtype=torch.float64).square()
    return math.copysign(1.0, skewness) * (squares - degrees) / math.sqrt(2 * degrees)
