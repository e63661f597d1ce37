"""Dictionaries within one another in the findings: what each agrees, and nulls of its own size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.analysis.nested import columns_of
from reseed.analysis.tables import exact_floor, floor_between, pairs_of, surrogate_pairs
from reseed.findings import NestedDictionary
from reseed.floors import FLOORS, Sizes

if TYPE_CHECKING:
    import polars as pl

    from reseed.analysis.tables import Pairs
    from reseed.findings import Floor
    from reseed.trajectory import Compared, ComparedFolder

__all__ = ["nested_findings"]


def nested_findings(
    written: ComparedFolder, about: Compared, table: pl.DataFrame, level: float
) -> tuple[NestedDictionary, ...]:
    """What the tables say of them; of the largest the condition's own agreement speaks."""
    columns = columns_of(about.nested)
    if not columns:
        return ()
    pairs = pairs_of(about.model_copy(update={"measures": columns}), table)
    beside = surrogate_pairs(written, names=columns)
    return tuple(
        _found(size, column, about, pairs, beside, level=level)
        for size, column in zip(about.nested, columns, strict=True)
    )


def _found(
    size: int, column: str, about: Compared, pairs: Pairs, surrogate: Pairs | None, *, level: float
) -> NestedDictionary:
    matched = pairs.measures[column]
    between = statistics.ends(statistics.between_start, matched, pairs.groups, level=level)
    within = statistics.ends(statistics.within_start, matched, pairs.groups, level=level)
    return NestedDictionary(
        n_atoms=size,
        born=interval(between.first),
        between=interval(between.last),
        within=interval(within.last),
        nulls=tuple(_nulls(Sizes(size, about.d_model, about.subspace_rank, about.sign), column, surrogate)),
    )


def _nulls(sizes: Sizes, column: str, surrogate: Pairs | None) -> list[Floor]:
    """Random directions of the same size, and the same recipe on the surrogate."""
    found = []
    for kind in FLOORS.values():
        exact = kind.exact("agreement", sizes) if kind.exact is not None and kind.role == "null" else None
        if exact is not None:
            found.append(exact_floor(kind, exact))
        elif kind.trained and surrogate is not None and surrogate.apart.any():
            found.append(floor_between(kind, surrogate, column, -1))
    return found
