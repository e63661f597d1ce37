"""Floors: the agreement that chance, geometry or the start alone would give (science §4)."""

import numpy as np
from scipy.integrate import trapezoid
from scipy.special import betainc

from reseed.matching import Sign
from reseed.matching.similarity import check_sign

__all__ = ["isotropic"]

_GRID = 200_001  # points of the quadrature: its error is below 1e-6 from 2 to 10^5 dimensions


def isotropic(d_model: int, n_atoms: int, *, sign: Sign = "signed") -> float:
    """The best cosine that an atom finds among `n_atoms` random directions, on average: in [0, 1].

    Exact (science §4): E max = lo + integral over [lo, 1] of 1 - F(c)^n. It is the floor of MMCS, and an upper bound of
    the floor of the matched agreement, in which two atoms cannot share their best partner.

    Raises ValueError for fewer than 2 dimensions or no atoms.
    """
    check_sign(sign)
    if d_model < 2 or n_atoms < 1:  # noqa: PLR2004 - in one dimension there are no directions to compare
        raise ValueError(f"d_model is {d_model} and n_atoms is {n_atoms}; at least 2 dimensions and 1 atom are needed")
    lowest = 0.0 if sign == "abs" else -1.0
    c = np.linspace(lowest, 1.0, _GRID)
    above = _tail(c, d_model) if sign == "signed" else 2 * _tail(c, d_model)
    with np.errstate(divide="ignore"):  # log 0 at c = -1, where the power below is exactly 0
        beyond = -np.expm1(n_atoms * np.log1p(-above))
    return lowest + float(trapezoid(beyond, c))


def _tail(c: np.ndarray, d_model: int) -> np.ndarray:
    # P(cos > c) of two random directions: c^2 ~ Beta(1/2, (d-1)/2), and c is as likely as -c
    half = 0.5 * betainc((d_model - 1) / 2, 0.5, 1 - c**2)
    return np.where(c >= 0, half, 1 - half)
