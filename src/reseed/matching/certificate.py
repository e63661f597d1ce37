"""The proof: prices, and profits at these prices, bound what any matching can reach (docs/mathematics.md, eq. 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from reseed._support.jit import compiled
from reseed.matching.auction import Market, look
from reseed.matching.exact import Pairs, pair_cosine
from reseed.matching.pages import CLOSED, top_of

if TYPE_CHECKING:
    from reseed.matching.pages import Goods
    from reseed.matching.products import Directions

__all__ = ["bound_profits", "exact_profits", "gap_of"]

_CHUNK = 256


@compiled
def bound_profits(
    goods: Goods, market: Market, pairs: Pairs, margin: float, found: tuple[np.ndarray, np.ndarray]
) -> bool:
    """Find the most that each row could gain at the present prices; False if there was no room for pages.

    Float32 cosines that are less than twice the margin from the row's best are made exact: what is below that cannot
    be the best. A row with more of them than its list has room for is not proven.
    """
    profits, proven = found
    for i in range(len(profits)):
        profits[i], at, proven[i] = _sharpened(i, margin, goods, market, pairs)
        if at < -1:
            return False
    return True


@compiled
def _sharpened(i: int, margin: float, goods: Goods, market: Market, pairs: Pairs) -> tuple[float, int, bool]:
    while True:
        best, _, at, _ = look(i, -2 * margin, goods, market)
        if at < 0:
            return best, at, False
        if not _enlist(i, best - 2 * margin, goods, market):
            return best, at, False
        changed = False
        offers = goods.offers
        for k in range(offers.count[i]):
            c = offers.columns[i, k]
            if not offers.sharp[i, k] and offers.values[i, k] - market.prices[c] >= best - 2 * margin:
                offers.values[i, k] = pair_cosine(pairs, i, c)
                offers.sharp[i, k] = True
                changed = True
            if c == market.held[i]:
                market.worth[i] = offers.values[i, k]
        if not changed:
            return best, at, True


@compiled
def _enlist(i: int, least: float, goods: Goods, market: Market) -> bool:
    """Put the columns of open pages that offer at least this much on the row's list; False if it is full."""
    offers, pages = goods.offers, goods.pages
    if pages.index[i].max() == CLOSED:
        return True
    depth = pages.values.shape[1]
    for g in range(offers.rest.shape[1]):
        if pages.index[i, g] == CLOSED or offers.rest[i, g] - market.low[offers.since[i], g] <= least:
            continue
        page = pages.values[pages.index[i, g]]
        for k in range(depth):
            if page[k] - market.prices[g * depth + k] < least:
                continue
            at = offers.count[i]
            if at == offers.columns.shape[1]:
                return False
            offers.columns[i, at], offers.values[i, at], offers.sharp[i, at] = g * depth + k, page[k], False
            offers.count[i] += 1
            page[k] = -np.inf
        offers.rest[i, g] = top_of(page, market.references[offers.since[i], g * depth : (g + 1) * depth])
    offers.most[i] = offers.rest[i].max()
    return True


def exact_profits(
    rows: Directions, cols: Directions, which: np.ndarray, prices: np.ndarray, *, absolute: bool
) -> np.ndarray:
    """The same for some rows, from float64 products with all columns; `prices` are those of the atoms of `cols`."""
    profits = np.empty(len(which))
    for begin in range(0, len(which), _CHUNK):
        part = torch.from_numpy(which[begin : begin + _CHUNK])
        best = np.full(len(part), -np.inf)
        x = rows.atoms[part] * rows.scale[part, None]
        for first in range(0, len(cols), 16 * _CHUNK):
            some = slice(first, first + 16 * _CHUNK)
            cosines = (x @ (cols.atoms[some] * cols.scale[some, None]).T).numpy()
            offered = (np.abs(cosines) if absolute else cosines) - prices[some]
            best = np.maximum(best, offered.max(axis=1))
        profits[begin : begin + _CHUNK] = best
    return profits


def gap_of(profits: np.ndarray, prices: np.ndarray, cosines: np.ndarray) -> float:
    """How far the mean cosine of a matching can be below the best one: a bound at any prices, 0 at the right ones.

    In any matching a row gets its profit and its column's price at most; the columns that remain without a row have
    the lowest price at least.
    """
    lowest = prices.min()
    bound = (profits + lowest).sum() + (prices - lowest).sum()
    return max(0.0, float(bound - cosines.sum()) / len(cosines))
