"""First lists of large dictionaries, from cosines in bfloat16: what may count is computed again in float32.

Such a cosine takes half the time of one in float32, and is off by no more than a known amount (docs/mathematics.md,
eq. 90). A row's list holds its best columns by it, with their cosines in float32; the bounds of all others are raised
by that amount. The best row of a column is looked for among the rows that may be it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from reseed._support import stopping
from reseed._support.jit import compiled
from reseed._support.products import HAS_BFLOAT16, row_products
from reseed.matching.candidates import Lists, Sides, cosine
from reseed.matching.first_lists import EVERY, WIDTH, Best, at_least, empty_lists, gather, group_tops, keep_found
from reseed.matching.products import rounding

if TYPE_CHECKING:
    from reseed.matching.keeping import SurveyFolder
    from reseed.matching.products import ParallelMap

__all__ = ["Block", "Bounds", "Survey", "bounds_of", "survey", "to_codes"]

_ROWS = 4096  # that are surveyed at a time, and kept in one file
_ELEMENTS = 2**23  # of a product
_PANELS = 1024  # for which maxima of all columns are kept, at most, of 64 rows at least
_COLUMNS = 4096  # whose best rows are looked for at a time
_OFFSET = 2**15
_NOTHING = np.int16(-_OFFSET)
_UNIT_ROUNDOFF = 2.0**-8  # of bfloat16


class Block(NamedTuple):
    """What is known of some consecutive rows. A code is an integer; codes are in the order of bfloat16 cosines."""

    columns: np.ndarray
    """(rows, room) int32: the columns on each row's list."""
    values: np.ndarray
    """(rows, room) float32: their cosines."""
    count: np.ndarray
    """(rows,) int64: how many there are."""
    tops: np.ndarray
    """(rows, groups) int16: the largest code of a column that is not listed."""
    best: np.ndarray
    """(rows,) int64: the column of the largest float32 cosine."""
    maxima: np.ndarray
    """(panels, cols) int16: the largest code of each column among so many rows."""


class Bounds(NamedTuple):
    """Between what a cosine lies that has some code, at the code plus 2**15; (2**16,) float32 each."""

    above: np.ndarray
    below: np.ndarray


class _Look(NamedTuple):
    """What is looked at, and how."""

    sides: Sides
    bounds: Bounds
    width: int
    panel: int


@dataclass(frozen=True)
class Survey:
    """All cosines of two sides, to be asked for block by block."""

    look: _Look
    factors: tuple[Tensor, Tensor]
    """The sides, as they are multiplied."""
    n_groups: int

    def block(self, begin: int) -> Block:
        """What is known of the rows from `begin` on."""
        look = self.look
        n, n_cols = min(_ROWS, len(look.sides.rows) - begin), len(look.sides.cols)
        block = _empty_block(n, n_cols, 2 * look.width, self.n_groups, -(-n // look.panel))
        height = look.panel * max(1, _ELEMENTS // (look.panel * n_cols))
        for first in range(0, n, height):
            stopping.check()
            last, panels = min(first + height, n), slice(first // look.panel, -(-(first + height) // look.panel))
            cosines = row_products(self.factors[0][begin + first : begin + last], self.factors[1]).bfloat16()
            part = Block._make([*(field[first:last] for field in block[:-1]), block.maxima[panels]])
            _read(cosines.view(torch.int16).numpy(), begin + first, look, part)
        return block


def survey(
    rows: Float32[Tensor, "rows d_model"],
    cols: Float32[Tensor, "cols d_model"],
    *,
    n_groups: int,
    absolute: bool,
    parallel: ParallelMap = map,
    kept: SurveyFolder | None = None,
) -> tuple[Lists, Best]:
    """The same as `first_lists`, for dictionaries on the CPU; what is kept already is not computed again."""
    n, n_cols, panel = len(rows), len(cols), 64
    while n > panel * _PANELS:
        panel *= 2
    factors = (rows.bfloat16(), cols.bfloat16()) if HAS_BFLOAT16 else (rows, cols)
    bounds, width = bounds_of((rows, cols), factors), min(WIDTH, n_cols)
    look = _Look(Sides(rows.numpy(), cols.numpy(), absolute), bounds, width, panel)
    here = Survey(look, factors, n_groups)
    lists, best = empty_lists(n, 2 * width, n_groups), np.empty(n, np.int64)
    maxima = np.empty((-(-n // panel), n_cols), np.int16)

    def read(begin: int) -> None:
        stopping.check()
        block = here.block(begin) if kept is None else kept.block(begin, here.block)
        part = slice(begin, begin + len(block.count))
        lists.columns[part], lists.values[part], lists.count[part] = block.columns, block.values, block.count
        lists.bounds[part] = bounds.above[block.tops.astype(np.int32) + _OFFSET]
        lists.largest_bound[part] = lists.bounds[part].max(axis=1)
        best[part], maxima[begin // panel : begin // panel + len(block.maxima)] = block.best, block.maxima

    list(parallel(read, range(0, n, _ROWS)))
    of_cols = np.zeros(n_cols, np.int64)

    def find(begin: int) -> None:
        part = slice(begin, begin + _COLUMNS)
        _find_rows(begin, np.ascontiguousarray(maxima[:, part]), look, of_cols[part])

    list(parallel(find, range(0, n_cols, _COLUMNS)))
    return lists, Best(best, of_cols)


def bounds_of(sides: tuple[Tensor, Tensor], factors: tuple[Tensor, Tensor]) -> Bounds:
    """The cosine of a code is off by what rounding the atoms, summing products and rounding their sum can do."""
    bits = np.arange(-_OFFSET, _OFFSET)
    bits = np.where(bits < 0, bits ^ 0x7FFF, bits).astype(np.int16)
    values = torch.from_numpy(bits).view(torch.bfloat16).double().nan_to_num(0.0).clamp(-2, 2).numpy()
    left, right = (_furthest(side, factor) for side, factor in zip(sides, factors, strict=True))
    error = left * (1 + right) + right + 1.02 * rounding(sides[0].shape[1]) + 1.01 * _UNIT_ROUNDOFF * np.abs(values)
    above, below = (values + error + 1e-7).astype(np.float32), (values - error - 1e-7).astype(np.float32)
    above[0] = below[0] = -np.inf
    return Bounds(above, below)


def _furthest(side: Tensor, factor: Tensor) -> float:
    """How long the difference of an atom of about length 1 to its rounded one is, at most."""
    chunks = zip(side.split(_ROWS), factor.split(_ROWS), strict=True)
    return max(float((atoms.double() - rounded).norm(dim=1).max()) for atoms, rounded in chunks) + 1e-6


def _empty_block(n: int, n_cols: int, room: int, n_groups: int, n_panels: int) -> Block:
    return Block(
        columns=np.zeros((n, room), np.int32),
        values=np.zeros((n, room), np.float32),
        count=np.empty(n, np.int64),
        tops=np.empty((n, n_groups), np.int16),
        best=np.empty(n, np.int64),
        maxima=np.full((n_panels, n_cols), _NOTHING),
    )


@compiled
def _read(cosines: np.ndarray, first: int, look: _Look, block: Block) -> None:
    """Find out about the rows from `first` on, from the bits of their bfloat16 cosines, which become codes."""
    n_cols = cosines.shape[1]
    columns = np.empty(n_cols, np.int64)
    for i in range(len(cosines)):
        row, tops = cosines[i], block.tops[i]
        to_codes(row, look.sides.absolute)
        _raise(block.maxima[i // look.panel], row)
        group_tops(row, tops)
        limits = at_least(tops[::EVERY], max(1, look.width // EVERY)), _NOTHING
        count = gather(row, limits, (first + i) % n_cols, tops, columns)
        block.count[i] = keep_found(row, columns[:count], look.width, tops, (block.columns[i], block.values[i]))
        block.best[i] = _compute_listed(i, first + i, row, look, block)


@compiled
def to_codes(row: np.ndarray, absolute: bool) -> None:  # noqa: FBT001 (numba has no keywords)
    """Turn the bits of bfloat16 numbers into integers of the same order, or in the order of absolute values."""
    if absolute:
        for j in range(len(row)):
            row[j] &= np.int16(0x7FFF)
    else:
        for j in range(len(row)):
            row[j] ^= (row[j] >> np.int16(15)) & np.int16(0x7FFF)


@compiled
def _raise(maxima: np.ndarray, row: np.ndarray) -> None:
    for j in range(len(row)):
        maxima[j] = row[j] if row[j] > maxima[j] else maxima[j]  # noqa: FURB136 (max is slower)


@compiled
def _compute_listed(i: int, at: int, row: np.ndarray, look: _Look, block: Block) -> int:
    """Compute the cosines of what is listed in float32; returns the best column of all."""
    n_groups, above = block.tops.shape[1], look.bounds.above
    depth = (len(row) + n_groups - 1) // n_groups
    best, best_at = np.float32(-np.inf), -1
    for k in range(block.count[i]):
        c = block.columns[i, k]
        j = c % depth * n_groups + c // depth
        value = cosine(look.sides, at, j)
        block.values[i, k] = value
        if value > best or (value == best and j < best_at):
            best, best_at = value, j
    for g in range(n_groups):
        if above[block.tops[i, g] + _OFFSET] <= best:
            continue
        for j in range(g, len(row), n_groups):
            if above[row[j] + _OFFSET] > best:
                value = cosine(look.sides, at, j)
                if value > best:
                    best, best_at = value, j
    return best_at


@compiled
def _find_rows(begin: int, maxima: np.ndarray, look: _Look, of_cols: np.ndarray) -> None:
    """Find the best row of the columns from `begin` on, in the panels that may have it; of equal ones the first."""
    n, panel, bounds = len(look.sides.rows), look.panel, look.bounds
    values = np.empty(len(of_cols), np.float32)
    for j in range(len(of_cols)):
        values[j] = bounds.below[maxima[:, j].max() + _OFFSET]  # the best cosine is above it
    for p in range(len(maxima)):
        for j in range(len(of_cols)):
            if bounds.above[maxima[p, j] + _OFFSET] > values[j]:
                for i in range(p * panel, min((p + 1) * panel, n)):
                    value = cosine(look.sides, i, begin + j)
                    if value > values[j]:
                        values[j], of_cols[j] = value, i
