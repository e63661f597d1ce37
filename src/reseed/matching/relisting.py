"""Candidate lists made anew at the present prices, from the cosines that have been computed already.

Prices rise until a list made at price 0 no longer holds a row's best columns, and every bid would search its pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reseed._support.jit import compiled
from reseed.matching.candidates import ABSENT, Candidates, top_of

if TYPE_CHECKING:
    from reseed.matching.auction import State
    from reseed.matching.products import ParallelMap

__all__ = ["relist"]

_ROWS = 1024  # at a time
LATEST = 1  # the reference prices that are replaced; those at 0 are 0 for ever


def relist(candidates: Candidates, state: State, parallel: ParallelMap = map) -> None:
    """List for each row its most profitable columns now, of its list and its pages; bounds hold from these prices on.

    No cosine is computed: absent pages keep their bounds. A row without pages keeps its list, which has been enough
    for it.
    """
    begins = range(0, len(candidates.lists.count), _ROWS)
    list(parallel(lambda begin: _relist_rows(begin, begin + _ROWS, candidates, state), begins))
    state.reference_prices[LATEST] = np.where(np.isfinite(state.prices), state.prices, 0.0)
    state.least_rise[LATEST] = 0.0


@compiled
def _relist_rows(begin: int, end: int, candidates: Candidates, state: State) -> None:
    lists = candidates.lists
    for i in range(begin, min(end, len(lists.count))):
        if candidates.pages.index[i].max() == ABSENT:
            continue
        _clear_list(i, candidates)
        _list_best_computed(i, candidates, state)
        lists.reference[i], lists.largest_bound[i] = LATEST, _largest_bound(i, candidates, state)


@compiled
def _largest_bound(i: int, candidates: Candidates, state: State) -> float:
    """What no column outside the list exceeds in profit from now on: prices only rise."""
    bounds, index, low, largest = candidates.lists.bounds[i], candidates.pages.index[i], state.least_rise[0], -np.inf
    for g in range(len(bounds)):
        largest = max(largest, bounds[g] - low[g] if index[g] == ABSENT else bounds[g])
    return largest


@compiled
def _clear_list(i: int, candidates: Candidates) -> None:
    """Move listed columns back to their pages; those without a page stay on the list."""
    lists, depth, kept = candidates.lists, candidates.pages.values.shape[1], 0
    for k in range(lists.count[i]):
        c = lists.columns[i, k]
        page = candidates.pages.index[i, c // depth]
        if page != ABSENT:
            candidates.pages.values[page, c % depth] = lists.values[i, k]
        else:
            lists.columns[i, kept], lists.values[i, kept] = c, lists.values[i, k]
            kept += 1
    lists.count[i], lists.exact[i] = kept, False


@compiled
def _list_best_computed(i: int, candidates: Candidates, state: State) -> None:
    """Fill half of the list's room with the most profitable columns of the row's pages."""
    lists, pages, prices = candidates.lists, candidates.pages, state.prices
    depth, room = pages.values.shape[1], lists.columns.shape[1] // 2
    least = _least_profit_listed(i, candidates, state, room)
    for g in range(lists.bounds.shape[1]):
        if pages.index[i, g] == ABSENT:
            continue
        page = pages.values[pages.index[i, g]]
        for k in range(depth):
            c = g * depth + k
            if page[k] - prices[c] >= least and lists.count[i] < room:
                lists.columns[i, lists.count[i]], lists.values[i, lists.count[i]] = c, page[k]
                lists.count[i] += 1
                page[k] = -np.inf
        lists.bounds[i, g] = top_of(page, prices[g * depth : (g + 1) * depth])


@compiled
def _least_profit_listed(i: int, candidates: Candidates, state: State, room: int) -> float:
    """The profit from which columns of the row's pages fill the room that its list has."""
    pages, depth, free = candidates.pages, candidates.pages.values.shape[1], room - candidates.lists.count[i]
    profits, count = np.empty(len(state.prices)), 0
    for g in range(candidates.lists.bounds.shape[1]):
        if pages.index[i, g] != ABSENT:
            for k in range(depth):
                profits[count] = pages.values[pages.index[i, g], k] - state.prices[g * depth + k]
                count += 1
    if free < 1:
        return np.inf
    return np.partition(profits[:count], count - free)[count - free] if free < count else -1e300
