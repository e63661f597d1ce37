"""The distribution behind the matched agreement, and what of it lies beyond a null (docs/mathematics.md, eq. 61).

Comparing keeps the cosines of all matched atoms of every pair, since only judging knows the null that they are held
against: the same recipe on rows without structure, or random directions where nothing else was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reseed.analysis.pairs import COSINES
from reseed.measures import MEASURES, isotropic_beyond
from reseed.measures.replicated import MOST_BEYOND, TAIL

if TYPE_CHECKING:
    from reseed.trajectory import Compared, ComparedFolder

__all__ = ["LEVELS", "Null", "beyond", "isotropic_null", "null_of", "quantiles", "shares_above", "surrogate_null"]

LEVELS = (0.0, 0.01, *(round(0.05 * step, 2) for step in range(1, 20)), 0.99, 1.0)


@dataclass(frozen=True)
class Null:
    """The matched cosines of a null, as far as others are held against them."""

    name: str
    beyond: float
    """c, their 99th percentile."""
    without: tuple[float, ...] = ()
    """The same with each of its starts left out; empty for a formula."""
    quantiles: tuple[float, ...] = ()
    """At the levels of `MatchedCosines`; empty for a formula."""


def null_of(written: ComparedFolder, about: Compared) -> Null:
    """The null of a condition: its surrogate, or random directions where no two starts of one were compared."""
    found = surrogate_null(written.table("surrogate")) if len(about.surrogates) > 1 else None
    return isotropic_null(about) if found is None else found


def isotropic_null(about: Compared) -> Null:
    """That of random directions, exact."""
    return Null("isotropic", isotropic_beyond(about.d_model, about.n_atoms, sign=about.sign))


def surrogate_null(table: pl.DataFrame) -> Null | None:
    """That of the runs on the surrogate at their last step, from their table of pairs; None without pairs apart."""
    apart = table.filter((pl.col("relation") == "between") & (pl.col("step") == pl.col("step").max()))
    if apart.is_empty():
        return None
    groups = sorted({*apart["group_a"], *apart["group_b"]})
    without = [apart.filter((pl.col("group_a") != group) & (pl.col("group_b") != group)) for group in groups]
    percentiles = tuple(quantiles(rows, (1 - TAIL,)) for rows in without)
    return Null(
        name="surrogate",
        beyond=quantiles(apart, (1 - TAIL,))[0],
        without=tuple(found[0] if found else np.nan for found in percentiles),
        quantiles=quantiles(apart, LEVELS),
    )


def beyond(table: pl.DataFrame, cosine: float) -> pl.DataFrame:
    """The table, with the measures that count what lies beyond a cosine found for this one; nan above .99."""
    shares = shares_above(table, cosine) if cosine <= MOST_BEYOND else np.full(len(table), np.nan)
    named = {name: measure.beyond_null for name, measure in MEASURES.items() if measure.beyond_null and name in table}
    return table.with_columns(**{name: pl.Series(found(shares)) for name, found in named.items()})


def shares_above(table: pl.DataFrame, cosine: float) -> np.ndarray:
    """For every row, the share of its cosines above one."""
    lengths = table[COSINES].list.len().to_numpy().astype(np.int64)
    above = table[COSINES].explode().to_numpy() > cosine
    ends = np.concatenate([[0], np.cumsum(lengths)])
    counted = np.concatenate([[0], np.cumsum(above)])
    return np.diff(counted[ends]) / lengths


def quantiles(table: pl.DataFrame, levels: tuple[float, ...]) -> tuple[float, ...]:
    """Of the cosines of all rows together; empty where there are no rows."""
    return () if table.is_empty() else tuple(np.quantile(table[COSINES].explode().to_numpy(), levels).tolist())
