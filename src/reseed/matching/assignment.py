"""Each row its own column, so that the sum of their cosines is as large as it can be, with a proof of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reseed.matching.auction import Market, auction
from reseed.matching.certificate import bound_profits, exact_profits, gap_of
from reseed.matching.exact import Pairs, pair_cosines
from reseed.matching.groups import dealt, grouped, places_of
from reseed.matching.pages import Goods, Pages, Sides, with_more_room
from reseed.matching.products import Directions, Spread, rounding
from reseed.matching.renewal import renew
from reseed.matching.survey import Best, survey

__all__ = ["Assignment", "assign"]

TOLERANCE = 1e-6

_GROUPS = 512  # of columns, up to twice as many

_COARSE = (0.02, 0.004, 8e-4, 1.6e-4, 2.5e-5, 4e-6, 6e-7, 1e-7)  # longer strides start price wars among equal atoms
_DEPTH = 16  # columns of a group, more only where there would be too many groups
_RENEWED = 1e-3  # auctions finer than this leave lists as they are
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
    spread: Spread = map,
    n_groups: int | None = None,
    elements: int = 2**22,
) -> Assignment:
    """Give each row a column of its own; there are at least as many columns as rows.

    To a zero atom all columns are alike: it gets one that the others leave.
    """
    live = np.flatnonzero(rows.scale.numpy() > 0)
    if len(live) == len(rows) > 0:
        return _assign_live(rows, cols, absolute=absolute, spread=spread, n_groups=n_groups, elements=elements)
    if not len(live):
        best = np.full(len(cols), 0.0 if len(rows) else np.nan)
        return Assignment(np.arange(len(rows)), np.zeros(len(rows)), 0.0, np.zeros(len(rows)), best)
    some = Directions(rows.atoms[live], rows.scale[live], rows.unit[live])
    found = _assign_live(some, cols, absolute=absolute, spread=spread, n_groups=n_groups, elements=elements)
    partners, cosines, best = np.empty(len(rows), np.int64), np.zeros(len(rows)), np.zeros(len(rows))
    dead = np.setdiff1d(np.arange(len(rows)), live)
    partners[dead] = np.setdiff1d(np.arange(len(cols)), found.partners)[: len(dead)]
    partners[live], cosines[live], best[live] = found.partners, found.cosines, found.best
    gap = found.gap * len(live) / len(rows)
    return Assignment(partners, cosines, gap, best, np.maximum(found.partner_best, 0.0))


def _assign_live(
    rows: Directions, cols: Directions, *, absolute: bool, spread: Spread, n_groups: int | None, elements: int
) -> Assignment:
    n_groups = min(n_groups or max(_GROUPS, min(2 * _GROUPS, len(cols) // _DEPTH)), len(cols))
    row_order, col_order = spread(grouped, (rows.unit, cols.unit), (min(n_groups, len(rows)), n_groups))
    cards = dealt(col_order, n_groups)
    row_unit, col_unit = rows.unit[row_order], cols.unit[cards]
    offers, best = survey(row_unit, col_unit, n_groups=n_groups, absolute=absolute, spread=spread, elements=elements)
    places = places_of(col_order, n_groups)
    pairs = Pairs(
        rows=rows.atoms.numpy(),
        row_scale=rows.scale.numpy(),
        cols=cols.atoms.numpy(),
        col_scale=cols.scale.numpy(),
        row_at=row_order,
        col_at=places.flatten(),
        absolute=absolute,
    )
    goods = Goods(
        offers, _closed(len(rows), *places.shape), Sides(row_unit.cpu().numpy(), col_unit.cpu().numpy(), absolute)
    )
    held, gap = _settle(goods, _market(places, len(rows)), pairs, (rows, cols))
    return _assignment(pairs, held, gap, best, cards)


def _closed(n_rows: int, n_groups: int, depth: int) -> Pages:
    return Pages(
        index=np.full((n_rows, n_groups), -1, np.int32),
        used=np.zeros(1, np.int64),
        values=np.empty((n_rows, depth), np.float32),
    )


def _market(places: np.ndarray, n_rows: int) -> Market:
    prices = np.where(places < 0, np.inf, 0.0)
    return Market(
        prices=prices.flatten(),
        references=np.zeros((2, places.size)),
        low=prices.min(axis=1)[None].repeat(2, axis=0),
        lowest=np.zeros(1),
        owner=np.full(places.size, -1),
        held=np.full(n_rows, -1),
        worth=np.zeros(n_rows),
    )


def _settle(
    goods: Goods, market: Market, pairs: Pairs, sides: tuple[Directions, Directions]
) -> tuple[np.ndarray, float]:
    """Auctions until the gap is closed: the column that each row holds in the end, and the gap."""
    for epsilon in _COARSE:
        goods = _sell(epsilon, goods, market, pairs)
        if epsilon > _RENEWED:
            renew(goods, market)
    gap, before = np.inf, np.inf
    for _ in range(_ROUNDS):
        before, (gap, goods) = gap, _prove(goods, market, pairs, sides)
        if gap <= 4 * _FINE[-1] or before / 2 < gap <= TOLERANCE:
            break
        for epsilon in _FINE:
            goods = _sell(epsilon, goods, market, pairs)
    return market.held, gap


def _sell(epsilon: float, goods: Goods, market: Market, pairs: Pairs) -> Goods:
    n_idle = int((pairs.col_at >= 0).sum()) - len(market.held)
    while not auction(epsilon, n_idle, goods, market):
        goods = with_more_room(goods)
    return goods


def _prove(goods: Goods, market: Market, pairs: Pairs, sides: tuple[Directions, Directions]) -> tuple[float, Goods]:
    n, margin = len(market.held), rounding(sides[0].atoms.shape[1])
    profits, proven = np.empty(n), np.empty(n, np.bool_)
    while not bound_profits(goods, market, pairs, margin, (profits, proven)):
        goods = with_more_room(goods)
    prices = np.empty(len(sides[1]))
    real = pairs.col_at >= 0
    prices[pairs.col_at[real]] = market.prices[real]
    doubtful = np.flatnonzero(~proven)
    profits[doubtful] = exact_profits(*sides, pairs.row_at[doubtful], prices, absolute=pairs.absolute)
    return gap_of(profits, prices, pair_cosines(pairs, np.arange(n), market.held)), goods


def _assignment(pairs: Pairs, held: np.ndarray, gap: float, best: Best, cards: np.ndarray) -> Assignment:
    """From places back to atoms."""
    n, place = len(held), np.empty(len(cards), np.int64)
    place[pairs.col_at[pairs.col_at >= 0]] = np.flatnonzero(pairs.col_at >= 0)
    partners, cosines, own = np.empty(n, np.int64), np.empty(n), np.empty(n)
    partners[pairs.row_at] = pairs.col_at[held]
    cosines[pairs.row_at] = pair_cosines(pairs, np.arange(n), held)
    own[pairs.row_at] = pair_cosines(pairs, np.arange(n), place[cards[best.of_rows]])
    partner_best = np.empty(len(cards))
    partner_best[cards] = pair_cosines(pairs, best.of_cols, place[cards])
    return Assignment(partners=partners, cosines=cosines, gap=gap, best=own, partner_best=partner_best)
