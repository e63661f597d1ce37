"""Random directions, all equally likely: a formula (docs/mathematics.md, eq. 22)."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import betainc
from torch import Tensor

from reseed._support.guard import check_size, guarded
from reseed.dice import generator
from reseed.floors._base import FloorKind, Sizes
from reseed.matching import Sign
from reseed.matching.similarity import check_sign

__all__ = ["ISOTROPIC", "isotropic", "isotropic_atoms", "subspace"]

_GRID = 200_001  # points of the quadrature: its error is below 1e-6 from 2 to 10^5 dimensions


@guarded(d_model=(2, 2**31), n_atoms=(1, 2**31))
def isotropic(d_model: int, n_atoms: int, *, sign: Sign = "signed") -> float:
    """The best cosine that an atom finds among `n_atoms` random directions, on average: in [0, 1].

    Exact (docs/mathematics.md, eq. 22): lo + integral over [lo, 1] of 1 - K(c)^n, K being the distribution of a cosine.
    It is the floor of MMCS, and an upper bound of that of the matched agreement, in which two atoms cannot share
    their best partner.

    Raises ValueError for fewer than 2 dimensions or no atoms.
    """
    check_sign(sign)
    return _expected_best(d_model, n_atoms, sign)


@lru_cache
def _expected_best(d_model: int, n_atoms: int, sign: Sign) -> float:
    lowest = 0.0 if sign == "abs" else -1.0
    c = np.linspace(lowest, 1.0, _GRID)
    above = _tail(c, d_model) if sign == "signed" else 2 * _tail(c, d_model)
    with np.errstate(divide="ignore"):  # log 0 at c = -1, where the power below is exactly 0
        beyond = -np.expm1(n_atoms * np.log1p(-above))
    return lowest + float((np.diff(c) * (beyond[1:] + beyond[:-1]) / 2).sum())


@guarded(rank=(1, 2**31), d_model=(1, 2**31))
def subspace(rank: int, d_model: int) -> float:
    """The overlap r/d of two random subspaces of `rank` among `d_model` dimensions: the floor of `subspace_overlap`.

    Raises ValueError for a rank outside [1, d_model].
    """
    if rank > d_model:
        raise ValueError(f"rank is {rank} and d_model is {d_model}; a subspace has rank 1 to d_model")
    return rank / d_model


@guarded(n_atoms=(1, 2**31), d_model=(1, 2**31))
def isotropic_atoms(n_atoms: int, d_model: int, *, rolled: int) -> Float[Tensor, "atoms d_model"]:
    """Atoms in random directions, all equally likely."""
    check_size(n_atoms, d_model)
    return torch.randn(n_atoms, d_model, generator=generator(rolled, "isotropic"))


def _tail(c: np.ndarray, d_model: int) -> np.ndarray:
    # P(cos > c) of two random directions: c^2 ~ Beta(1/2, (d-1)/2), and c is as likely as -c
    half = 0.5 * betainc((d_model - 1) / 2, 0.5, 1 - c**2)
    return np.where(c >= 0, half, 1 - half)


def _exact(measure: str, sizes: Sizes) -> float | None:
    """Of the matched agreement and what equals it in dictionaries without dead atoms, of MMCS, of subspaces.

    The replicated share is 0 at most: its c is what the best of as many random directions exceeds once in a hundred.
    """
    if measure == "replicated":
        return 0.0
    if measure == "subspace":
        return subspace(sizes.rank, sizes.d_model)
    if measure in {"agreement", "mmcs", "alive", "mass"}:
        return isotropic(sizes.d_model, sizes.n_atoms, sign=sizes.sign)
    return None


ISOTROPIC = FloorKind(
    name="isotropic",
    title="random directions",
    gives="random directions",
    meaning="what random directions would give",
    policy="best of n_atoms random directions, exact",
    role="null",
    exact=_exact,
)
