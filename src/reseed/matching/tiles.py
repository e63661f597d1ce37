"""What the columns have to offer to each row, seen only as far as somebody asks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed.jit import compiled

__all__ = ["Goods", "Offers", "Sides", "Tiles", "open_tile", "with_more_room"]


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
    rest: np.ndarray
    """(rows, groups) float32: the largest cosine of a column that is not listed; -inf without."""
    most: np.ndarray
    """(rows,): the largest of `rest`."""


class Tiles(NamedTuple):
    """The cosines of a group of rows with a group of columns: computed when the first of the rows asks for them."""

    index: np.ndarray
    """(row groups, groups): the tile, -1 while it is closed."""
    used: np.ndarray
    """(1,): how many tiles are open."""
    values: np.ndarray
    """(tiles, height, depth) float32; -inf for a column that the row has on its list, and at an empty place."""


class Sides(NamedTuple):
    """The unit atoms of both sides, rows and columns in the order of their groups."""

    rows: np.ndarray
    cols: np.ndarray
    absolute: bool


class Goods(NamedTuple):
    """All that a row can look at."""

    offers: Offers
    tiles: Tiles
    sides: Sides


@compiled
def open_tile(i: int, g: int, goods: Goods) -> bool:
    """Compute the tile of row i's group and column group g; False where there is no room for it."""
    tiles, offers = goods.tiles, goods.offers
    t, height = tiles.used[0], tiles.values.shape[1]
    if t == len(tiles.values):
        return False
    tiles.used[0] += 1
    first = i // height * height
    tiles.index[first // height, g] = t
    for row in range(first, min(first + height, len(offers.count))):
        _fill(tiles.values[t, row - first], row, g, goods)
    return True


@compiled
def _fill(tile: np.ndarray, i: int, g: int, goods: Goods) -> None:
    depth, offers, x, cols = len(tile), goods.offers, goods.sides.rows[i], goods.sides.cols
    n_groups = offers.rest.shape[1]
    tile[:] = -np.inf
    for k in range((len(cols) - g + n_groups - 1) // n_groups):
        y, total = cols[k * n_groups + g], np.float32(0)
        for m in range(len(x)):
            total += x[m] * y[m]
        tile[k] = abs(total) if goods.sides.absolute else total
    for k in range(offers.count[i]):
        if offers.columns[i, k] // depth == g:
            tile[offers.columns[i, k] % depth] = -np.inf
    offers.rest[i, g] = tile.max()
    offers.most[i] = offers.rest[i].max()


def with_more_room(goods: Goods) -> Goods:
    """The same goods, with room for twice as many tiles."""
    values = goods.tiles.values
    more = np.empty_like(values)
    return goods._replace(tiles=goods.tiles._replace(values=np.concatenate((values, more))))
