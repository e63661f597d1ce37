"""Cosines one pair at a time, in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed._support.jit import compiled

__all__ = ["Pairs", "pair_cosine", "pair_cosines"]

_EQUAL = 1e-12  # as in `similarity`: equal directions have cosine 1, and not what rounding leaves of it


class Pairs(NamedTuple):
    """The atoms of both sides, to be paired by the places that the groups give them."""

    rows: np.ndarray
    row_scale: np.ndarray
    cols: np.ndarray
    col_scale: np.ndarray
    row_at: np.ndarray
    """The atom at each place of the rows."""
    col_at: np.ndarray
    """The same for the columns; -1 at an empty place."""
    absolute: bool


@compiled
def pair_cosine(pairs: Pairs, i: int, j: int) -> float:
    """The cosine of row i with column j under the sign policy; exactly 1 for equal directions."""
    p, q, total = pairs.row_at[i], pairs.col_at[j], 0.0
    x, y = pairs.rows[p], pairs.cols[q]
    for k in range(len(x)):
        total += np.float64(x[k]) * np.float64(y[k])
    total *= pairs.row_scale[p] * pairs.col_scale[q]
    if abs(total) >= 1.0 - _EQUAL:
        total = np.sign(total)
    return abs(total) if pairs.absolute else total


@compiled
def pair_cosines(pairs: Pairs, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """The cosines of the pairs (rows[k], cols[k])."""
    cosines = np.empty(len(rows))
    for k in range(len(rows)):
        cosines[k] = pair_cosine(pairs, rows[k], cols[k])
    return cosines
