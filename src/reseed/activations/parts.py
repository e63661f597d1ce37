"""Disjoint parts of the training rows, of one size: what runs read that are not to share their sample of activations.

A store holds its windows one behind the other in an order that mixes all texts. So a part is one stretch of it, and
between two parts as many rows are left out as a window can reach over: no window lies in two of them, though a document
may. Nobody knows the windows of a bare matrix, and its rows may be sorted. So it is cut into many stretches, each of
them into one block for every part, and the parts take turns: neighbours mostly stay together, and every part sees all
of the matrix.
"""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

__all__ = ["Part", "part_size"]

_STRETCHES = 128  # as many as there are held-out blocks at most
_BLOCK = 16  # rows of the shortest blocks, unless there are fewer


@dataclass(frozen=True)
class Part:
    """One of `of` disjoint parts of some training rows."""

    n_rows: int
    """Training rows of all parts, and between them."""
    window: int
    """Rows that a text window has at most; 1 where nobody knows."""
    index: int
    """Which part, from 0."""
    of: int
    """How many there are."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"part {self.index} of {self.of}: parts are counted from 0 to {self.of - 1}")

    @property
    def n_tokens(self) -> int:
        """Rows of the part; as many as of every other one."""
        return part_size(self.n_rows, self.of, window=self.window)

    def rows(self, index: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """Which training rows the rows of the part at `index` are."""
        gap, block = self.window - 1, _block(self.n_rows, self.of, self.window)
        stretch, place = index // block, index % block
        turn = (self.index + stretch) % self.of  # parts take turns, so that none is always the first
        return stretch * self.n_rows // _stretches(self.n_rows, self.of, self.window) + turn * (block + gap) + place


def part_size(n_rows: int, of: int, *, window: int) -> int:
    """Rows in each of `of` parts of so many training rows; 0 or fewer where there are too few for that many."""
    return _stretches(n_rows, of, window) * _block(n_rows, of, window)


def _stretches(n_rows: int, of: int, window: int) -> int:
    """Into how many stretches, each with a block of every part, the rows are cut."""
    return 1 if window > 1 else max(1, min(_STRETCHES, n_rows // (_BLOCK * of)))


def _block(n_rows: int, of: int, window: int) -> int:
    """Rows of one part in one stretch."""
    gap = window - 1
    return (n_rows // _stretches(n_rows, of, window) + gap) // of - gap
