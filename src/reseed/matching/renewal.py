"""Lists made anew at the prices of the day, from what a row has seen already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reseed._support.jit import compiled
from reseed.matching.pages import CLOSED, Goods, top_of

if TYPE_CHECKING:
    from reseed.matching.auction import Market

__all__ = ["renew"]

NOW = 1  # the reference prices that are set anew


@compiled
def renew(goods: Goods, market: Market) -> None:
    """Put on each row's list what it likes best now, of its list and its open pages; bounds hold from now on.

    Nothing is computed that has not been seen: closed pages keep their bounds. Rows that never opened a page keep their
    list, which has been enough for them.
    """
    offers, prices = goods.offers, market.prices
    for i in range(len(offers.count)):
        if goods.pages.index[i].max() == CLOSED:
            continue
        _clear_list(i, goods)
        _list_best_seen(i, goods, market)
        offers.since[i], offers.most[i] = NOW, offers.rest[i].max()
    for c in range(len(prices)):
        market.references[NOW, c] = prices[c] if np.isfinite(prices[c]) else 0.0
    market.low[NOW] = 0.0


@compiled
def _clear_list(i: int, goods: Goods) -> None:
    """Put what is listed back on its page; what has no page stays on the list."""
    offers, depth, kept = goods.offers, goods.pages.values.shape[1], 0
    for k in range(offers.count[i]):
        c = offers.columns[i, k]
        page = goods.pages.index[i, c // depth]
        if page != CLOSED:
            goods.pages.values[page, c % depth] = offers.values[i, k]
        else:
            offers.columns[i, kept], offers.values[i, kept] = c, offers.values[i, k]
            kept += 1
    offers.count[i], offers.sharp[i] = kept, False


@compiled
def _list_best_seen(i: int, goods: Goods, market: Market) -> None:
    """Fill the list up to half its room with the best of the open pages."""
    offers, pages, prices = goods.offers, goods.pages, market.prices
    depth, room = pages.values.shape[1], offers.columns.shape[1] // 2
    least = _cut(i, goods, market, room)
    for g in range(offers.rest.shape[1]):
        if pages.index[i, g] == CLOSED:
            continue
        page = pages.values[pages.index[i, g]]
        for k in range(depth):
            c = g * depth + k
            if page[k] - prices[c] >= least and offers.count[i] < room:
                offers.columns[i, offers.count[i]], offers.values[i, offers.count[i]] = c, page[k]
                offers.count[i] += 1
                page[k] = -np.inf
        offers.rest[i, g] = top_of(page, prices[g * depth : (g + 1) * depth])


@compiled
def _cut(i: int, goods: Goods, market: Market, room: int) -> float:
    """The profit that the best columns on pages reach which fill the list."""
    pages, depth, free = goods.pages, goods.pages.values.shape[1], room - goods.offers.count[i]
    profits, count = np.empty(len(market.prices)), 0
    for g in range(goods.offers.rest.shape[1]):
        if pages.index[i, g] != CLOSED:
            for k in range(depth):
                profits[count] = pages.values[pages.index[i, g], k] - market.prices[g * depth + k]
                count += 1
    if free < 1:
        return np.inf
    return np.partition(profits[:count], count - free)[count - free] if free < count else -1e300
