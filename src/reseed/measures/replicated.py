"""Replicated share: matched atoms that agree as chance hardly ever lets them (docs/mathematics.md, eq. 61 and 62)."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from reseed._support.guard import guarded
from reseed.matching import Matching, Sign
from reseed.matching.similarity import check_sign
from reseed.measures._base import Dictionary, Matchings, Measure

__all__ = ["MOST_BEYOND", "REPLICATED", "TAIL", "isotropic_beyond", "replicated_share"]

TAIL = 0.01
"""Share of the null's matched pairs that lie beyond c: what chance alone puts there."""
MOST_BEYOND = 0.99
"""Where c is larger, what lies beyond it cannot be told from what merely equals it."""


@guarded(numbers="nan")
def replicated_share(matching: Matching, beyond: float) -> float:
    """(S - .01) / (1 - .01), S the share of matched pairs whose cosine is above `beyond`: at most 1.

    `beyond` is c, the 99th percentile of the matched cosines of a null; `isotropic_beyond` gives that of random
    directions. 0 is what the null gives, and a little below 0 is what less than that gives. A pair just beyond c is
    beyond the null, and not the same atom. nan where c is above .99 or undefined, or there are no pairs.
    """
    if not beyond <= MOST_BEYOND or not len(matching.cosines):
        return math.nan
    share = (matching.cosines > beyond).double().mean()
    return float(of_shares(share[None].numpy())[0])


def of_shares(shares: np.ndarray) -> np.ndarray:
    """The replicated share from S, for any number of pairs of dictionaries."""
    return (shares - TAIL) / (1 - TAIL)


@lru_cache
@guarded(d_model=(2, 2**31), n_atoms=(1, 2**31))
def isotropic_beyond(d_model: int, n_atoms: int, *, sign: Sign = "signed") -> float:
    """The cosine c that the best of `n_atoms` random directions exceeds once in a hundred times: F(c)^n = .99.

    Matched atoms cannot all have their best partner, so that fewer than one in a hundred exceed it: what is found
    beyond is more than random directions give. It knows nothing of what the activations have in common: there the
    99th percentile of trained dictionaries on rows without structure is larger.

    Raises ValueError for fewer than 2 dimensions or no atoms.
    """
    check_sign(sign)
    above = -math.expm1(math.log1p(-TAIL) / n_atoms)  # 1 - F(c)
    half = (d_model - 1) / 2
    if sign == "abs":
        return float(np.sqrt(1 - betaincinv(half, 0.5, above)))
    return float(1 - 2 * betaincinv(half, half, above))


class _Size(NamedTuple):
    n_atoms: int
    d_model: int


def _size(of: Dictionary) -> _Size:
    return _Size(*of.atoms.shape)


def _beyond_chance(matchings: Matchings, a: _Size, b: _Size) -> float:
    n_atoms = max(a.n_atoms, b.n_atoms)
    if not n_atoms or a.d_model == 1:
        return math.nan
    return replicated_share(matchings.now, isotropic_beyond(a.d_model, n_atoms, sign=matchings.now.sign))


REPLICATED = Measure(
    name="replicated",
    title="replicated share",
    meaning="share of matched pairs beyond the 99th percentile of the null's cosines, less what the null has there",
    low=-TAIL / (1 - TAIL),
    high=1.0,
    prepare=_size,
    compare=_beyond_chance,
    untrained=True,
    beyond_null=of_shares,
)
