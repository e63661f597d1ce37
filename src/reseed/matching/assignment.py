"""The assignment problem: a column for each row that makes the sum of cosines largest, with a proof of it.

By auctions with epsilon scaling: each auction starts from the prices of the one before, at a smaller epsilon
(@bertsekas1988auction). Where there are more columns than rows, prices from a larger epsilon may be too high for
columns that stay without a row; dummy rows keep them down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from reseed._support import stopping
from reseed.matching.auction import State, auction
from reseed.matching.candidates import Candidates, Lists, Pages, Sides, with_more_pages
from reseed.matching.certificate import bound_profits, exact_profits, gap_of
from reseed.matching.exact import Pairs, pair_cosines
from reseed.matching.first_lists import Best, first_lists
from reseed.matching.groups import grouped, interleaved, places_of
from reseed.matching.keeping import open_survey
from reseed.matching.products import Directions, ParallelMap, rounding
from reseed.matching.relisting import relist
from reseed.matching.survey import survey

__all__ = ["Assignment", "assign"]

TOLERANCE = 1e-6

Tell = Callable[[str], None]

_LARGE = 2**13  # columns from which products in bfloat16 are worth what has to be computed again
_GROUPS = 512  # of columns, up to twice as many

_COARSE = (0.02, 0.004, 8e-4, 1.6e-4, 2.5e-5, 4e-6, 6e-7, 1e-7)  # longer steps start price wars among equal atoms
_DEPTH = 16  # columns of a group, more only where there would be too many groups
_RELISTED = 1e-3  # after auctions finer than this candidate lists stay as they are: prices hardly move any more
_FINE = (1e-8, 1e-9)
_ROUNDS = 20


@dataclass(frozen=True)
class Assignment:
    """A column for every row."""

    partners: np.ndarray
    """The column of each row."""
    cosines: np.ndarray
    gap: float
    """How far the mean of `cosines` can be below the best."""
    best: np.ndarray
    """The largest cosine of each row with any column."""
    partner_best: np.ndarray
    """The largest cosine of each column with any row."""


def assign(
    rows: Directions,
    cols: Directions,
    *,
    absolute: bool,
    parallel: ParallelMap = map,
    n_groups: int | None = None,
    elements: int = 2**22,
    resume: Path | None = None,
) -> Assignment:
    """Give each row a column of its own; there are at least as many columns as rows.

    To a zero atom all columns are alike: it gets one that the others leave. Of large dictionaries the survey of all
    cosines is kept in the folder `resume`, and not made again where it lies there.
    """
    how = _How(absolute, parallel, n_groups, elements, resume)
    live = np.flatnonzero(rows.scale.numpy() > 0)
    if len(live) == len(rows) > 0:
        return _assign_live(rows, cols, how)
    if not len(live):
        best = np.full(len(cols), 0.0 if len(rows) else np.nan)
        return Assignment(np.arange(len(rows)), np.zeros(len(rows)), 0.0, np.zeros(len(rows)), best)
    some = Directions(rows.atoms[live], rows.scale[live], rows.unit[live])
    found = _assign_live(some, cols, how)
    partners, cosines, best = np.empty(len(rows), np.int64), np.zeros(len(rows)), np.zeros(len(rows))
    dead = np.setdiff1d(np.arange(len(rows)), live)
    partners[dead] = np.setdiff1d(np.arange(len(cols)), found.partners)[: len(dead)]
    partners[live], cosines[live], best[live] = found.partners, found.cosines, found.best
    gap = found.gap * len(live) / len(rows)
    return Assignment(partners, cosines, gap, best, np.maximum(found.partner_best, 0.0))


@dataclass(frozen=True)
class _How:
    """What `assign` was told, and the same for all rows."""

    absolute: bool
    parallel: ParallelMap
    n_groups: int | None
    elements: int
    resume: Path | None


def _assign_live(rows: Directions, cols: Directions, how: _How) -> Assignment:
    n_groups = min(how.n_groups or max(_GROUPS, min(2 * _GROUPS, len(cols) // _DEPTH)), len(cols))
    row_order, col_order = how.parallel(grouped, (rows.unit, cols.unit), (min(n_groups, len(rows)), n_groups))
    col_at = interleaved(col_order, n_groups)
    row_unit, col_unit = rows.unit[row_order], cols.unit[col_at]
    (lists, best), tell = _listed(row_unit, col_unit, n_groups, how)
    places = places_of(col_order, n_groups)
    pairs = Pairs(
        rows=rows.atoms.numpy(),
        row_scale=rows.scale.numpy(),
        cols=cols.atoms.numpy(),
        col_scale=cols.scale.numpy(),
        row_at=row_order,
        col_at=places.flatten(),
        absolute=how.absolute,
    )
    candidates = Candidates(
        lists, _no_pages(len(rows), *places.shape), Sides(row_unit.cpu().numpy(), col_unit.cpu().numpy(), how.absolute)
    )
    column_of, gap = _solve(candidates, _unassigned(places, len(rows)), pairs, (rows, cols), tell)
    return _assignment(pairs, column_of, gap, best, col_at)


def _listed(rows: Tensor, cols: Tensor, n_groups: int, how: _How) -> tuple[tuple[Lists, Best], Tell]:
    """The first lists and the best partners, and what is told how it goes on."""
    asked: dict[str, Any] = {"n_groups": n_groups, "absolute": how.absolute, "parallel": how.parallel}
    if len(cols) < _LARGE or rows.device.type != "cpu":
        return first_lists(rows, cols, **asked, elements=how.elements), _silent
    if how.resume is None:
        return survey(rows, cols, **asked), _silent
    kept = open_survey(how.resume, rows, cols, n_groups=n_groups, absolute=how.absolute)
    return survey(rows, cols, **asked, kept=kept), kept.tell


def _silent(_: str) -> None:
    """Tell nobody."""


def _no_pages(n_rows: int, n_groups: int, depth: int) -> Pages:
    return Pages(
        index=np.full((n_rows, n_groups), -1, np.int32),
        n_computed=np.zeros(1, np.int64),
        values=np.empty((n_rows, depth), np.float32),
    )


def _unassigned(places: np.ndarray, n_rows: int) -> State:
    prices = np.where(places < 0, np.inf, 0.0)
    return State(
        prices=prices.flatten(),
        reference_prices=np.zeros((2, places.size)),
        least_rise=prices.min(axis=1)[None].repeat(2, axis=0),
        price_floor=np.zeros(1),
        row_of=np.full(places.size, -1),
        column_of=np.full(n_rows, -1),
        cosine_of=np.zeros(n_rows),
    )


def _solve(
    candidates: Candidates, state: State, pairs: Pairs, sides: tuple[Directions, Directions], tell: Tell
) -> tuple[np.ndarray, float]:
    """Auctions until the duality gap is closed: the column of each row in the end, and the gap."""
    for epsilon in _COARSE:
        candidates = _auction_at(epsilon, candidates, state, pairs)
        tell(f"auction at {epsilon:g}: {candidates.pages.n_computed[0]:,} pages")
        if epsilon > _RELISTED:
            relist(candidates, state)
    gap, before = np.inf, np.inf
    for _ in range(_ROUNDS):
        before, (gap, candidates) = gap, _certify(candidates, state, pairs, sides)
        tell(f"gap {gap:.2g}")
        if gap <= 4 * _FINE[-1] or before / 2 < gap <= TOLERANCE:
            break
        for epsilon in _FINE:
            candidates = _auction_at(epsilon, candidates, state, pairs)
    return state.column_of, gap


def _auction_at(epsilon: float, candidates: Candidates, state: State, pairs: Pairs) -> Candidates:
    n_dummies = int((pairs.col_at >= 0).sum()) - len(state.column_of)
    stopping.check()
    while not auction(epsilon, n_dummies, candidates, state):
        candidates = with_more_pages(candidates)
    return candidates


def _certify(
    candidates: Candidates, state: State, pairs: Pairs, sides: tuple[Directions, Directions]
) -> tuple[float, Candidates]:
    n, margin = len(state.column_of), rounding(sides[0].atoms.shape[1])
    profits, proven = np.empty(n), np.empty(n, np.bool_)
    while not bound_profits(candidates, state, pairs, margin, (profits, proven)):
        candidates = with_more_pages(candidates)
    prices = np.empty(len(sides[1]))
    real = pairs.col_at >= 0
    prices[pairs.col_at[real]] = state.prices[real]
    doubtful = np.flatnonzero(~proven)
    profits[doubtful] = exact_profits(*sides, pairs.row_at[doubtful], prices, absolute=pairs.absolute)
    return gap_of(profits, prices, pair_cosines(pairs, np.arange(n), state.column_of)), candidates


def _assignment(pairs: Pairs, column_of: np.ndarray, gap: float, best: Best, col_at: np.ndarray) -> Assignment:
    """From places back to atoms."""
    n, place = len(column_of), np.empty(len(col_at), np.int64)
    place[pairs.col_at[pairs.col_at >= 0]] = np.flatnonzero(pairs.col_at >= 0)
    partners, cosines, own = np.empty(n, np.int64), np.empty(n), np.empty(n)
    partners[pairs.row_at] = pairs.col_at[column_of]
    cosines[pairs.row_at] = pair_cosines(pairs, np.arange(n), column_of)
    own[pairs.row_at] = pair_cosines(pairs, np.arange(n), place[col_at[best.of_rows]])
    partner_best = np.empty(len(col_at))
    partner_best[col_at] = pair_cosines(pairs, best.of_cols, place[col_at])
    return Assignment(partners=partners, cosines=cosines, gap=gap, best=own, partner_best=partner_best)
