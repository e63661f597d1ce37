"""The tables that comparing wrote, as judging takes them: matrices of pairs of runs, and floors of every measure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed import floors, statistics
from reseed.analysis.cosines import beyond, surrogate_null
from reseed.floors import FLOORS, Floor, Sizes
from reseed.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from reseed.floors import FloorKind
    from reseed.measures import Measure
    from reseed.trajectory import Compared, ComparedFolder, ComparedRun

__all__ = ["Pairs", "exact_floor", "floor_between", "floors_of", "pairs_of", "strictest", "surrogate_pairs"]


@dataclass(frozen=True)
class Pairs:
    """All pairs of some runs at their common snapshots."""

    steps: tuple[int, ...]
    ids: tuple[str, ...]
    groups: Int[Tensor, " runs"]
    """The init group of each run."""
    measures: dict[str, Float[Tensor, "steps runs runs"]]
    """By name; symmetric, nan on the diagonal."""
    without: dict[str, Float[Tensor, "units steps runs runs"]] = field(default_factory=dict)
    """Of measures that are held against a null which is estimated: the same with each unit of the null left out."""

    @cached_property
    def apart(self) -> Bool[Tensor, "runs runs"]:
        """The pairs that started apart, each once."""
        return (self.groups[:, None] != self.groups[None, :]).triu(1)


def pairs_of(about: Compared, table: pl.DataFrame, *, without: Sequence[pl.DataFrame] = ()) -> Pairs:
    """The matrices of a table of pairs; `without` holds the same rows, found with each unit of a null left out."""
    return _pairs_of(about.runs, about.steps, about.measures, table, without)


def _pairs_of(
    runs: Sequence[ComparedRun],
    all_steps: tuple[int, ...],
    names: Sequence[str],
    table: pl.DataFrame,
    without: Sequence[pl.DataFrame] = (),
) -> Pairs:
    ids = tuple(run.id for run in runs)
    place = {run_id: number for number, run_id in enumerate(ids)}
    at = {step: number for number, step in enumerate(all_steps)}
    kept = [
        (row, at[step], place[run_a], place[run_b])
        for row, (step, run_a, run_b, relation) in enumerate(
            table.select("step", "run_a", "run_b", "relation").iter_rows()
        )
        if relation in {"within", "between"} and step in at and run_a in place and run_b in place
    ]
    rows, steps, i, j = (torch.tensor(part, dtype=torch.int64) for part in zip(*kept, strict=True))

    def matrix_of(name: str, found: pl.DataFrame) -> Float[Tensor, "steps runs runs"]:
        matrix = torch.full((len(all_steps), len(ids), len(ids)), torch.nan, dtype=torch.float64)
        values = torch.tensor(found[name].to_list(), dtype=torch.float64)[rows]
        matrix[steps, i, j] = values
        matrix[steps, j, i] = values
        return matrix

    of_nulls = [name for name in names if MEASURES[name].beyond_null is not None] if without else []
    return Pairs(
        steps=all_steps,
        ids=ids,
        groups=torch.tensor([run.init_group for run in runs]),
        measures={name: matrix_of(name, table) for name in names},
        without={name: torch.stack([matrix_of(name, each) for each in without]) for name in of_nulls},
    )


def surrogate_pairs(written: ComparedFolder, *, names: Sequence[str] | None = None) -> Pairs | None:
    """The runs on the surrogate, at step 0 and at the last step; None where fewer than two finished.

    `names` are columns of the table to read, by default those of all measures.
    """
    about = written.about
    if about is None or len(about.surrogates) < 2:  # noqa: PLR2004 (a pair)
        return None
    table = written.table("surrogate")
    null = surrogate_null(table)
    table = table if null is None else beyond(table, null.beyond)
    ends = tuple(sorted(table["step"].unique()))
    return _pairs_of(about.surrogates, (ends[0], ends[-1]), names or about.measures, table)


def floors_of(
    measure: Measure[Any], pairs: Pairs, about: Compared, table: pl.DataFrame, surrogate: Pairs | None = None
) -> tuple[Floor, ...]:
    """Every floor of one measure, in the order of `FLOORS`; none of one that says how the agreement came about."""
    if measure.role == "mechanism":
        return ()
    sizes = Sizes(about.n_atoms, about.d_model, about.subspace_rank, about.sign)
    drawn = {floor.name: floor for floor in about.floors}
    found: list[Floor] = []
    for kind in FLOORS.values():
        exact = kind.exact(measure.name, sizes) if kind.exact is not None else None
        if exact is not None:
            found.append(exact_floor(kind, exact))
        elif kind.name in drawn and measure.untrained:
            rows = zip(*(table[column] for column in ("floor", "draw_a", "draw_b", measure.name)), strict=True)
            values = {(a, b): value for floor, a, b, value in rows if floor == kind.name}
            drawn_as = drawn[kind.name]
            found.append(floors.from_pairs(values, n_draws=drawn_as.n, policy=drawn_as.policy, **_called(kind)))
        elif kind.trained and surrogate is not None and surrogate.apart.any():
            found.append(floor_between(kind, surrogate, measure.name, -1))
        elif kind.role == "origin" and pairs.apart.any():
            found.append(floor_between(kind, pairs, measure.name, 0))
    return tuple(found)


def strictest(found: tuple[Floor, ...]) -> Floor | None:
    """The largest null among these floors; None where none is defined."""
    defined = [floor for floor in found if floor.role == "null" and not math.isnan(floor.value)]
    return max(defined, key=lambda floor: floor.value, default=None)


def _called(kind: FloorKind) -> dict[str, str]:
    """What an entry of the table says of every floor of its kind."""
    return {"name": kind.name, "title": kind.title, "role": kind.role}


def exact_floor(kind: FloorKind, value: float) -> Floor:
    """What a formula gives."""
    return Floor(value=value, spread=0.0, standard_error=0.0, n=0, policy=kind.policy, **_called(kind))


def floor_between(kind: FloorKind, pairs: Pairs, measure: str, place: int) -> Floor:
    """What the starts of some runs agree at one of their snapshots."""
    at = pairs.measures[measure][[place]]
    values = at[0][pairs.apart]
    return Floor(
        value=values.mean().item(),
        spread=values.std().item() if len(values) > 1 else math.nan,
        standard_error=statistics.between(at, pairs.groups)[0].standard_error,
        n=len(pairs.groups.unique()),
        policy=kind.policy,
        **_called(kind),
    )
