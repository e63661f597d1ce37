"""One pass over all cosines: first candidate lists, bounds for the rest, and the best of every row and column."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from reseed._support import stopping
from reseed._support.jit import compiled
from reseed._support.products import row_products
from reseed.matching.candidates import Lists

if TYPE_CHECKING:
    from reseed.matching.products import ParallelMap

__all__ = ["EVERY", "WIDTH", "Best", "at_least", "empty_lists", "first_lists", "gather", "group_tops", "keep_found"]

WIDTH = 64
"""Columns on a row's list, more only where cosines are equal."""
EVERY = 4
"""One group in so many is enough to estimate how large a row's best cosines are."""
_NOTHING = np.float32(-np.inf)
_ELEMENTS = 2**22  # of a block of cosines: 16 MB, which the C library hands out again without asking the system


@dataclass(frozen=True)
class Best:
    """The best partner of every row and every column by float32 cosine."""

    of_rows: np.ndarray
    of_cols: np.ndarray


def first_lists(
    rows: Float32[Tensor, "rows d_model"],
    cols: Float32[Tensor, "cols d_model"],
    *,
    n_groups: int,
    absolute: bool,
    parallel: ParallelMap = map,
    elements: int = _ELEMENTS,
) -> tuple[Lists, Best]:
    """Each row's first candidate list, at price 0, and the best partners; every n_groups-th column is of one group.

    Each cosine is computed once, block by block, and forgotten.
    """
    n, n_cols = len(rows), len(cols)
    width = min(WIDTH, n_cols)
    lists = empty_lists(n, 2 * width, n_groups)
    of_rows, of_cols = np.empty(n, np.int64), np.zeros(n_cols, np.int64)
    col_values, lock = np.full(n_cols, -np.inf, np.float32), threading.Lock()
    height = max(64, min(1024, elements // n_cols))

    def read_block(begin: int) -> None:
        stopping.check()
        part = slice(begin, begin + height)
        block = row_products(rows[part], cols).cpu()
        values = (block.abs_() if absolute else block).numpy()
        _list_best(values, begin, width, Lists(*(field[part] for field in lists)))
        some_values, some_rows = np.full(n_cols, -np.inf, np.float32), np.zeros(n_cols, np.int32)
        _find_best(values, begin, of_rows[part], (some_values, some_rows))
        with lock:
            _merge(col_values, of_cols, some_values, some_rows)

    list(parallel(read_block, range(0, n, height)))
    return lists, Best(of_rows, of_cols)


def empty_lists(n: int, room: int, n_groups: int) -> Lists:
    """Lists to be filled, of so many rows with so much room each."""
    return Lists(
        columns=np.empty((n, room), np.int32),
        values=np.empty((n, room)),
        exact=np.zeros((n, room), np.bool_),
        reference=np.zeros(n, np.int64),
        count=np.empty(n, np.int64),
        bounds=np.empty((n, n_groups), np.float32),
        largest_bound=np.empty(n),
    )


@compiled
def _list_best(block: np.ndarray, first: int, width: int, lists: Lists) -> None:
    columns = np.empty(block.shape[1], np.int64)
    for i in range(len(block)):
        row, tops = block[i], lists.bounds[i]
        group_tops(row, tops)
        limits = at_least(tops[::EVERY], max(1, width // EVERY)), _NOTHING
        count = gather(row, limits, (first + i) % len(row), tops, columns)
        lists.count[i] = keep_found(row, columns[:count], width, tops, (lists.columns[i], lists.values[i]))
        lists.largest_bound[i] = tops.max()


@compiled
def group_tops(row: np.ndarray, tops: np.ndarray) -> None:
    """Find the largest value of every group of a row."""
    n_groups = len(tops)
    tops[:] = row[:n_groups]
    for begin in range(n_groups, len(row), n_groups):
        for g in range(min(n_groups, len(row) - begin)):
            tops[g] = row[begin + g] if row[begin + g] > tops[g] else tops[g]  # noqa: FURB136 (max minds NaN: slower)


@compiled
def at_least(values: np.ndarray, width: int) -> float:
    """What the `width` largest of some values reach, or all of them."""
    return np.partition(values, len(values) - width)[len(values) - width] if width < len(values) else values.min()


@compiled
def gather(row: np.ndarray, limits: tuple[float, np.number], own: int, tops: np.ndarray, columns: np.ndarray) -> int:
    """Find the columns that are not below the first limit; the tops become those of the others, or the second limit.

    The search begins at the row's own column, so that rows with equal cosines do not all list the same columns first.
    """
    least, nothing = limits
    n_cols, n_groups, count = len(row), len(tops), 0
    depth, k_own, g = (n_cols + n_groups - 1) // n_groups, own // n_groups, own % n_groups
    for _ in range(n_groups):
        if tops[g] >= least:
            left, k = nothing, k_own
            for _ in range(depth):
                j = k * n_groups + g
                if j < n_cols:
                    if row[j] >= least:
                        columns[count] = j
                        count += 1
                    elif row[j] > left:
                        left = row[j]
                k = k + 1 if k + 1 < depth else 0
            tops[g] = left
        g = g + 1 if g + 1 < n_groups else 0
    return count


@compiled
def keep_found(
    row: np.ndarray,
    found: np.ndarray,
    width: int,
    tops: np.ndarray,
    to: tuple[np.ndarray, np.ndarray],
) -> int:
    """List the columns found, or the `width` best where they are too many; the others raise their group's bound."""
    columns, values = to
    count, room = 0, max(3 * len(columns) // 4, 1)
    fit = len(found) <= room
    least = row[0] if fit else at_least(row[found], width)
    n_groups = len(tops)
    depth = (len(row) + n_groups - 1) // n_groups
    for j in found:
        g = j % n_groups
        if (fit or row[j] >= least) and count < room:
            columns[count], values[count] = g * depth + j // n_groups, row[j]
            count += 1
        else:
            tops[g] = max(tops[g], row[j])
    return count


@compiled
def _find_best(block: np.ndarray, first: int, of_rows: np.ndarray, of_cols: tuple[np.ndarray, np.ndarray]) -> None:
    values, rows = of_cols
    for i in range(len(block)):
        row, at = block[i], np.int32(first + i)
        for j in range(len(row)):
            better = row[j] > values[j]
            values[j] = row[j] if better else values[j]
            rows[j] = at if better else rows[j]
        of_rows[i] = row.argmax()


@compiled
def _merge(values: np.ndarray, rows: np.ndarray, other_values: np.ndarray, other_rows: np.ndarray) -> None:
    """Of equal values the first row counts, in whatever order the blocks come."""
    for j in range(len(values)):
        if other_values[j] > values[j] or (other_values[j] == values[j] and other_rows[j] < rows[j]):
            values[j], rows[j] = other_values[j], other_rows[j]
