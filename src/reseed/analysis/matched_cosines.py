"""The distribution of matched cosines in the findings, and pairs held against a null (docs/mathematics.md, eq. 61)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reseed import statistics
from reseed.analysis.cosines import LEVELS, beyond, quantiles, shares_above
from reseed.analysis.intervals import interval
from reseed.analysis.tables import pairs_of
from reseed.findings import MatchedCosines

if TYPE_CHECKING:
    from reseed.analysis.cosines import Null
    from reseed.analysis.tables import Pairs
    from reseed.trajectory import Compared

__all__ = ["held_against", "matched_cosines"]

_SHARES = (0.7, 0.9)


def held_against(null: Null, about: Compared, table: pl.DataFrame) -> Pairs:
    """The matrices of a table of pairs, with what is found beyond a null, and with each of its starts left out."""
    return pairs_of(about, beyond(table, null.beyond), without=[beyond(table, each) for each in null.without])


def matched_cosines(null: Null, about: Compared, table: pl.DataFrame, pairs: Pairs, level: float) -> MatchedCosines:
    """Quantiles of matched cosines by where the runs started, beside the null's, and shares above .7 and .9."""
    first, last = (table.filter(pl.col("step") == step) for step in (about.steps[0], about.steps[-1]))
    born, between, within = (
        rows.filter(pl.col("relation") == relation)
        for rows, relation in ((first, "between"), (last, "between"), (last, "within"))
    )
    ended = about.model_copy(update={"steps": about.steps[-1:], "measures": ("share",)})
    above = (pairs_of(ended, last.with_columns(share=pl.Series(shares_above(last, each)))) for each in _SHARES)
    shares = [statistics.between(each.measures["share"], pairs.groups, level=level)[0] for each in above]
    return MatchedCosines(
        levels=LEVELS,
        born=quantiles(born, LEVELS),
        between=quantiles(between, LEVELS),
        within=quantiles(within, LEVELS),
        null=null.quantiles,
        beyond=null.beyond,
        beyond_of=null.name,
        shares={f"{each:g}": interval(share) for each, share in zip(_SHARES, shares, strict=True)},
    )
