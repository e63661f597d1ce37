"""One row for every atom of every run: where it comes back, how often it fires, and how crowded it is at home."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from reseed._support.mistakes import did_you_mean
from reseed.errors import SpecError
from reseed.measures import firing_mass
from reseed.reappearance.coming_back import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.reappearance.coming_back import Found, Pair
    from reseed.reappearance.runs import Run

__all__ = ["COLUMNS", "PARTNER", "SORTED", "flat", "listed", "of_run", "partners_in", "table"]

PARTNER: dict[str, tuple[type[pl.DataType], str]] = {
    "run": (pl.String, "the other run"),
    "atom": (pl.Int64, "its partner there"),
    "cosine": (pl.Float64, "of the two"),
    "encoder": (pl.Float64, "cosine of their encoder rows; null where one has none"),
    "code": (pl.Float64, "correlation of their codes over held-out tokens; null without codes"),
    "rank": (pl.Int64, "how many atoms of that run are as near to this one or nearer: 1 for the nearest"),
    "back": (pl.Boolean, "whether it comes back there"),
}
"""What a row says of an atom's partner in each other run."""

_PARTNER = pl.Struct({name: dtype for name, (dtype, _) in PARTNER.items()})

COLUMNS: dict[str, tuple[pl.DataType | type[pl.DataType], str]] = {
    "recipe": (pl.String, "the recipe, or the condition of a study"),
    "run": (pl.String, "the run"),
    "atom": (pl.Int64, "its index, from 0"),
    "reappearance": (
        pl.Float64,
        "share of the other independent runs in which it comes back: its partner there passes the rule",
    ),
    "low": (pl.Float64, "where that share may lie over runs, 95 %, exact (Clopper and Pearson)"),
    "high": (pl.Float64, "the other end"),
    "expected": (pl.Float64, "the share of pairs that come back by the same rule on the null"),
    "many_to_one": (
        pl.Float64,
        "share of the other runs with any atom within the threshold of cosines, however many share it",
    ),
    "cosine": (pl.Float64, "mean cosine with its partners"),
    "code": (pl.Float64, "mean correlation of its codes with theirs"),
    "class": (pl.Int64, "its class of atoms over runs, those of most runs first"),
    "block": (
        pl.Int64,
        "size of its block: 1 where it comes back alone, 0 where nothing of it does; null unless asked for",
    ),
    "norm": (pl.Float64, "its length as it is in the decoder"),
    "fired": (pl.Int64, "held-out tokens on which it fires; null without codes"),
    "frequency": (pl.Float64, "share of the held-out tokens on which it fires"),
    "mass": (pl.Float64, "its share of all that fires: of codes times lengths"),
    "crowding": (pl.Float64, "cosine with its nearest neighbour in its own dictionary"),
    "neighbour": (pl.Int64, "which atom that is"),
    "partners": (
        pl.List(_PARTNER),
        "of every other run: its one-to-one partner, and what the two have in common",
    ),
}
"""The columns of a table of features: their types and what they mean."""

SORTED = ("reappearance", "many_to_one", "cosine", "code", "frequency", "mass", "norm", "crowding")
"""What a table may be sorted by."""


def table(found: Found, sizes: Sequence[Int[Tensor, " _atoms"]] | None) -> pl.DataFrame:
    """The features of all runs, in the order of runs and atoms; `sizes` are those of blocks, where they were sought."""
    runs = range(len(found.recipe.runs))
    return pl.concat(_of_run(found, place, None if sizes is None else sizes[place]) for place in runs)


def flat(features: pl.DataFrame) -> pl.DataFrame:
    """The same without lists, as CSV has it: columns of their own for each other run, such as `cosine[seed1]`."""
    numbered = features.with_row_index("row")
    long = numbered.select("row", "partners").explode("partners", empty_as_null=False).unnest("partners")
    told = [name for name in PARTNER if name != "run"]
    for label in features["run"].unique(maintain_order=True):
        there = long.filter(pl.col("run") == label).select("row", *(pl.col(n).alias(f"{n}[{label}]") for n in told))
        numbered = numbered.join(there, on="row", how="left", maintain_order="left")
    return numbered.drop("row", "partners")


def of_run(features: pl.DataFrame, run: str) -> pl.DataFrame:
    """The rows of one run, in the order of its atoms.

    Raises:
        SpecError: there is no such run.
    """
    runs = features["run"].unique(maintain_order=True).to_list()
    if run not in runs:
        raise SpecError(f"there is no run {run!r}{did_you_mean(run, runs)}: choose from {', '.join(runs)}")
    return features.filter(pl.col("run") == run)


def listed(features: pl.DataFrame, *, run: str | None, sort: str, top: int) -> list[dict[str, Any]]:
    """The first rows by a column, largest first, without their partners; of equals those of earlier runs and atoms.

    Raises:
        SpecError: there is no such run, or it is no column to sort by.
    """
    if sort not in SORTED:
        raise SpecError(
            f"features cannot be sorted by {sort!r}{did_you_mean(sort, SORTED)}: choose {', '.join(SORTED)}"
        )
    kept = features if run is None else of_run(features, run)
    ordered = kept.sort(sort, descending=True, nulls_last=True, maintain_order=True)
    return ordered.head(min(top, kept.height)).drop("partners").to_dicts()


def _of_run(found: Found, place: int, sizes: Int[Tensor, " atoms"] | None) -> pl.DataFrame:
    run, others = found.recipe.runs[place], found.others(place)
    n_atoms = len(run.atoms)
    back, joins = found.one_to_one(place), found.many_to_one(place)
    low, high = clopper_pearson(back.sum(dim=0), len(others))
    partners = [partners_in(found, place, other) for other in others]
    columns: dict[str, Any] = {
        "recipe": [found.recipe.name] * n_atoms,
        "run": [run.label] * n_atoms,
        "atom": np.arange(n_atoms),
        "reappearance": back.mean(dim=0).numpy(),
        "low": low,
        "high": high,
        "expected": np.full(n_atoms, found.null.one_to_one.value),
        "many_to_one": joins.mean(dim=0).numpy(),
        "cosine": _mean([each["cosine"] for each in partners]),
        "code": _mean([each["code"] for each in partners]),
        "class": found.classes.of(place).numpy(),
        "block": [None] * n_atoms if sizes is None else sizes.numpy(),
        "norm": torch.linalg.vector_norm(run.atoms, dim=1, dtype=torch.float64).cpu().numpy(),
        **_firing(run),
        "crowding": found.crowding[place].numpy(),
        "neighbour": found.neighbours[place].numpy(),
        "partners": _lists(partners, n_atoms),
    }
    return pl.DataFrame(columns, schema={name: dtype for name, (dtype, _) in COLUMNS.items()}, nan_to_null=True)


def _firing(run: Run) -> dict[str, Any]:
    if run.codes is None:
        return dict.fromkeys(("fired", "frequency", "mass"), [None] * len(run.atoms))
    fired = run.codes.ends.diff().numpy()
    return {
        "fired": fired,
        "frequency": fired / run.codes.n_tokens,
        "mass": firing_mass(run.codes, run.atoms).numpy(),
    }


def partners_in(found: Found, place: int, other: int) -> dict[str, np.ndarray]:
    """Of each atom of a run its partner in another; nan, or -1, for atoms without one, in runs of unequal size."""
    first = place < other
    pair: Pair = found.pairs[min(place, other), max(place, other)]
    own, theirs = pair.matching.rows, pair.matching.cols
    own, theirs = (own, theirs) if first else (theirs, own)
    n_atoms = len(found.recipe.runs[place].atoms)

    def spread(values: Tensor | None, *, whole: bool = False) -> np.ndarray:
        """Over all atoms: nan, or of whole numbers -1, where there is none."""
        missing, dtype = (-1, torch.int64) if whole else (math.nan, torch.float64)
        every = torch.full((n_atoms,), missing, dtype=dtype)
        if values is not None:
            every[own] = values.to(every)
        return every.numpy()

    return {
        "run": np.full(n_atoms, found.recipe.runs[other].label),
        "atom": spread(theirs, whole=True),
        "cosine": spread(pair.matching.cosines),
        "encoder": spread(pair.encoders),
        "code": spread(pair.codes),
        "rank": spread(pair.ranks[0 if first else 1], whole=True),
        "back": spread(pair.back, whole=True),
    }


def _lists(partners: list[dict[str, np.ndarray]], n_atoms: int) -> pl.Series:
    """Of each atom its partners, run after run."""
    long = pl.concat(
        pl.DataFrame(each, nan_to_null=True).with_columns(
            pl.col("atom", "rank").replace(-1, None).cast(pl.Int64),
            pl.col("back").cast(pl.Boolean),
            own=pl.Series(range(n_atoms)),
            other=pl.lit(number),
        )
        for number, each in enumerate(partners)
    ).filter(pl.col("atom").is_not_null())
    grouped = long.sort("own", "other").group_by("own", maintain_order=True).agg(partners=pl.struct(list(PARTNER)))
    every = pl.DataFrame({"own": range(n_atoms)}).join(grouped, on="own", how="left", maintain_order="left")
    return every["partners"].fill_null([]).cast(pl.List(_PARTNER))


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Over the runs in which an atom has a partner."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, stacked, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
