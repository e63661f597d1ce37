"""What the columns have to offer to each row, seen only as far as somebody asks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed._support.jit import compiled

__all__ = ["CLOSED", "Goods", "Offers", "Pages", "Sides", "open_page", "rounded_up", "top_of", "with_more_room"]


CLOSED = -1


class Offers(NamedTuple):
    """Each row's best columns by name, and for the rest a bound per group of columns.

    Columns count group by group: column c is the (c % depth)-th of group c // depth.
    """

    columns: np.ndarray
    """(rows, room): the columns listed."""
    values: np.ndarray
    """(rows, room) float64: their cosines, as float32 products made them."""
    sharp: np.ndarray
    """(rows, room): which of these cosines have been made exact since."""
    count: np.ndarray
    """(rows,): how many columns are listed."""
    since: np.ndarray
    """(rows,): at which of the reference prices they were the best."""
    rest: np.ndarray
    """(rows, groups) float32: the largest profit that a column which is not listed had then; -inf without."""
    most: np.ndarray
    """(rows,): the largest of `rest`."""


class Pages(NamedTuple):
    """The cosines of a row with a whole group of columns: computed when the row asks for them."""

    index: np.ndarray
    """(rows, groups) int32: the page, -1 while it is closed."""
    used: np.ndarray
    """(1,): how many pages are open."""
    values: np.ndarray
    """(pages, depth) float32; -inf for a column that is on the row's list, and at an empty place."""


class Sides(NamedTuple):
    """The unit atoms of both sides, rows and columns in the order of their groups."""

    rows: np.ndarray
    cols: np.ndarray
    absolute: bool


class Goods(NamedTuple):
    """All that a row can look at."""

    offers: Offers
    pages: Pages
    sides: Sides


@compiled
def open_page(i: int, g: int, goods: Goods, references: np.ndarray) -> bool:
    """Compute the cosines of row i with all columns of group g; False where there is no room for them."""
    pages, offers = goods.pages, goods.offers
    at = pages.used[0]
    if at == len(pages.values):
        return False
    pages.used[0] += 1
    pages.index[i, g] = at
    page = pages.values[at]
    depth = len(page)
    _fill(page, i, g, goods.sides, offers.rest.shape[1])
    for k in range(offers.count[i]):
        if offers.columns[i, k] // depth == g:
            page[offers.columns[i, k] % depth] = -np.inf
    offers.rest[i, g] = top_of(page, references[offers.since[i], g * depth : (g + 1) * depth])
    offers.most[i] = offers.rest[i].max()
    return True


@compiled
def _fill(page: np.ndarray, i: int, g: int, sides: Sides, n_groups: int) -> None:
    x, cols = sides.rows[i], sides.cols
    page[:] = -np.inf
    for k in range((len(cols) - g + n_groups - 1) // n_groups):
        y, total = cols[k * n_groups + g], np.float32(0)
        for m in range(len(x)):
            total += x[m] * y[m]
        page[k] = abs(total) if sides.absolute else total


@compiled
def top_of(page: np.ndarray, prices: np.ndarray) -> float:
    """A bound, in float32, of the profits on a page."""
    top = -np.inf
    for k in range(len(page)):
        top = max(top, page[k] - prices[k])
    return rounded_up(top)


@compiled
def rounded_up(x: float) -> float:
    """The same or a little more, so that rounding to float32 does not make a bound too small."""
    return x + abs(x) * 2.0**-23 if np.isfinite(x) else x


def with_more_room(goods: Goods) -> Goods:
    """The same goods, with room for twice as many pages."""
    values = goods.pages.values
    more = np.empty_like(values)
    return goods._replace(pages=goods.pages._replace(values=np.concatenate((values, more))))
