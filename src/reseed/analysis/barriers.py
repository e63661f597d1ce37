"""The barriers between runs that training left behind, as means over pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.findings import Barrier, Barriers

if TYPE_CHECKING:
    import polars as pl

    from reseed.analysis.tables import Pairs

__all__ = ["barriers_between"]


def barriers_between(pairs: Pairs, table: pl.DataFrame | None, level: float) -> Barriers | None:
    """Within and between starts, matched and not; None where none were measured."""
    if table is None:
        return None
    place = {run_id: number for number, run_id in enumerate(pairs.ids)}
    found = {}
    for kind in ("matched", "unmatched"):
        matrix = torch.full((1, len(place), len(place)), torch.nan, dtype=torch.float64)
        for run_a, run_b, value in table.select("run_a", "run_b", kind).iter_rows():
            if run_a in place and run_b in place:
                matrix[0, place[run_a], place[run_b]] = matrix[0, place[run_b], place[run_a]] = value
        found["within", kind] = interval(statistics.within(matrix, pairs.groups, level=level)[0])
        found["between", kind] = interval(statistics.between(matrix, pairs.groups, level=level)[0])
    within, between = (
        Barrier(matched=found[relation, "matched"], unmatched=found[relation, "unmatched"])
        for relation in ("within", "between")
    )
    return Barriers(within=within, between=between)
