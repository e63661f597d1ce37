"""What dictionaries would agree without any structure: random directions, with and without their own two moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reseed import floors
from reseed.comparison.document import LEVELS
from reseed.dice import roll
from reseed.findings import Floor
from reseed.matching import match, unit_rows
from reseed.measures import isotropic_beyond
from reseed.measures.replicated import TAIL

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.matching import Sign

__all__ = ["Chance", "chance", "percentile", "quantiles"]

_DRAWS = 3  # of each side: the value has an error from three on

Atoms = Float[Tensor, "_ d_model"]


@dataclass(frozen=True)
class Chance:
    """What two dictionaries of some recipes would agree if they had nothing but their moments in common."""

    floors: tuple[Floor, Floor]
    """Random directions, and random directions with each dictionary's own mean and covariance."""
    beyond: float
    """The larger of the two 99th percentiles of matched cosines."""
    beyond_of: str
    """Whose it is."""
    quantiles: tuple[float, ...]
    """Of the matched cosines of those with their own mean and covariance, at `LEVELS`."""

    @property
    def strictest(self) -> Floor:
        """The larger one."""
        return max(self.floors, key=lambda floor: floor.value)


def chance(first: Sequence[Atoms], second: Sequence[Atoms], sign: Sign, pool: Executor) -> Chance:
    """Of dictionaries of one recipe with those of another, or of the same one.

    Args:
        first: atoms of some dictionaries.
        second: those of others; the same ones for pairs of one recipe.
        sign: whether an atom and its negative are one feature.
        pool: threads that dictionaries are drawn and matched on.
    """
    d_model, most = first[0].shape[1], max(len(first[0]), len(second[0]))
    exact = Floor(
        name="isotropic",
        title="random directions",
        role="null",
        value=floors.isotropic(d_model, most, sign=sign),
        spread=0.0,
        standard_error=0.0,
        n=0,
        policy="best of as many random directions, exact",
    )
    drawn, cosines = _spectrum(first, second, sign, pool)
    beyond = {"isotropic": isotropic_beyond(d_model, most, sign=sign), "spectrum": percentile(cosines)}
    strictest = max(beyond, key=lambda name: beyond[name])
    return Chance((exact, drawn), beyond[strictest], strictest, quantiles(cosines))


def quantiles(cosines: Float[Tensor, " pairs"]) -> tuple[float, ...]:
    """Of matched cosines, at `LEVELS`."""
    return tuple(np.quantile(cosines.numpy(), LEVELS).tolist()) if len(cosines) else (math.nan,) * len(LEVELS)


def percentile(cosines: Float[Tensor, " pairs"]) -> float:
    """The 99th, of matched cosines."""
    return float(np.quantile(cosines.numpy(), 1 - TAIL)) if len(cosines) else math.nan


def _spectrum(
    first: Sequence[Atoms], second: Sequence[Atoms], sign: Sign, pool: Executor
) -> tuple[Floor, Float[Tensor, " pairs"]]:
    same = first is second
    pooled = torch.cat([unit_rows(atoms) for atoms in first]) if same else None

    def draw(of: Sequence[Atoms], number: int, side: int) -> Atoms:
        """Of one recipe by the moments of all: those of each are its own sample's, and agree less than one law does."""
        rolled = roll("points", "comparison", "spectrum", number, side)
        own = of[number % len(of)]
        return floors.spectrum_atoms(own if pooled is None else pooled, len(own), rolled=rolled)

    here = list(pool.map(lambda number: draw(first, number, 0), range(_DRAWS)))
    there = here if same else list(pool.map(lambda number: draw(second, number, 1), range(_DRAWS)))
    pairs = list(combinations(range(_DRAWS), 2))
    found = list(pool.map(lambda pair: match(here[pair[0]], there[pair[1]], sign=sign), pairs))
    floor = floors.from_pairs(
        {pair: matching.agreement for pair, matching in zip(pairs, found, strict=True)},
        n_draws=_DRAWS,
        policy="Gaussian atoms with the mean and covariance of the atoms at length 1, "
        + ("of all dictionaries of the recipe" if same else "each dictionary's own"),
        name="spectrum",
        title="random directions with their own mean and covariance",
        role="null",
    )
    return floor, torch.cat([matching.cosines for matching in found])
