"""The auction: unassigned rows bid for columns until every row is within epsilon of the best profit it could have.

The profit of row i at column c is cosine(i, c) - price(c). That no row is further than epsilon from its best profit is
epsilon-complementary slackness, which the auction keeps at every step (@bertsekas1988auction; docs/mathematics.md, eq.
12). Here are the bids of one auction; the scaling of epsilon is in `assignment`.

A column is a kind of atoms: there may be several of it. Each has a price of its own, and the kind's price is the lowest
of them (@bertsekas1989auction), so that equal atoms do not outbid each other by epsilon at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed._support.jit import compiled
from reseed.matching.candidates import ABSENT, Candidates, compute_page

__all__ = ["State", "auction", "best_two"]

NONE = -1
NO_PAGES_LEFT = -2


class State(NamedTuple):
    """Prices, and who is assigned to whom. Prices of columns only rise."""

    prices: np.ndarray
    """(groups * depth,) float64; inf at an empty place."""
    reference_prices: np.ndarray
    """(times, groups * depth): earlier prices, at which rows made their candidate lists; the first are 0."""
    least_rise: np.ndarray
    """(times, groups): how far all prices of a group have risen since, at least."""
    price_floor: np.ndarray
    """(1,): no price is below this."""
    first_unit: np.ndarray
    """(groups * depth + 1,): where the units of a column begin, which are what is assigned."""
    unit_prices: np.ndarray
    """(units,): never below the price of their column, which one of them has."""
    last_unit: np.ndarray
    """(groups * depth,): the unit of a column that was bid for last."""
    row_of: np.ndarray
    """(units,): the row assigned to a unit; -1 without, the number of rows for a dummy row."""
    kind_of: np.ndarray
    """(rows,): which candidate list a row has; equal rows share one."""
    column_of: np.ndarray
    """(rows,): the column assigned to a row; -1 without."""
    unit_of: np.ndarray
    """(rows,): the unit of it."""
    cosine_of: np.ndarray
    """(rows,): the cosine of a row with its column."""


@compiled
def auction(epsilon: float, n_dummies: int, candidates: Candidates, state: State) -> bool:
    """Bid until every row has a column within epsilon of its best profit; False if there was no room for pages.

    Dummy rows stand for those that are missing where there are more columns than rows: to them all columns are alike
    and they take the cheapest, so that a column that no row wants has the lowest price.
    """
    n = len(state.column_of)
    queue = np.empty(n, np.int64)
    waiting, head = _unassign(epsilon, candidates, state, queue), 0
    dummies = n_dummies - _unassign_dummies(epsilon, state)
    while waiting + dummies > 0:
        if waiting > 0:
            i = queue[head]
            best, second, c, cosine = best_two(state.kind_of[i], 0.0, candidates, state)
            if c == NO_PAGES_LEFT:
                return False
            head = (head + 1) % n
            waiting -= 1
            state.column_of[i], state.cosine_of[i] = c, cosine
            # the highest bid that keeps epsilon-complementary slackness: a profit of the second best, less epsilon
            displaced = _bid(c, i, (best - second if second > -np.inf else 0.0) + epsilon, state)
        else:
            c = _cheapest_column(state)
            displaced = _bid(c, n, epsilon, state)
            dummies -= 1
        if displaced == n:
            dummies += 1
        elif displaced != NONE:
            state.column_of[displaced] = NONE
            queue[(head + waiting) % n] = displaced
            waiting += 1
    return True


@compiled
def best_two(i: int, enough: float, candidates: Candidates, state: State) -> tuple[float, float, int, float]:
    """The best profit of the rows of kind i, the second best or a bound of it, the column of the best and its cosine.

    Pages are computed while the bound of what they hold exceeds the best profit by more than `enough`. The column is
    NO_PAGES_LEFT where there is no room for one more page.
    """
    lists = candidates.lists
    best, second, at, cosine = _best_two_listed(i, candidates, state)
    low = state.least_rise[0]
    # for most rows the list is enough: no column outside it can beat the second best
    risen = state.price_floor[0] if lists.reference[i] == 0 else 0.0
    if lists.largest_bound[i] - risen <= min(second, best + enough):
        return best, second, at, cosine
    absent = np.empty(len(low), np.int64)
    best, second, at, cosine, n_absent = _best_two_computed(i, enough, candidates, state, absent)
    bounds, before = lists.bounds[i], n_absent
    while True:
        bound, which = -np.inf, NONE
        for k in range(n_absent):
            most = bounds[absent[k]] - low[absent[k]]
            if most > bound:
                bound, which = most, k
        if not bound > best + enough:
            if n_absent < before and lists.reference[i] == 0:
                lists.largest_bound[i] = bounds.max()
            return best, max(second, bound), at, cosine
        g = absent[which]
        if not compute_page(i, g, candidates, state.reference_prices):
            return best, second, NO_PAGES_LEFT, cosine
        absent[which] = absent[n_absent - 1]
        n_absent -= 1
        best, second, at, cosine = _best_two_on_page(i, g, candidates, state, (best, second, at, cosine))


@compiled
def _best_two_listed(i: int, candidates: Candidates, state: State) -> tuple[float, float, int, float]:
    best, second, at, cosine = -np.inf, -np.inf, NONE, 0.0
    columns, values, prices = candidates.lists.columns[i], candidates.lists.values[i], state.prices
    for k in range(candidates.lists.count[i]):
        profit = values[k] - prices[columns[k]]
        if profit > best:
            best, second, at, cosine = profit, best, columns[k], values[k]
        elif profit > second:
            second = profit
    return best, second, at, cosine


@compiled
def _best_two_computed(
    i: int, enough: float, candidates: Candidates, state: State, absent: np.ndarray
) -> tuple[float, float, int, float, int]:
    """The same with all pages that are there and may matter; absent ones that may are written down and counted."""
    lists, index = candidates.lists, candidates.pages.index[i]
    best, second, at, cosine = _best_two_listed(i, candidates, state)
    # a page that is absent has its bound from the first lists, at price 0; one that is there from the row's last list
    bounds, low, low_computed, n_absent = lists.bounds[i], state.least_rise[0], state.least_rise[lists.reference[i]], 0
    for g in range(len(bounds)):
        if index[g] == ABSENT:
            if bounds[g] - low[g] > min(second, best + enough):
                absent[n_absent] = g
                n_absent += 1
        elif bounds[g] - low_computed[g] > min(second, best + enough):
            best, second, at, cosine = _best_two_on_page(i, g, candidates, state, (best, second, at, cosine))
    return best, second, at, cosine, n_absent


@compiled
def _best_two_on_page(
    i: int, g: int, candidates: Candidates, state: State, found: tuple[float, float, int, float]
) -> tuple[float, float, int, float]:
    best, second, at, cosine = found
    page, prices = candidates.pages.values[candidates.pages.index[i, g]], state.prices
    depth = len(page)
    for k in range(depth):
        value = np.float64(page[k])
        profit = value - prices[g * depth + k]
        if profit > best:
            best, second, at, cosine = profit, best, g * depth + k, value
        elif profit > second:
            second = profit
    return best, second, at, cosine


@compiled
def _unassign(epsilon: float, candidates: Candidates, state: State, queue: np.ndarray) -> int:
    """Unassign rows that violate epsilon-complementary slackness; all rows without a column queue, and are counted."""
    waiting = 0
    state.price_floor[0] = state.least_rise[0].min()
    for i in range(len(state.column_of)):
        c = state.column_of[i]
        if c != NONE:
            best, second, _, _ = best_two(state.kind_of[i], np.inf, candidates, state)
            if state.cosine_of[i] - state.prices[c] >= max(best, second) - epsilon:
                continue
            _leave(c, state.unit_of[i], state)
            state.column_of[i] = NONE
        queue[waiting] = i
        waiting += 1
    return waiting


@compiled
def _unassign_dummies(epsilon: float, state: State) -> int:
    """Unassign dummy rows whose column is not the cheapest within epsilon; how many are still assigned."""
    ceiling, dummy, assigned = state.price_floor[0] + epsilon, len(state.column_of), 0
    for c in range(len(state.prices)):
        for unit in range(state.first_unit[c], state.first_unit[c + 1]):
            if state.row_of[unit] == dummy:
                if state.prices[c] > ceiling:
                    _leave(c, unit, state)
                else:
                    assigned += 1
    return assigned


@compiled
def _leave(c: int, unit: int, state: State) -> None:
    """Leave a unit without a row: it is to be had at the price of its column."""
    state.row_of[unit], state.unit_prices[unit] = NONE, state.prices[c]


@compiled
def _cheapest_column(state: State) -> int:
    depth = len(state.prices) // state.least_rise.shape[1]
    g = state.least_rise[0].argmin()
    return int(g * depth + state.prices[g * depth : (g + 1) * depth].argmin())


@compiled
def _bid(c: int, bidder: int, increment: float, state: State) -> int:
    """Raise the price of a column's cheapest unit and assign it to the bidder; returns the row that it displaces."""
    depth = len(state.prices) // state.least_rise.shape[1]
    g, before = c // depth, state.prices[c]
    unit = _raise_cheapest(c, increment, state)
    displaced, state.row_of[unit] = state.row_of[unit], bidder
    if bidder < len(state.unit_of):
        state.unit_of[bidder] = unit
    if state.prices[c] > before:
        for time in range(len(state.least_rise)):
            reference = state.reference_prices[time]
            if before - reference[c] <= state.least_rise[time, g]:  # only the least risen price of a group moves it
                state.least_rise[time, g] = _least_rise(g * depth, (g + 1) * depth, state.prices, reference)
    return displaced


@compiled
def _raise_cheapest(c: int, increment: float, state: State) -> int:
    """Raise the price of the cheapest unit of a column, and find the column's new price; returns the unit."""
    begin, end, unit, others = state.first_unit[c], state.first_unit[c + 1], state.last_unit[c], np.inf
    found, prices = NONE, state.unit_prices
    for _ in range(end - begin):
        unit = unit + 1 if unit + 1 < end else begin
        if found == NONE and prices[unit] == state.prices[c]:
            found = unit
        else:
            others = min(others, prices[unit])
        if found != NONE and others == state.prices[c]:
            break
    prices[found] += increment
    state.prices[c], state.last_unit[c] = min(others, prices[found]), found
    return found


@compiled
def _least_rise(begin: int, end: int, prices: np.ndarray, reference: np.ndarray) -> float:
    """How far all of some prices are above the reference, at least; empty places do not count."""
    rise = np.inf
    for c in range(begin, end):
        rise = min(rise, prices[c] - reference[c])
    return rise
