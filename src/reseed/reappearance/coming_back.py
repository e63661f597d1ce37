"""Which atoms come back in other runs, one to one and many to one, and how often they do without structure.

(docs/mathematics.md, eq. 79 to 81)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from scipy.special import betaincinv
from torch import Tensor

from reseed import floors, statistics
from reseed._support.brief import brief_repr
from reseed._support.products import row_products
from reseed.dice import roll
from reseed.interop import LoadedDictionary
from reseed.matching import match, row_cosines, unit_rows
from reseed.measures import standard_correlations
from reseed.reappearance.classes import Classes, Links, classes
from reseed.reappearance.runs import Run
from reseed.thresholds import LEVEL, FeatureRule

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.matching import Matching, Sign
    from reseed.reappearance.runs import Recipe

__all__ = ["Found", "Null", "Pair", "clopper_pearson", "find"]

_AT_A_TIME = 2**22  # cosines in memory, in four bytes each
_ROUNDING = 1e-6  # cosines in float32 that differ by less are equal
_HALF = 0.5  # of the other runs: an atom that comes back in so many does so alone
_DRAWN = 3  # dictionaries of random directions, where there are no runs without structure


@dataclass(frozen=True)
class Pair:
    """Two runs: the partners of their atoms."""

    matching: Matching
    encoders: Float64[Tensor, " pairs"] | None
    """Cosines of matched encoder rows."""
    codes: Float64[Tensor, " pairs"] | None
    """Correlations of matched codes."""
    ranks: tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]
    """How many atoms of the second run are at least as near to the first's as its partner is, that included; and the
    same seen from the second run."""
    back: Bool[Tensor, " pairs"]
    """Which pairs come back."""
    joins: tuple[Bool[Tensor, " a_atoms"], Bool[Tensor, " b_atoms"]]
    """Which atoms of each run have any atom of the other within the threshold of cosines (many to one)."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Null:
    """How often atoms come back where the recipe has nothing to find."""

    what: str
    """Where that is."""
    one_to_one: statistics.Estimate
    """The share of matched pairs that come back, by the same rule."""
    many_to_one: statistics.Estimate
    """The share of atoms that have any atom within the threshold of cosines."""
    crowding: Float64[Tensor, " atoms"]
    """Of all atoms of all its runs."""
    joins: Float64[Tensor, " atoms"]
    """In which share of its other runs each of them has any atom within the threshold."""
    of_cosines_alone: bool
    """Whether the rule for codes could not be asked there: then the true rate is lower."""
    runs: tuple[Run, ...]
    """Those that it is of."""
    alone: tuple[Bool[Tensor, " _atoms"], ...]
    """Of each of them, which atoms come back in half or more of the others."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Found:
    """The features of the runs of one recipe."""

    recipe: Recipe
    rule: FeatureRule
    with_codes: bool
    pairs: Mapping[tuple[int, int], Pair]
    crowding: tuple[Float64[Tensor, " _atoms"], ...]
    """Of each run: the cosine of each atom with its nearest neighbour at home."""
    neighbours: tuple[Int[Tensor, " _atoms"], ...]
    """Which atom that is."""
    classes: Classes
    null: Null

    __repr__ = brief_repr

    def one_to_one(self, run: int) -> Float64[Tensor, "others atoms"]:
        """Of each other run, in order, whether each atom of a run comes back there: 1 or 0."""
        return torch.stack([self._back(run, other) for other in self.others(run)])

    def many_to_one(self, run: int) -> Float64[Tensor, "others atoms"]:
        """The same for any atom within the threshold of cosines."""
        return torch.stack([self._seen_from(run, other).joins[run > other].double() for other in self.others(run)])

    def alone(self, run: int) -> Bool[Tensor, " atoms"]:
        """Which atoms of a run come back in half or more of the others."""
        return self.one_to_one(run).mean(dim=0) >= _HALF

    def others(self, run: int) -> list[int]:
        """The places of the other runs."""
        return [other for other in range(len(self.recipe.runs)) if other != run]

    def _seen_from(self, run: int, other: int) -> Pair:
        return self.pairs[min(run, other), max(run, other)]

    def _back(self, run: int, other: int) -> Float64[Tensor, " atoms"]:
        pair = self._seen_from(run, other)
        own = pair.matching.rows if run < other else pair.matching.cols
        back = torch.zeros(len(self.recipe.runs[run].atoms), dtype=torch.float64)
        back[own] = pair.back.double()
        return back


def find(recipe: Recipe, rule: FeatureRule, pool: Executor, advance: Callable[[int], None] = lambda _: None) -> Found:
    """Look for the atoms of every run in every other one; `advance` is told of every pair of runs.

    Args:
        recipe: two runs or more.
        rule: when an atom comes back.
        pool: where pairs are matched.
        advance: told of every pair.
    """
    with_codes = all(run.codes is not None for run in recipe.runs)
    pairs = _pairs(recipe, rule, pool, advance, with_codes=with_codes)
    homes = list(pool.map(lambda run: _nearest(run.atoms, recipe.sign), recipe.runs))
    links = [
        Links(i, j, pair.matching.rows[pair.back], pair.matching.cols[pair.back], pair.matching.cosines[pair.back])
        for (i, j), pair in pairs.items()
    ]
    return Found(
        recipe=recipe,
        rule=rule,
        with_codes=with_codes,
        pairs=pairs,
        crowding=tuple(cosines for cosines, _ in homes),
        neighbours=tuple(which for _, which in homes),
        classes=classes([len(run.atoms) for run in recipe.runs], links),
        null=_null(recipe, rule, pool, advance, with_codes=with_codes),
    )


def clopper_pearson(
    found: Float64[Tensor, " atoms"], of: int, *, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """The exact interval of a share over independent runs, `found` of `of` (eq. 80)."""
    k, half = found.numpy(), (1 - level) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), of - k + 1, half), 0.0)
    high = np.where(k < of, betaincinv(k + 1, np.maximum(of - k, 1), 1 - half), 1.0)
    return low, high


def _pairs(
    recipe: Recipe, rule: FeatureRule, pool: Executor, advance: Callable[[int], None], *, with_codes: bool
) -> dict[tuple[int, int], Pair]:
    found: dict[tuple[int, int], Pair] = {}
    places = list(combinations(range(len(recipe.runs)), 2))
    every = pool.map(lambda place: _pair(recipe, place, rule, with_codes=with_codes), places)
    for place, pair in zip(places, every, strict=True):
        found[place] = pair
        advance(1)
    return found


def _pair(recipe: Recipe, place: tuple[int, int], rule: FeatureRule, *, with_codes: bool) -> Pair:
    a, b = (recipe.runs[each] for each in place)
    kept, sign = recipe.matched.get(place), recipe.sign
    matching = match(a.atoms, b.atoms, sign=sign) if kept is None else kept.of(a.atoms, b.atoms, sign=sign)
    codes = None
    if with_codes and a.codes is not None and b.codes is not None:
        codes = standard_correlations(matching, a.codes, b.codes)
    back = matching.cosines >= rule.cosine
    return Pair(
        matching=matching,
        encoders=_encoders(a, b, matching),
        codes=codes,
        ranks=_ranks(unit_rows(a.atoms), unit_rows(b.atoms), matching),
        back=back if codes is None else back & (codes >= rule.code),
        joins=(matching.best_rows >= rule.cosine, matching.best_cols >= rule.cosine),
    )


def _encoders(a: Run, b: Run, matching: Matching) -> Float64[Tensor, " pairs"] | None:
    if a.encoder is None or b.encoder is None or a.encoder.shape[1] != b.encoder.shape[1]:
        return None
    return row_cosines(a.encoder[matching.rows], b.encoder[matching.cols], sign=matching.sign)


def _ranks(
    a: Float64[Tensor, "a_atoms d_model"], b: Float64[Tensor, "b_atoms d_model"], matching: Matching
) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """How many atoms of the other run are nearer than the partner is, and 1, seen from both; equals are not nearer."""
    first, second = a.float(), b.float()
    of_rows, of_cols = torch.full((len(a),), math.inf), torch.full((len(b),), math.inf)
    of_rows[matching.rows] = of_cols[matching.cols] = matching.cosines.float() + _ROUNDING
    nearer_rows, nearer_cols = (torch.zeros(count, dtype=torch.int64) for count in (len(a), len(b)))
    at_a_time = max(1, _AT_A_TIME // max(1, len(b)))
    for begin in range(0, len(a), at_a_time):
        cosines = row_products(first[begin : begin + at_a_time], second)
        cosines = cosines.abs() if matching.sign == "abs" else cosines
        nearer_rows[begin : begin + at_a_time] = (cosines > of_rows[begin : begin + at_a_time, None]).sum(dim=1)
        nearer_cols += (cosines > of_cols).sum(dim=0)
    return nearer_rows[matching.rows] + 1, nearer_cols[matching.cols] + 1


def _nearest(
    atoms: Float[Tensor, "atoms d_model"], sign: Sign
) -> tuple[Float64[Tensor, " atoms"], Int[Tensor, " atoms"]]:
    """The largest cosine of each atom with another one of its own dictionary, and which that is."""
    units = unit_rows(atoms).float()
    largest: list[Tensor] = []
    which: list[Tensor] = []
    at_a_time = max(1, _AT_A_TIME // max(1, len(units)))
    for first in range(0, len(units), at_a_time):
        cosines = row_products(units[first : first + at_a_time], units)
        cosines = cosines.abs() if sign == "abs" else cosines
        rows = torch.arange(len(cosines))
        cosines[rows, first + rows] = -math.inf
        best = cosines.max(dim=1)
        largest.append(best.values)
        which.append(best.indices)
    return torch.cat(largest).double(), torch.cat(which)


def _null(
    recipe: Recipe, rule: FeatureRule, pool: Executor, advance: Callable[[int], None], *, with_codes: bool
) -> Null:
    """Of runs on rows without structure; else of random directions with the mean and covariance of all atoms."""
    runs = recipe.null or tuple(_random(recipe, draw) for draw in range(_DRAWN))
    codes_known = with_codes and all(run.codes is not None for run in runs)
    pairs = _pairs(replace(recipe, runs=runs, matched={}), rule, pool, advance, with_codes=codes_known)
    back = torch.full((len(runs), len(runs)), math.nan, dtype=torch.float64)
    joins = back.clone()
    of_atoms, returns = ([torch.zeros(len(run.atoms), dtype=torch.float64) for run in runs] for _ in range(2))
    for (i, j), pair in pairs.items():
        returns[i][pair.matching.rows] += pair.back.double() / (len(runs) - 1)
        returns[j][pair.matching.cols] += pair.back.double() / (len(runs) - 1)
        back[i, j] = back[j, i] = pair.back.double().mean()
        joins[i, j] = joins[j, i] = torch.cat(pair.joins).double().mean()
        of_atoms[i] += pair.joins[0].double() / (len(runs) - 1)
        of_atoms[j] += pair.joins[1].double() / (len(runs) - 1)
    alone = torch.arange(len(runs))
    return Null(
        what="runs of the recipe on rows without structure"
        if recipe.null
        else "random directions with their own mean and covariance",
        one_to_one=statistics.between(back[None], alone, level=LEVEL)[0],
        many_to_one=statistics.between(joins[None], alone, level=LEVEL)[0],
        crowding=torch.cat([_nearest(run.atoms, recipe.sign)[0] for run in runs]),
        joins=torch.cat(of_atoms),
        of_cosines_alone=with_codes and not codes_known,
        runs=runs,
        alone=tuple(each >= _HALF for each in returns),
    )


def _random(recipe: Recipe, draw: int) -> Run:
    pooled = torch.cat([unit_rows(run.atoms) for run in recipe.runs])
    n_atoms = len(recipe.runs[draw % len(recipe.runs)].atoms)
    rolled = roll("points", "reappearance", "spectrum", draw)
    drawn, name = floors.spectrum_atoms(pooled, n_atoms, rolled=rolled), f"draw {draw}"
    return Run(name, drawn, None, None, whole=partial(LoadedDictionary, drawn, name=name, source=name))
