"""Which rows of a bare matrix are held out: short blocks, spread evenly over it.

Rows that lie next to each other belong together (a text, a class): blocks keep most neighbours on one side, and many
blocks see all of a matrix that is sorted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["Split"]

_BLOCKS = 128
_HELDOUT_ROWS = 4096


@dataclass(frozen=True)
class Split:
    """The rows of a matrix, each either for training or held out, in equal stretches that end with a held-out block."""

    n_rows: int

    @property
    def n_heldout(self) -> int:
        """A tenth of the rows, at most 4,096."""
        return min(_HELDOUT_ROWS, self.n_rows // 10)

    @property
    def n_tokens(self) -> int:
        """Training rows."""
        return self.n_rows - self.n_heldout

    def stretches(self) -> Iterator[tuple[int, int, bool]]:
        """(first row, row behind the last, whether held out), in the order of the matrix."""
        ends, heldout = self._ends(self.n_rows), self._ends(self.n_heldout)
        for start, end, before, after in zip(ends, ends[1:], heldout, heldout[1:], strict=False):
            yield start, end - (after - before), False
            yield end - (after - before), end, True

    def _ends(self, count: int) -> list[int]:
        blocks = max(1, min(_BLOCKS, self.n_heldout))
        return [count * block // blocks for block in range(blocks + 1)]

    def rows(self, index: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """Where in the matrix the training rows at `index` lie."""
        firsts, heldout = _steps(self)
        place = torch.searchsorted(firsts, index.cpu(), right=True) - 1
        return index + heldout[place].to(index.device)


@lru_cache
def _steps(split: Split) -> tuple[Int[Tensor, "stretches"], Int[Tensor, "stretches"]]:
    """Of every stretch, its first training row, counted among these, and how many held-out rows lie before it."""
    starts = torch.tensor([start for start, _, heldout in split.stretches() if not heldout])
    lengths = torch.tensor([stop - start for start, stop, heldout in split.stretches() if heldout])
    before = lengths.cumsum(0) - lengths
    return starts - before, before
