"""The assignment problem: a column for each row that makes the sum of cosines largest, with a proof of it.

By auctions with epsilon scaling: each auction starts from the prices of the one before, at a smaller epsilon
(@bertsekas1988auction). Where there are more columns than rows, prices from a larger epsilon may be too high for
columns that stay without a row; dummy rows keep them down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from reseed._support import stopping
from reseed.matching.assigned import Assignment
from reseed.matching.auction import State, auction
from reseed.matching.candidates import Candidates, Lists, Pages, Sides, with_more_pages
from reseed.matching.certificate import bound_profits, exact_profits, gap_of
from reseed.matching.device_lists import lists_on_device
from reseed.matching.direct import assign_directly
from reseed.matching.exact import Pairs, pair_cosines
from reseed.matching.first_lists import Best, first_lists
from reseed.matching.groups import grouped, interleaved, places_of
from reseed.matching.keeping import open_survey
from reseed.matching.kinds import Kinds, kinds
from reseed.matching.products import Directions, ParallelMap, rounding
from reseed.matching.relisting import relist
from reseed.matching.survey import survey

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["assign"]

TOLERANCE = 1e-6

Tell = Callable[[str], None]

_SMALL = 2**24  # cosines that are kept all at once: 64 MB
_LARGE = 2**13  # columns from which products in bfloat16 are worth what has to be computed again
_GROUPS = 512  # of columns, up to twice as many

_COARSE = (0.02, 0.004, 8e-4, 1.6e-4, 2.5e-5, 4e-6, 6e-7, 1e-7)  # longer steps start price wars among equal atoms
_DEPTH = 16  # columns of a group, more only where there would be too many groups
_PAGES = 32  # a row at first, for all rows together: growing copies them
_RELISTED = 1e-3  # after auctions finer than this candidate lists stay as they are: prices hardly move any more
_FINE = (1e-8, 1e-9)
_ROUNDS = 20


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
    row_kinds, col_kinds = how.parallel(kinds, (rows, cols))
    distinct = len(row_kinds.count) == len(rows) and len(col_kinds.count) == len(cols)
    if distinct and len(rows) * len(cols) <= _SMALL and rows.unit.device.type == "cpu":
        found = assign_directly(rows, cols, absolute=how.absolute, parallel=how.parallel)
        if found is not None and found.gap <= TOLERANCE:
            return found
    # the rows are those that more of differ: bids tell them apart
    turned = len(rows) == len(cols) and len(row_kinds.count) < len(col_kinds.count) and bool((cols.scale > 0).all())
    return _turned(_assign_kinds(col_kinds, row_kinds, how)) if turned else _assign_kinds(row_kinds, col_kinds, how)


def _turned(found: Assignment) -> Assignment:
    """The same with rows for columns, of which there are as many."""
    partners = np.argsort(found.partners)
    return Assignment(partners, found.cosines[partners], found.gap, found.partner_best, found.best)


def _assign_kinds(row_kinds: Kinds, col_kinds: Kinds, how: _How) -> Assignment:
    rows, cols = row_kinds.distinct, col_kinds.distinct
    n_groups = min(how.n_groups or max(_GROUPS, min(2 * _GROUPS, len(cols) // _DEPTH)), len(cols))
    row_order, col_order = how.parallel(grouped, (rows.unit, cols.unit), (min(n_groups, len(rows)), n_groups))
    col_at = interleaved(col_order, n_groups)
    row_unit = rows.unit[row_order]
    (lists, best), tell = _listed(row_unit, cols.unit[col_at], n_groups, how)
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
    units = Sides(row_unit.cpu().numpy(), cols.unit[col_order].cpu().numpy(), how.absolute)
    candidates = Candidates(lists, _no_pages(len(rows), *places.shape), units)
    state = _unassigned(pairs, (row_kinds, col_kinds), n_groups)
    gap = _solve(candidates, state, pairs, (row_kinds, col_kinds), (how.parallel, tell))
    return _assignment(pairs, state, gap, _best_cosines(pairs, best, col_at), (row_kinds, col_kinds))


def _listed(rows: Tensor, cols: Tensor, n_groups: int, how: _How) -> tuple[tuple[Lists, Best], Tell]:
    """The first lists and the best partners, and what is told how it goes on."""
    if rows.is_cuda:
        return lists_on_device(rows, cols, n_groups=n_groups, absolute=how.absolute), _silent
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
        values=np.empty((_PAGES * n_rows, depth), np.float32),  # memory that is not written to costs nothing
    )


def _unassigned(pairs: Pairs, sides: tuple[Kinds, Kinds], n_groups: int) -> State:
    row_kinds, col_kinds = sides
    n, n_places, there = len(row_kinds.of), len(pairs.col_at), pairs.col_at >= 0
    prices = np.where(there, 0.0, np.inf)
    first_unit = np.append(0, np.where(there, col_kinds.count[pairs.col_at], 0).cumsum())
    return State(
        prices=prices,
        reference_prices=np.zeros((2, n_places)),
        least_rise=prices.reshape(n_groups, -1).min(axis=1)[None].repeat(2, axis=0),
        price_floor=np.zeros(1),
        first_unit=first_unit,
        unit_prices=np.zeros(len(col_kinds.of)),
        last_unit=first_unit[:-1].copy(),
        row_of=np.full(len(col_kinds.of), -1),
        kind_of=np.argsort(pairs.row_at)[row_kinds.of],
        column_of=np.full(n, -1),
        unit_of=np.full(n, -1),
        cosine_of=np.zeros(n),
    )


def _solve(
    candidates: Candidates, state: State, pairs: Pairs, sides: tuple[Kinds, Kinds], by: tuple[ParallelMap, Tell]
) -> float:
    """Auctions until the duality gap is closed; returns the gap."""
    parallel, tell = by
    for epsilon in _COARSE:
        candidates = _auction_at(epsilon, candidates, state)
        tell(f"auction at {epsilon:g}: {candidates.pages.n_computed[0]:,} pages")
        if epsilon > _RELISTED:
            relist(candidates, state, parallel)
    gap, before = np.inf, np.inf
    for _ in range(_ROUNDS):
        before, (gap, candidates) = gap, _certify(candidates, state, pairs, sides)
        tell(f"gap {gap:.2g}")
        if gap <= 4 * _FINE[-1] or before / 2 < gap <= TOLERANCE:
            break
        for epsilon in _FINE:
            candidates = _auction_at(epsilon, candidates, state)
    return gap


def _auction_at(epsilon: float, candidates: Candidates, state: State) -> Candidates:
    n_dummies = len(state.row_of) - len(state.column_of)
    stopping.check()
    while not auction(epsilon, n_dummies, candidates, state):
        candidates = with_more_pages(candidates)
    return candidates


def _certify(
    candidates: Candidates, state: State, pairs: Pairs, sides: tuple[Kinds, Kinds]
) -> tuple[float, Candidates]:
    rows, cols = (side.distinct for side in sides)
    n, margin = len(rows), rounding(rows.atoms.shape[1])
    profits, proven = np.empty(n), np.empty(n, np.bool_)
    while not bound_profits(candidates, state, pairs, margin, (profits, proven)):
        candidates = with_more_pages(candidates)
    prices = np.empty(len(cols))
    real = pairs.col_at >= 0
    prices[pairs.col_at[real]] = state.prices[real]
    doubtful = np.flatnonzero(~proven)
    profits[doubtful] = exact_profits(rows, cols, pairs.row_at[doubtful], prices, absolute=pairs.absolute)
    cosines = pair_cosines(pairs, state.kind_of, state.column_of)
    return gap_of(profits[state.kind_of], prices[sides[1].of], cosines), candidates


def _best_cosines(pairs: Pairs, best: Best, col_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best cosine of every kind of rows, and of columns; `best` counts them in the order of the first lists."""
    n, place = len(pairs.row_at), np.empty(len(col_at), np.int64)
    place[pairs.col_at[pairs.col_at >= 0]] = np.flatnonzero(pairs.col_at >= 0)
    of_rows, of_cols = np.empty(n), np.empty(len(col_at))
    of_rows[pairs.row_at] = pair_cosines(pairs, np.arange(n), place[col_at[best.of_rows]])
    of_cols[col_at] = pair_cosines(pairs, best.of_cols, place[col_at])
    return of_rows, of_cols


def _assignment(
    pairs: Pairs, state: State, gap: float, best: tuple[np.ndarray, np.ndarray], sides: tuple[Kinds, Kinds]
) -> Assignment:
    """From places and units back to atoms."""
    row_kinds, col_kinds = sides
    which = state.unit_of - state.first_unit[state.column_of]  # of the atoms of a kind
    return Assignment(
        partners=col_kinds.atoms[col_kinds.first[pairs.col_at[state.column_of]] + which],
        cosines=pair_cosines(pairs, state.kind_of, state.column_of),
        gap=gap,
        best=best[0][row_kinds.of],
        partner_best=best[1][col_kinds.of],
    )
