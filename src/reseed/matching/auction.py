"""The auction: rows without a column bid for one until nobody is more than epsilon from what he would like best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed.jit import compiled
from reseed.matching.tiles import Goods, open_tile

__all__ = ["Market", "auction", "look"]

NOTHING = -1
NO_ROOM = -2


class Market(NamedTuple):
    """Who holds what at which price. Prices only rise."""

    prices: np.ndarray
    """(groups * depth,) float64; inf at an empty place."""
    low: np.ndarray
    """(groups,): the lowest price of each group."""
    owner: np.ndarray
    """The row that holds a column; -1 without, the number of rows for an idle bidder."""
    held: np.ndarray
    """The column of a row; -1 without."""
    worth: np.ndarray
    """The cosine of a row with its column."""


@compiled
def look(i: int, enough: float, goods: Goods, market: Market) -> tuple[float, float, int, float]:
    """What row i likes best: the profit, the next best profit or a bound for it, the column and its cosine.

    Tiles are opened while what they hide may be above the best profit by more than `enough`. The column is NO_ROOM
    where there is no room for one more tile.
    """
    best, second, at, worth = _look_at_list(i, goods, market)
    lowest = market.low[market.low.argmin()]
    if goods.offers.most[i] - lowest <= min(second, best + enough):
        return best, second, at, worth
    best, second, at, worth, hidden, g = _look_at_tiles(i, enough, goods, market, (best, second, at, worth))
    while hidden > best + enough:
        if not open_tile(i, g, goods):
            return best, second, NO_ROOM, worth
        best, second, at, worth, hidden, g = _look_at_tiles(i, enough, goods, market, _look_at_list(i, goods, market))
    return best, max(second, hidden), at, worth


@compiled
def _look_at_list(i: int, goods: Goods, market: Market) -> tuple[float, float, int, float]:
    best, second, at, worth = -np.inf, -np.inf, NOTHING, 0.0
    columns, values, prices = goods.offers.columns[i], goods.offers.values[i], market.prices
    for k in range(goods.offers.count[i]):
        profit = values[k] - prices[columns[k]]
        if profit > best:
            best, second, at, worth = profit, best, columns[k], values[k]
        elif profit > second:
            second = profit
    return best, second, at, worth


@compiled
def _look_at_tiles(
    i: int, enough: float, goods: Goods, market: Market, seen: tuple[float, float, int, float]
) -> tuple[float, float, int, float, float, int]:
    """The same with all tiles that are open, and the most that a closed one may hide, and which."""
    best, second, at, worth = seen
    hidden, closed = -np.inf, NOTHING
    rest, low, prices, depth = goods.offers.rest[i], market.low, market.prices, goods.tiles.values.shape[2]
    index = goods.tiles.index[i // goods.tiles.values.shape[1]]
    row = i % goods.tiles.values.shape[1]
    for g in range(len(rest)):
        most = rest[g] - low[g]
        if most <= min(second, best + enough):
            continue
        if index[g] == NOTHING:
            if most > hidden:
                hidden, closed = most, g
            continue
        for k in range(depth):
            value = np.float64(goods.tiles.values[index[g], row, k])
            profit = value - prices[g * depth + k]
            if profit > best:
                best, second, at, worth = profit, best, g * depth + k, value
            elif profit > second:
                second = profit
    return best, second, at, worth, hidden, closed


@compiled
def auction(epsilon: float, n_idle: int, goods: Goods, market: Market) -> bool:
    """Bid until every row has a column that it likes within epsilon of its best; False if there was no room for tiles.

    Idle bidders stand for the rows that are missing where there are more columns than rows: to them all columns are
    alike and they take the cheapest, so that what no row wants has the lowest price.
    """
    n = len(market.held)
    queue = np.empty(n, np.int64)
    waiting, head = _release(epsilon, goods, market, queue), 0
    idlers = n_idle - _release_idle(epsilon, market)
    while waiting + idlers > 0:
        if waiting > 0:
            i = queue[head]
            best, second, c, worth = look(i, 0.0, goods, market)
            if c == NO_ROOM:
                return False
            head = (head + 1) % n
            waiting -= 1
            market.held[i], market.worth[i] = c, worth
            before = _take(c, i, (best - second if second > -np.inf else 0.0) + epsilon, market)
        else:
            c = _cheapest(market)
            before = _take(c, n, epsilon, market)
            idlers -= 1
        if before == n:
            idlers += 1
        elif before != NOTHING:
            market.held[before] = NOTHING
            queue[(head + waiting) % n] = before
            waiting += 1
    return True


@compiled
def _release(epsilon: float, goods: Goods, market: Market, queue: np.ndarray) -> int:
    """Part rows from columns that they like less than their best by more than epsilon; all rows without one queue."""
    waiting = 0
    for i in range(len(market.held)):
        c = market.held[i]
        if c != NOTHING:
            best, second, _, _ = look(i, np.inf, goods, market)
            if market.worth[i] - market.prices[c] >= max(best, second) - epsilon:
                continue
            market.owner[c] = market.held[i] = NOTHING
        queue[waiting] = i
        waiting += 1
    return waiting


@compiled
def _release_idle(epsilon: float, market: Market) -> int:
    """Part idle bidders from columns that are not the cheapest within epsilon; how many still hold one."""
    ceiling, idle, holding = market.low.min() + epsilon, len(market.held), 0
    for c in range(len(market.owner)):
        if market.owner[c] == idle:
            if market.prices[c] > ceiling:
                market.owner[c] = NOTHING
            else:
                holding += 1
    return holding


@compiled
def _cheapest(market: Market) -> int:
    g = market.low.argmin()
    depth = len(market.prices) // len(market.low)
    return int(g * depth + market.prices[g * depth : (g + 1) * depth].argmin())


@compiled
def _take(c: int, taker: int, rise: float, market: Market) -> int:
    """Give the column to another at a higher price; returns the owner before."""
    before, market.owner[c] = market.owner[c], taker
    depth = len(market.prices) // len(market.low)
    g = c // depth
    lowest = market.prices[c] <= market.low[g]
    market.prices[c] += rise
    if lowest:
        market.low[g] = market.prices[g * depth : (g + 1) * depth].min()
    return before
