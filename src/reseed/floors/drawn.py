"""Floors: the agreement that chance, geometry or the start alone would give (docs/mathematics.md, section 3)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.integrate import trapezoid
from scipy.special import betainc
from torch import Tensor

from reseed.dice import generator
from reseed.matching import Sign, match, unit_rows, zero_atoms
from reseed.matching.similarity import check_sign

__all__ = [
    "Floor",
    "from_draws",
    "hull_atoms",
    "isotropic",
    "isotropic_atoms",
    "mean_shift",
    "measured",
    "spectrum_atoms",
    "subspace",
]

_GRID = 200_001  # points of the quadrature: its error is below 1e-6 from 2 to 10^5 dimensions


Draw = TypeVar("Draw")


@dataclass(frozen=True)
class Floor:
    """What a measure gives without any learning, and how that was found."""

    value: float
    spread: float
    """Standard deviation over pairs of draws; 0 for an exact floor, nan for a single pair."""
    n: int
    """Untrained dictionaries drawn; 0 for an exact floor."""
    policy: str
    """Where the floor comes from: "data", "k-means", "step 0", "isotropic" ..."""
    reason: str = ""
    """Why `value` is nan; else empty."""


def from_draws(dictionaries: Sequence[Float[Tensor, "atoms d_model"]], *, policy: str, sign: Sign = "signed") -> Floor:
    """The matched agreement of untrained dictionaries: random activations, k-means centroids, or the starts at step 0.

    The mean over all pairs of draws, measured by the same `match` as trained dictionaries.
    """
    return measured(dictionaries, lambda a, b: match(a, b, sign=sign).agreement, policy=policy)


def measured(draws: Sequence[Draw], measure: Callable[[Draw, Draw], float], *, policy: str) -> Floor:
    """The floor of any measure of two dictionaries: its mean over all pairs of draws.

    A draw is whatever `measure` compares: a dictionary, or one with its encoder or its codes. Fewer than two draws, or
    a measure that is nan, leave the floor undefined, with a reason.
    """
    values = torch.tensor([measure(a, b) for a, b in combinations(draws, 2)], dtype=torch.float64)
    value = float(values.mean())
    return Floor(
        value=value,
        spread=float(values.std()) if len(values) > 1 else math.nan,
        n=len(draws),
        policy=policy,
        reason=_why_undefined(value, len(draws)),
    )


def isotropic(d_model: int, n_atoms: int, *, sign: Sign = "signed") -> float:
    """The best cosine that an atom finds among `n_atoms` random directions, on average: in [0, 1].

    Exact (docs/mathematics.md, eq. 22): lo + integral over [lo, 1] of 1 - K(c)^n, K being the distribution of a cosine.
    It is the floor of MMCS, and an upper bound of that of the matched agreement, in which two atoms cannot share
    their best partner.

    Raises ValueError for fewer than 2 dimensions or no atoms.
    """
    check_sign(sign)
    if d_model < 2 or n_atoms < 1:  # noqa: PLR2004 (in one dimension there are no directions to compare)
        raise ValueError(f"d_model is {d_model} and n_atoms is {n_atoms}; at least 2 dimensions and 1 atom are needed")
    lowest = 0.0 if sign == "abs" else -1.0
    c = np.linspace(lowest, 1.0, _GRID)
    above = _tail(c, d_model) if sign == "signed" else 2 * _tail(c, d_model)
    with np.errstate(divide="ignore"):  # log 0 at c = -1, where the power below is exactly 0
        beyond = -np.expm1(n_atoms * np.log1p(-above))
    return lowest + float(trapezoid(beyond, c))


def mean_shift(mean_share: float, d_model: int, n_atoms: int) -> float:
    """MMCS (signed) of independent atoms mu + eps, where `mean_share` = rho = ||mu||^2 / (||mu||^2 + E ||eps||^2).

    About rho + (1 - rho) sqrt(1 + rho (1 - rho)) I, I being `isotropic`, to first order in 1/sqrt(d): the best of n
    atoms also has a well-placed component along the mean, which the plain rho + (1 - rho) I leaves out
    (docs/mathematics.md, eq. 24).
    """
    if not 0 <= mean_share <= 1:
        raise ValueError(f"mean_share is {mean_share}; it is a share of the mean squared norm, in [0, 1]")
    rest = 1 - mean_share
    return mean_share + rest * math.sqrt(1 + mean_share * rest) * isotropic(d_model, n_atoms)


def subspace(rank: int, d_model: int) -> float:
    """The overlap r/d of two random subspaces of `rank` among `d_model` dimensions: the floor of `subspace_overlap`."""
    return rank / d_model


def isotropic_atoms(n_atoms: int, d_model: int, *, rolled: int) -> Float[Tensor, "atoms d_model"]:
    """Atoms in random directions, all equally likely."""
    return torch.randn(n_atoms, d_model, generator=generator(rolled, "isotropic"))


def spectrum_atoms(
    rows: Float[Tensor, "rows d_model"], n_atoms: int | None = None, *, rolled: int
) -> Float64[Tensor, "atoms d_model"]:
    """Gaussian atoms with the mean and covariance of the rows at length 1, as many as rows unless said otherwise.

    The rows are atoms or tokens; zero ones do not count.
    """
    unit = unit_rows(rows)[~zero_atoms(rows)]
    mean = unit.mean(dim=0)
    values, vectors = torch.linalg.eigh((unit - mean).T @ (unit - mean) / len(unit))
    shape = (len(rows) if n_atoms is None else n_atoms, rows.shape[1])
    normal = torch.randn(shape, generator=generator(rolled, "spectrum"), dtype=torch.float64).to(unit.device)
    return mean + (normal * values.clamp(min=0).sqrt()) @ vectors.T


def hull_atoms(
    points: Float[Tensor, "points d_model"], weights: Float[Tensor, "atoms points"], *, rolled: int
) -> Float[Tensor, "atoms d_model"]:
    """Random mixtures of the same points: each atom keeps its weights, and so their entropy, but on random points."""
    rolls = torch.rand(weights.shape, generator=generator(rolled, "hull")).to(weights.device)
    return weights.gather(1, rolls.argsort(dim=1)) @ points


def _tail(c: np.ndarray, d_model: int) -> np.ndarray:
    # P(cos > c) of two random directions: c^2 ~ Beta(1/2, (d-1)/2), and c is as likely as -c
    half = 0.5 * betainc((d_model - 1) / 2, 0.5, 1 - c**2)
    return np.where(c >= 0, half, 1 - half)


def _why_undefined(value: float, n_draws: int) -> str:
    if not math.isnan(value):
        return ""
    return "a pair of draws has no agreement" if n_draws > 1 else f"{n_draws} draws make no pair; 2 are needed"
