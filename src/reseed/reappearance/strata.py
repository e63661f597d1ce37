"""Reappearance against how often atoms fire, how long they are, and how crowded it is at home.

A forecast of stability is worth what it says beyond the null: an atom with near neighbours has an atom within a
threshold of it in another run by chance already, and so has the null in the same stratum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reseed.reappearance.document import Strata, Stratum

if TYPE_CHECKING:
    from reseed.reappearance.coming_back import Found

__all__ = ["strata"]

_MOST = 5  # strata of one quantity
_EQUAL = 1e-3  # a quantity that varies by less than this share of its largest value is the same for all
_FEWEST = 20  # atoms of the null in a stratum that say anything

_BY = {
    "frequency": "how often it fires",
    "norm": "its length in the decoder",
    "crowding": "the cosine of its nearest neighbour at home",
}


def strata(found: Found, features: pl.DataFrame) -> tuple[Strata, ...]:
    """Of every quantity that is known and differs among atoms, strata of equally many atoms; dead atoms apart."""
    made = []
    for name, meaning in _BY.items():
        known = features.filter(pl.col(name).is_not_null())
        if name == "frequency":
            known = known.filter(pl.col(name) > 0)
        edges = _edges(known[name].to_numpy())
        if len(edges) > 2:  # noqa: PLR2004 (two strata or more)
            found_by = _null_joins(found, edges) if name == "crowding" else [math.nan] * (len(edges) - 1)
            made.append(Strata(by=name, meaning=meaning, strata=tuple(_each(known, name, edges, found_by))))
    return tuple(made)


def _edges(values: np.ndarray) -> np.ndarray:
    """Of strata with equally many atoms, as far as values differ."""
    if len(values) < _MOST or np.ptp(values) <= _EQUAL * np.abs(values).max():
        return np.empty(0)
    return np.unique(np.quantile(values, np.linspace(0, 1, _MOST + 1)))


def _each(known: pl.DataFrame, name: str, edges: np.ndarray, null: list[float]) -> list[Stratum]:
    which = _which(known[name].to_numpy(), edges)
    told = []
    for number in range(len(edges) - 1):
        own = known.filter(pl.Series(which == number))
        told.append(
            Stratum(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                atoms=len(own),
                reappearance=_mean(own["reappearance"]),
                many_to_one=_mean(own["many_to_one"]),
                null_many_to_one=null[number],
            )
        )
    return told


def _null_joins(found: Found, edges: np.ndarray) -> list[float]:
    """How many atoms of the null that are as crowded have one within the threshold of them."""
    crowding, joins = found.null.crowding.numpy(), found.null.joins.numpy()
    inside = (crowding >= edges[0]) & (crowding <= edges[-1])
    which = np.where(inside, _which(crowding, edges), -1)
    inside_of = [joins[which == number] for number in range(len(edges) - 1)]
    return [float(each.mean()) if len(each) >= _FEWEST else math.nan for each in inside_of]


def _which(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else math.nan
