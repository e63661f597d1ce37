"""Small dictionaries matched directly: all cosines at once, a short list for each row, and few auctions.

Dictionaries that have learned something, or have nothing in common, take one auction at a middling epsilon and one at
the last. Where many rows want the same few columns prices have far to rise, and epsilon begins larger and is scaled.

A cosine is computed in float64 when a row is about to bid for it. Until then its float32 product stands for it, raised
by what rounding may have taken off: so prices and best profits are a proof at any time (docs/mathematics.md, eq. 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reseed._support import stopping
from reseed._support.jit import compiled
from reseed._support.products import row_products
from reseed.matching.assigned import Assignment
from reseed.matching.certificate import gap_of
from reseed.matching.exact import Pairs, pair_cosine, pair_cosines
from reseed.matching.first_lists import at_least
from reseed.matching.products import rounding

if TYPE_CHECKING:
    from reseed.matching.products import Directions, ParallelMap

__all__ = ["assign_directly"]

_HEIGHT = 256  # rows whose cosines are made and looked at while they are in the cache
_STRETCH = 32  # columns whose largest profit is found first
_WANTED, _ROOM = 12, 32  # columns on a list, about and at most
_HALVINGS = 6  # that find what so many stretches reach, about
_QUICK = (1e-3, 1e-9)
_THOROUGH = (2e-2, 2e-3, 2e-4, 1e-5, 1e-7, 1e-9)
_BIDS = 64  # of a row on average, in one auction
_CROWDED = 4, 8  # after how many bids a row no more than one row in so many may be waiting in a quick auction
_NONE = -1


class _Near(NamedTuple):
    """All cosines, and for each row the columns that it would bid for."""

    cosines: np.ndarray
    """(rows, cols) float32."""
    columns: np.ndarray
    """(rows, room) int32: the most profitable when the list was made."""
    values: np.ndarray
    """(rows, room) float64: their cosines, or a little more."""
    exact: np.ndarray
    """(rows, room) bool: which of these are the cosines."""
    count: np.ndarray
    """(rows,): how many are listed."""
    rest: np.ndarray
    """(rows,): what no column outside the list exceeds in profit: prices only rise."""
    margin: np.ndarray
    """(rows,): how far float32 cosines and profits can be off."""


class _Best(NamedTuple):
    """The largest float32 cosine of every column among some rows, and whose it is."""

    values: np.ndarray
    rows: np.ndarray


class _Held(NamedTuple):
    """Prices, and who has which column."""

    prices: np.ndarray
    row_of: np.ndarray
    """(cols,): -1 without."""
    column_of: np.ndarray
    """(rows,): the same."""
    cosine_of: np.ndarray
    """(rows,): the cosine of a row with its column."""


def assign_directly(rows: Directions, cols: Directions, *, absolute: bool, parallel: ParallelMap) -> Assignment | None:
    """Give each row a column of its own; None where that takes too many bids. There are as many columns, or more."""
    n, n_cols = len(rows), len(cols)
    pairs = Pairs(
        rows=rows.atoms.numpy(),
        row_scale=rows.scale.numpy(),
        cols=cols.atoms.numpy(),
        col_scale=cols.scale.numpy(),
        row_at=np.arange(n),
        col_at=np.arange(n_cols),
        absolute=absolute,
    )
    near, best_rows = _listed(rows, cols, absolute=absolute, parallel=parallel)
    best_columns = near.columns[:, 0].astype(np.int64)
    held = _Held(np.zeros(n_cols), np.full(n_cols, _NONE), np.full(n, _NONE), np.empty(n))
    if not _solve(near, pairs, held):
        return None
    return Assignment(
        partners=held.column_of,
        cosines=held.cosine_of,
        gap=gap_of(_best_profits(near, pairs, held), held.prices, held.cosine_of),
        best=pair_cosines(pairs, np.arange(n), best_columns),
        partner_best=pair_cosines(pairs, best_rows, np.arange(n_cols)),
    )


def _listed(rows: Directions, cols: Directions, *, absolute: bool, parallel: ParallelMap) -> tuple[_Near, np.ndarray]:
    """All cosines and the first lists, the best column at the head; and the best row of every column."""
    n, n_cols = len(rows), len(cols)
    room = min(_ROOM, n_cols)
    near = _Near(
        cosines=np.empty((n, n_cols), np.float32),
        columns=np.empty((n, room), np.int32),
        values=np.empty((n, room)),
        exact=np.empty((n, room), np.bool_),
        count=np.empty(n, np.int64),
        rest=np.empty(n),
        margin=np.full(n, rounding(rows.atoms.shape[1]) + 2.0**-21),
    )
    begins = range(0, n, _HEIGHT)
    best = _Best(np.full((len(begins), n_cols), -np.inf, np.float32), np.zeros((len(begins), n_cols), np.int64))

    def read(begin: int) -> None:
        stopping.check()
        part, block = slice(begin, begin + _HEIGHT), begin // _HEIGHT
        cosines = row_products(rows.unit[part], cols.unit)
        near.cosines[part] = (cosines.abs_() if absolute else cosines).numpy()
        some = _Near(*(field[part] for field in near))
        _read(begin, some, _Best(best.values[block], best.rows[block]))

    list(parallel(read, begins))
    return near, best.rows[best.values.argmax(0), np.arange(n_cols)]


@compiled
def _read(first: int, near: _Near, best: _Best) -> None:
    for i in range(len(near.cosines)):
        row = near.cosines[i]
        for j in range(len(row)):
            better = row[j] > best.values[j]
            best.values[j] = row[j] if better else best.values[j]
            best.rows[j] = first + i if better else best.rows[j]
        _list_best(i, row, near)


@compiled
def _list_best(i: int, profits: np.ndarray, near: _Near) -> None:
    """List the columns with the largest of these profits, the largest of all at the head."""
    columns, room = np.empty(len(profits), np.int32), near.columns.shape[1]
    count, rest = _gather(profits, _reached(profits), columns)
    if count > room:
        least, found, count = at_least(profits[columns[:count]], room), columns[:count], 0
        for j in found:
            if profits[j] >= least and count < room:
                columns[count] = j
                count += 1
            else:
                rest = max(rest, profits[j])
    head = 0
    for k in range(count):
        head = k if profits[columns[k]] > profits[columns[head]] else head
    columns[0], columns[head] = columns[head], columns[0]
    for k in range(count):
        near.columns[i, k], near.exact[i, k] = columns[k], False
        near.values[i, k] = near.cosines[i, columns[k]] + near.margin[i]
    near.count[i], near.rest[i] = count, rest + near.margin[i]


@compiled
def _gather(profits: np.ndarray, least: np.floating, columns: np.ndarray) -> tuple[int, np.floating]:
    """Find the columns whose profit is at least so large; how many there are, and the largest profit of the others."""
    count, rest = 0, np.float32(-np.inf)
    for begin in range(0, len(profits), _STRETCH):
        stretch = profits[begin : begin + _STRETCH]
        top = _largest(stretch)
        if top < least:
            rest = max(rest, top)
            continue
        for j in range(len(stretch)):
            if stretch[j] >= least:
                columns[count] = begin + j
                count += 1
            else:
                rest = max(rest, stretch[j])
    return count, rest


@compiled
def _reached(profits: np.ndarray) -> np.floating:
    """What about as many stretches reach as columns are wanted; with fewer of them, all columns."""
    if len(profits) < _WANTED * _STRETCH:
        return np.float32(-np.inf)
    tops = np.empty((len(profits) + _STRETCH - 1) // _STRETCH, np.float32)
    for k in range(len(tops)):
        tops[k] = _largest(profits[k * _STRETCH : (k + 1) * _STRETCH])
    low, high = tops.min(), tops.max()
    for _ in range(_HALVINGS):
        middle, count = (low + high) / 2, 0
        for k in range(len(tops)):
            count += 1 if tops[k] >= middle else 0
        if count >= _WANTED:
            low = middle
        else:
            high = middle
    return low


@compiled
def _largest(values: np.ndarray) -> np.floating:
    largest = values[0]
    for k in range(len(values)):
        largest = values[k] if values[k] > largest else largest  # noqa: FURB136 (max minds NaN: slower)
    return largest


def _solve(near: _Near, pairs: Pairs, held: _Held) -> bool:
    """Auctions until no row could do better by more than the last epsilon; False where one takes too many bids.

    Prices rise from 0, so that in a single auction a column that no row wants has the lowest. After several it may have
    another, which does no harm where no column stays without a row.
    """
    n, n_cols = near.cosines.shape
    if n < n_cols:
        return _auction(_THOROUGH[-1], _BIDS, near, pairs, held)
    if all(_auction(epsilon, _CROWDED[0], near, pairs, held) for epsilon in _QUICK):
        return True
    return all(_auction(epsilon, _BIDS, near, pairs, held) for epsilon in _THOROUGH)


@compiled
def _auction(epsilon: float, crowded: int, near: _Near, pairs: Pairs, held: _Held) -> bool:
    """Bid until every row has a column within epsilon of its best profit; False if that takes too many bids.

    It does where many rows still wait after `crowded` bids a row.
    """
    n = len(held.column_of)
    waiting, left = _without_column(epsilon, near, pairs, held)
    for bid in range(_BIDS * n):
        if left == 0 or (bid >= crowded * n and left > n // _CROWDED[1]):
            break
        i = waiting[left - 1]
        best, second, k = _best_two(i, np.inf, near, pairs, held)
        c = near.columns[i, k]
        held.prices[c] += (best - second if second > -np.inf else 0.0) + epsilon
        displaced, held.row_of[c] = held.row_of[c], i
        held.column_of[i], held.cosine_of[i] = c, near.values[i, k]
        if displaced == _NONE:
            left -= 1
        else:
            waiting[left - 1], held.column_of[displaced] = displaced, _NONE
    return left == 0


@compiled
def _without_column(epsilon: float, near: _Near, pairs: Pairs, held: _Held) -> tuple[np.ndarray, int]:
    """The rows without a column, and those that could do better by more than epsilon, which leave theirs."""
    waiting, left = np.empty(len(held.column_of), np.int64), 0
    for i in range(len(waiting) - 1, -1, -1):
        c = held.column_of[i]
        if c != _NONE:
            best, others, _ = _best_two(i, 0.0, near, pairs, held)
            if held.cosine_of[i] - held.prices[c] >= max(best, others) - epsilon:
                continue
            held.row_of[c], held.column_of[i] = _NONE, _NONE
        waiting[left] = i
        left += 1
    return waiting, left


@compiled
def _best_two(i: int, reach: float, near: _Near, pairs: Pairs, held: _Held) -> tuple[float, float, int]:
    """The best profit of row i, what those of all other columns do not exceed, and the place of the best on its list.

    The list is made anew where what is outside it exceeds the second best, and is within `reach` of the best.
    """
    anew = True
    while True:
        best, second, at = -np.inf, -np.inf, _NONE
        for k in range(near.count[i]):
            profit = near.values[i, k] - held.prices[near.columns[i, k]]
            if profit > best:
                best, second, at = profit, best, k
            elif profit > second:
                second = profit
        if anew and near.rest[i] > max(second, best - reach):
            anew = False
            _list_best(i, _profits(i, near, held), near)
        elif near.exact[i, at]:
            return best, max(second, near.rest[i]), at
        else:
            near.values[i, at] = pair_cosine(pairs, i, near.columns[i, at])
            near.exact[i, at] = True


@compiled
def _profits(i: int, near: _Near, held: _Held) -> np.ndarray:
    profits, row = np.empty(near.cosines.shape[1], np.float32), near.cosines[i]
    for j in range(len(row)):
        profits[j] = row[j] - held.prices[j]
    return profits


@compiled
def _best_profits(near: _Near, pairs: Pairs, held: _Held) -> np.ndarray:
    """What no profit of each row exceeds at these prices."""
    profits = np.empty(len(near.count))
    for i in range(len(profits)):
        best, others, _ = _best_two(i, 0.0, near, pairs, held)
        profits[i] = max(best, others)
    return profits
