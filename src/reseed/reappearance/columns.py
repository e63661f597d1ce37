"""What the page of features shows of each atom: numbers, partners, what it fires on, and how it came to be.

All of it in columns, one entry or one row of entries for every atom of every run, run after run. Cosines and
correlations are in ten-thousandths, along training in hundredths: a page shows no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from reseed._support.spread import spread
from reseed.matching import row_cosines
from reseed.reappearance.browsable import Column, Columns
from reseed.reappearance.coming_back import clopper_pearson
from reseed.reappearance.table import partners_in

if TYPE_CHECKING:
    from torch import Tensor

    from reseed.activations import HeldOut
    from reseed.matching import Sign
    from reseed.measures import StandardCodes
    from reseed.reappearance.coming_back import Found
    from reseed.reappearance.runs import Run

__all__ = ["BINS", "MOST_STEPS", "STRONGEST", "columns"]

STRONGEST = 5
"""Held-out tokens that are shown of an atom, one for each text."""
BINS = 16
"""Of the histogram of an atom's activations, from 0 to its largest."""
MOST_STEPS = 24
"""Of more steps than these that all runs have, so many are shown."""

_EXACT, _COARSE = 10_000, 100
_UNKNOWN = -32_768
_UNKNOWN_COARSE = -128


def columns(found: Found, rows: pl.DataFrame, heldout: HeldOut | None) -> Columns:
    """What a page shows of the features of one recipe.

    Args:
        found: the features.
        rows: their table.
        heldout: the tokens that codes are of; None: what features fire on is not known.
    """
    runs = found.recipe.runs
    count = len(runs) - 1
    low, high = clopper_pearson(torch.arange(count + 1, dtype=torch.float64), count)
    steps = _steps(runs)
    known = found.with_codes
    about = {
        "name": found.recipe.name,
        "runs": [run.label for run in runs],
        "sizes": [len(run.atoms) for run in runs],
        "cosine": found.rule.cosine,
        "code": found.rule.code if known else None,
        "expected": found.null.one_to_one.value if found.null.one_to_one.defined else None,
        "null": found.null.what,
        "atMost": found.null.of_cosines_alone,
        "intervals": [[float(each) for each in ends] for ends in zip(low, high, strict=True)],
        "tokens": runs[0].codes.n_tokens if known and runs[0].codes is not None else None,
        "bins": BINS,
        "strongest": STRONGEST,
        "steps": list(steps),
    }
    partners = [_partners(found, place) for place in range(len(runs))]
    numbers = _of_rows(rows, count) | _stacked(partners)
    if known:
        numbers |= _stacked([_activity(run.codes, heldout) for run in runs if run.codes is not None])
    atoms = [torch.from_numpy(each["partner.atom"]) for each in partners]
    along = _stacked(_along(found, steps, atoms)) if steps else {}
    return Columns(about, _written(numbers), _written(along))


def _written(columns: Mapping[str, np.ndarray]) -> tuple[Column, ...]:
    return tuple(
        Column(name, column.dtype.str[1:], column[:1].size, column.astype(column.dtype.newbyteorder("<")).tobytes())
        for name, column in columns.items()
    )


def _of_rows(rows: pl.DataFrame, others: int) -> dict[str, np.ndarray]:
    """Of the table; a column that is not known is left out."""
    found = {
        "back": _whole(rows["reappearance"] * others, np.uint8),
        "any": _whole(rows["many_to_one"] * others, np.uint8),
        "cosine": _exact(rows["cosine"]),
        "crowding": _exact(rows["crowding"]),
        "neighbour": _whole(rows["neighbour"], np.int32),
        "class": _whole(rows["class"], np.int32),
        "norm": rows["norm"].to_numpy().astype(np.float32),
    }
    for name, kept in (("code", _exact), ("mass", _single), ("fired", _counts), ("block", _counts)):
        if rows[name].null_count() < len(rows):
            found[name] = kept(rows[name])
    return found


def _whole(values: pl.Series, kind: type) -> np.ndarray:
    return np.rint(values.to_numpy()).astype(kind)


def _counts(values: pl.Series) -> np.ndarray:
    return _whole(values, np.int32)


def _single(values: pl.Series) -> np.ndarray:
    return values.to_numpy().astype(np.float32)


def _exact(values: pl.Series) -> np.ndarray:
    return _scaled(values.cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _scaled(values: np.ndarray) -> np.ndarray:
    """Of cosines and the like, with one number for what is not known."""
    return np.where(np.isnan(values), _UNKNOWN, np.rint(np.nan_to_num(values) * _EXACT)).astype(np.int16)


def _coarse(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), _UNKNOWN_COARSE, np.rint(np.nan_to_num(values) * _COARSE)).astype(np.int8)


def _partners(found: Found, place: int) -> dict[str, np.ndarray]:
    """Of each atom of a run, its partner in every other run, in their order."""
    told = [partners_in(found, place, other) for other in found.others(place)]

    def beside(name: str) -> np.ndarray:
        return np.stack([each[name] for each in told], axis=1)

    scaled = {f"partner.{name}": _scaled(beside(name)) for name in ("cosine", "encoder", "code")}
    whole = {f"partner.{name}": beside(name).astype(np.int32) for name in ("atom", "rank")}
    return scaled | whole | {"partner.back": beside("back").astype(np.int8)}


def _activity(codes: StandardCodes, heldout: HeldOut | None) -> dict[str, np.ndarray]:
    """How strongly each atom of a run fires, and on what most."""
    n_atoms = len(codes.mean)
    atoms = np.repeat(np.arange(n_atoms), codes.ends.diff().numpy())
    values, tokens = np.abs(codes.values.numpy()), codes.tokens.numpy()
    largest = np.zeros(n_atoms)
    np.maximum.at(largest, atoms, values)
    bins = np.minimum(values / largest[atoms] * BINS, BINS - 1).astype(np.int64)
    counts = np.bincount(atoms * BINS + bins, minlength=n_atoms * BINS).reshape(n_atoms, BINS)
    found = {"largest": largest.astype(np.float32), "histogram": counts.astype(np.int32)}
    if heldout is None:
        return found
    windows = heldout.windows.numpy()[: codes.n_tokens]
    kept, rank = _strongest(atoms, tokens, values, windows[tokens])
    places = np.full((n_atoms, STRONGEST), -1, dtype=np.int32)
    places[atoms[kept], rank] = tokens[kept]
    reached = np.zeros((n_atoms, STRONGEST), dtype=np.uint8)
    reached[atoms[kept], rank] = np.rint(values[kept] / largest[atoms[kept]] * 255)
    return found | {"strongest": places, "reached": reached}


def _strongest(
    atoms: np.ndarray, tokens: np.ndarray, values: np.ndarray, windows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which entries are those of the tokens that their atom fires on most, one for each window; and their ranks."""
    order = np.lexsort((tokens, -values, atoms))
    of_window = atoms[order] * (int(windows.max(initial=0)) + 1) + windows[order]
    _, first = np.unique(of_window, return_index=True)
    kept = order[np.sort(first)]  # by atom, the strongest first
    rank = np.arange(len(kept)) - np.searchsorted(atoms[kept], atoms[kept])
    return kept[rank < STRONGEST], rank[rank < STRONGEST]


def _steps(runs: Sequence[Run]) -> tuple[int, ...]:
    """Those that all runs have; none where a run has but one."""
    common = sorted(set.intersection(*(set(run.along) for run in runs)))
    return tuple(spread(common, MOST_STEPS)) if len(common) > 1 else ()


def _along(found: Found, steps: Sequence[int], partners: Sequence[Tensor]) -> list[dict[str, np.ndarray]]:
    """Of each run: the cosines of every atom with its last self, and with its partners of the end, step by step."""
    runs, sign = found.recipe.runs, found.recipe.sign
    own = [np.empty((len(run.atoms), len(steps)), dtype=np.int8) for run in runs]
    theirs = [np.empty((len(run.atoms), len(runs) - 1, len(steps)), dtype=np.int8) for run in runs]
    for at, step in enumerate(steps):
        atoms = [run.along[step]() for run in runs]
        for place, run in enumerate(runs):
            own[place][:, at] = _coarse(row_cosines(atoms[place], run.atoms, sign=sign).numpy())
            for column, other in enumerate(found.others(place)):
                met = _met(atoms[place], atoms[other], partners[place][:, column], sign)
                theirs[place][:, column, at] = _coarse(met)
    return [{"own": mine, "met": with_them} for mine, with_them in zip(own, theirs, strict=True)]


def _met(own: Tensor, others: Tensor, partners: Tensor, sign: Sign) -> np.ndarray:
    """Cosines of atoms with their partners; nan for those that have none."""
    there = partners >= 0
    met = torch.full((len(own),), torch.nan, dtype=torch.float64)
    met[there] = row_cosines(own[there], others[partners[there]], sign=sign).double()
    return met.numpy()


def _stacked(of_runs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of all runs, one run after the other; runs have the same ones."""
    return {name: np.concatenate([each[name] for each in of_runs]) for name in of_runs[0]}
