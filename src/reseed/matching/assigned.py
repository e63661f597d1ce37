"""What the assignment problem is solved by: a column for every row, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Assignment"]


@dataclass(frozen=True)
class Assignment:
    """A column for every row."""

    partners: np.ndarray
    """The column of each row."""
    cosines: np.ndarray
    gap: float
    """How far the mean of `cosines` can be below the best."""
    best: np.ndarray
    """The largest cosine of each row with any column."""
    partner_best: np.ndarray
    """The largest cosine of each column with any row."""
