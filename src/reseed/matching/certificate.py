"""The dual certificate: prices and best profits bound what any matching reaches (docs/mathematics.md, eq. 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from reseed._support.jit import compiled
from reseed.matching.auction import State, best_two
from reseed.matching.candidates import ABSENT, top_of
from reseed.matching.exact import Pairs, pair_cosine

if TYPE_CHECKING:
    from reseed.matching.candidates import Candidates
    from reseed.matching.products import Directions

__all__ = ["bound_profits", "exact_profits", "gap_of"]

_CHUNK = 256


@compiled
def bound_profits(
    candidates: Candidates, state: State, pairs: Pairs, margin: float, found: tuple[np.ndarray, np.ndarray]
) -> bool:
    """Find the best profit of each kind of rows at the present prices; False if there was no room for pages.

    Float32 cosines that are less than twice the margin from the row's best are computed again in float64: one below
    that cannot be the best. A row with more of them than its list has room for is not proven.
    """
    profits, proven = found
    for i in range(len(profits)):
        profits[i], at, proven[i] = _exact_best(i, margin, candidates, state, pairs)
        if at < -1:
            return False
    _look_up_cosines(candidates, state)
    return True


@compiled
def _look_up_cosines(candidates: Candidates, state: State) -> None:
    """What rows are worth to their columns may have been computed again."""
    lists = candidates.lists
    for row in range(len(state.column_of)):
        i = state.kind_of[row]
        for k in range(lists.count[i]):
            if lists.columns[i, k] == state.column_of[row]:
                state.cosine_of[row] = lists.values[i, k]
                break


@compiled
def _exact_best(i: int, margin: float, candidates: Candidates, state: State, pairs: Pairs) -> tuple[float, int, bool]:
    while True:
        best, _, at, _ = best_two(i, -2 * margin, candidates, state)
        if at < 0:
            return best, at, False
        if not _list_contenders(i, best - 2 * margin, candidates, state):
            return best, at, False
        changed = False
        lists = candidates.lists
        for k in range(lists.count[i]):
            c = lists.columns[i, k]
            if not lists.exact[i, k] and lists.values[i, k] - state.prices[c] >= best - 2 * margin:
                lists.values[i, k] = pair_cosine(pairs, i, c)
                lists.exact[i, k] = True
                changed = True
        if not changed:
            return best, at, True


@compiled
def _list_contenders(i: int, least: float, candidates: Candidates, state: State) -> bool:
    """List the columns of the row's pages whose profit is at least this; False if the list is full."""
    lists, pages = candidates.lists, candidates.pages
    if pages.index[i].max() == ABSENT:
        return True
    depth = pages.values.shape[1]
    for g in range(lists.bounds.shape[1]):
        if pages.index[i, g] == ABSENT or lists.bounds[i, g] - state.least_rise[lists.reference[i], g] <= least:
            continue
        page = pages.values[pages.index[i, g]]
        for k in range(depth):
            if page[k] - state.prices[g * depth + k] < least:
                continue
            at = lists.count[i]
            if at == lists.columns.shape[1]:
                return False
            lists.columns[i, at], lists.values[i, at], lists.exact[i, at] = g * depth + k, page[k], False
            lists.count[i] += 1
            page[k] = -np.inf
        lists.bounds[i, g] = top_of(page, state.reference_prices[lists.reference[i], g * depth : (g + 1) * depth])
    if lists.reference[i] == 0:
        lists.largest_bound[i] = lists.bounds[i].max()
    return True


def exact_profits(
    rows: Directions, cols: Directions, which: np.ndarray, prices: np.ndarray, *, absolute: bool
) -> np.ndarray:
    """The same for some rows, from float64 products with all columns; `prices` are those of the atoms of `cols`."""
    device = cols.unit.device if cols.unit.is_cuda else "cpu"
    height = 16 * _CHUNK if cols.unit.is_cuda else _CHUNK
    profits = np.empty(len(which))
    for begin in range(0, len(which), height):
        part = torch.from_numpy(which[begin : begin + height])
        best = torch.full((len(part),), -torch.inf, dtype=torch.float64, device=device)
        x = (rows.atoms[part] * rows.scale[part, None]).to(device)
        for first in range(0, len(cols), 16 * _CHUNK):
            some = slice(first, first + 16 * _CHUNK)
            y = cols.atoms[some].to(device) * cols.scale[some, None].to(device)
            cosines = x @ y.T
            gains = (cosines.abs() if absolute else cosines) - torch.from_numpy(prices[some]).to(device)
            best = best.maximum(gains.amax(1))
        profits[begin : begin + height] = best.cpu().numpy()
    return profits


def gap_of(profits: np.ndarray, prices: np.ndarray, cosines: np.ndarray) -> float:
    """The duality gap: how far the mean cosine of a matching can be below the best one, at most; 0 at optimal prices.

    In any matching the cosine of a row is at most its best profit plus its column's price; columns that remain without
    a row have the lowest price at least.
    """
    lowest = prices.min()
    bound = (profits + lowest).sum() + (prices - lowest).sum()
    return max(0.0, float(bound - cosines.sum()) / len(cosines))
