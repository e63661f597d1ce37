"""The auction: rows without a column bid for one until nobody is more than epsilon from their best.

@bertsekas1988auction, with epsilon scaling: docs/mathematics.md, eq. 12.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed._support.jit import compiled
from reseed.matching.pages import CLOSED, Goods, open_page

__all__ = ["Market", "auction", "look"]

NOTHING = -1
NO_ROOM = -2


class Market(NamedTuple):
    """Who holds what at which price. Prices only rise."""

    prices: np.ndarray
    """(groups * depth,) float64; inf at an empty place."""
    references: np.ndarray
    """(times, groups * depth): earlier prices, at which rows made their lists; the first are 0."""
    low: np.ndarray
    """(times, groups): how far all prices of a group have risen since, at least."""
    lowest: np.ndarray
    """(1,): no price is below this."""
    owner: np.ndarray
    """The row that holds a column; -1 without, the number of rows for an idle bidder."""
    held: np.ndarray
    """The column of a row; -1 without."""
    worth: np.ndarray
    """The cosine of a row with its column."""


@compiled
def look(i: int, enough: float, goods: Goods, market: Market) -> tuple[float, float, int, float]:
    """What row i likes best: the profit, the next best profit or a bound for it, the column and its cosine.

    Pages are opened while what they hide may be above the best profit by more than `enough`. The column is NO_ROOM
    where there is no room for one more page.
    """
    best, second, at, worth = _look_at_list(i, goods, market)
    low = market.low[0]
    if goods.offers.since[i] == 0 and goods.offers.most[i] - market.lowest[0] <= min(second, best + enough):
        return best, second, at, worth
    closed = np.empty(len(low), np.int64)
    best, second, at, worth, n_closed = _look_at_open(i, enough, goods, market, closed)
    rest = goods.offers.rest[i]
    while True:
        hidden, which = -np.inf, NOTHING
        for k in range(n_closed):
            most = rest[closed[k]] - low[closed[k]]
            if most > hidden:
                hidden, which = most, k
        if not hidden > best + enough:
            return best, max(second, hidden), at, worth
        g = closed[which]
        if not open_page(i, g, goods, market.references):
            return best, second, NO_ROOM, worth
        closed[which] = closed[n_closed - 1]
        n_closed -= 1
        best, second, at, worth = _look_at_page(i, g, goods, market, (best, second, at, worth))


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
def _look_at_open(
    i: int, enough: float, goods: Goods, market: Market, closed: np.ndarray
) -> tuple[float, float, int, float, int]:
    """The same with all open pages that may matter; the closed ones that may are written down and counted."""
    best, second, at, worth = _look_at_list(i, goods, market)
    rest, low, low_open, n_closed = goods.offers.rest[i], market.low[0], market.low[goods.offers.since[i]], 0
    index = goods.pages.index[i]
    for g in range(len(rest)):
        if index[g] == CLOSED:
            if rest[g] - low[g] > min(second, best + enough):
                closed[n_closed] = g
                n_closed += 1
        elif rest[g] - low_open[g] > min(second, best + enough):
            best, second, at, worth = _look_at_page(i, g, goods, market, (best, second, at, worth))
    return best, second, at, worth, n_closed


@compiled
def _look_at_page(
    i: int, g: int, goods: Goods, market: Market, seen: tuple[float, float, int, float]
) -> tuple[float, float, int, float]:
    best, second, at, worth = seen
    page, prices = goods.pages.values[goods.pages.index[i, g]], market.prices
    depth = len(page)
    for k in range(depth):
        value = np.float64(page[k])
        profit = value - prices[g * depth + k]
        if profit > best:
            best, second, at, worth = profit, best, g * depth + k, value
        elif profit > second:
            second = profit
    return best, second, at, worth


@compiled
def auction(epsilon: float, n_idle: int, goods: Goods, market: Market) -> bool:
    """Bid until every row has a column that it likes within epsilon of its best; False if there was no room for pages.

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
    market.lowest[0] = market.low[0].min()
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
    ceiling, idle, holding = market.lowest[0] + epsilon, len(market.held), 0
    for c in range(len(market.owner)):
        if market.owner[c] == idle:
            if market.prices[c] > ceiling:
                market.owner[c] = NOTHING
            else:
                holding += 1
    return holding


@compiled
def _cheapest(market: Market) -> int:
    depth = len(market.prices) // market.low.shape[1]
    g = market.low[0].argmin()
    return int(g * depth + market.prices[g * depth : (g + 1) * depth].argmin())


@compiled
def _take(c: int, taker: int, rise: float, market: Market) -> int:
    """Give the column to another at a higher price; returns the owner before."""
    before, market.owner[c] = market.owner[c], taker
    depth = len(market.prices) // market.low.shape[1]
    g = c // depth
    paid = market.prices[c]
    market.prices[c] += rise
    for time in range(len(market.low)):
        if paid - market.references[time, c] <= market.low[time, g]:
            market.low[time, g] = lowest_rise(g * depth, (g + 1) * depth, market.prices, market.references[time])
    return before


@compiled
def lowest_rise(begin: int, end: int, prices: np.ndarray, reference: np.ndarray) -> float:
    """How far all of some prices are above the reference, at least; empty places do not count."""
    rise = np.inf
    for c in range(begin, end):
        rise = min(rise, prices[c] - reference[c])
    return rise
