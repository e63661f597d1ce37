"""The columns that each row may bid for: a short list, and pages of cosines that are computed on demand.

A row's list holds its best columns. For the columns that are not on it there is one bound of their profit per group;
where a bound might beat the list, the cosines with that group become a page. So a row pays for what it asks, and memory
grows with the number of atoms and not with its square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reseed._support.jit import compiled

__all__ = [
    "ABSENT",
    "Candidates",
    "Lists",
    "Pages",
    "Sides",
    "compute_page",
    "cosine",
    "rounded_up",
    "top_of",
    "with_more_pages",
]


ABSENT = -1


class Lists(NamedTuple):
    """Each row's candidate list, and for the columns that are not on it a bound per group.

    Columns count group by group: column c is the (c % depth)-th of group c // depth.
    """

    columns: np.ndarray
    """(rows, room): the columns listed."""
    values: np.ndarray
    """(rows, room) float64: their cosines, as float32 products made them."""
    exact: np.ndarray
    """(rows, room): which of these cosines have been computed again in float64."""
    count: np.ndarray
    """(rows,): how many columns are listed."""
    reference: np.ndarray
    """(rows,): which of the reference prices the list was made at."""
    bounds: np.ndarray
    """(rows, groups) float32: the largest profit of a column that is not listed, at these prices; -inf without."""
    largest_bound: np.ndarray
    """(rows,): what no column outside the list exceeded in profit when the list was made; prices only rise."""


class Pages(NamedTuple):
    """The cosines of a row with all columns of a group, computed on demand."""

    index: np.ndarray
    """(rows, groups) int32: the page, -1 while it is absent."""
    n_computed: np.ndarray
    """(1,): how many pages have been computed."""
    values: np.ndarray
    """(pages, depth) float32; -inf for a column that is on the row's list, and at an empty place."""


class Sides(NamedTuple):
    """The unit atoms of both sides, in the order of their groups."""

    rows: np.ndarray
    cols: np.ndarray
    absolute: bool


class Candidates(NamedTuple):
    """Everything that rows can bid for, as far as it has been computed."""

    lists: Lists
    pages: Pages
    sides: Sides


@compiled
def compute_page(i: int, g: int, candidates: Candidates, references: np.ndarray) -> bool:
    """Compute the cosines of row i with all columns of group g; False where there is no room for them."""
    pages, lists = candidates.pages, candidates.lists
    at = pages.n_computed[0]
    if at == len(pages.values):
        return False
    pages.n_computed[0] += 1
    pages.index[i, g] = at
    page = pages.values[at]
    depth = len(page)
    _fill(page, i, g, candidates.sides, lists.bounds.shape[1])
    for k in range(lists.count[i]):
        if lists.columns[i, k] // depth == g:
            page[lists.columns[i, k] % depth] = -np.inf
    lists.bounds[i, g] = top_of(page, references[lists.reference[i], g * depth : (g + 1) * depth])
    return True


@compiled
def _fill(page: np.ndarray, i: int, g: int, sides: Sides, n_groups: int) -> None:
    page[:] = -np.inf
    size, larger = len(sides.cols) // n_groups, len(sides.cols) % n_groups
    begin = g * size + min(g, larger)
    for k in range(size + 1 if g < larger else size):
        page[k] = cosine(sides, i, begin + k)


@compiled
def cosine(sides: Sides, i: int, j: int) -> np.floating:
    """The float32 cosine of a row with a column."""
    x, y, total = sides.rows[i], sides.cols[j], np.float32(0)
    for m in range(len(x)):
        total += x[m] * y[m]
    return abs(total) if sides.absolute else total


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


def with_more_pages(candidates: Candidates) -> Candidates:
    """The same candidates, with room for twice as many pages."""
    values = candidates.pages.values
    more = np.empty((2 * len(values), values.shape[1]), np.float32)
    more[: len(values)] = values
    return candidates._replace(pages=candidates.pages._replace(values=more))
