"""Every pair of runs of a condition at every snapshot, measured with one code path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed import measures
from reseed.analysis.init_groups import init_groups
from reseed.matching import match
from reseed.measures.companions import COMPANIONS, dictionary_measures, prepared
from reseed.trajectory import read_header

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.matching import Matching
    from reseed.measures.companions import Dictionary, Space
    from reseed.trajectory import Snapshot, Trajectory

__all__ = ["MEASURES", "NAMES", "Pairs", "measure_pair", "measure_pairs"]

NAMES = ("step", "run_a", "run_b", "relation")
MEASURES = (
    *("agreement", "gap", "zero_a", "zero_b", "code", "mmcs", "mmcs_ab", "mmcs_ba", "shared"),
    *("projection", "whitened", "subspace", "alive", "mass", "explained", "persistence"),
)
"""The columns of a table of pairs: whom a row is about, and what was measured."""


@dataclass(frozen=True)
class Pairs:
    """All pairs of some runs at their common snapshots."""

    steps: tuple[int, ...]
    starts: Int[Tensor, " runs"]
    """The init group of each run, found from the step-0 atoms."""
    measures: dict[str, Float[Tensor, "steps runs runs"]]
    """`agreement`, the companions, `explained` (by retention) and `persistence`; symmetric, nan on the diagonal."""
    table: pl.DataFrame
    """One row per step and pair: what `pairs.parquet` holds."""


@dataclass(frozen=True)
class _Seen:
    """What a run shows at one step, read once for all its pairs."""

    dictionary: Dictionary
    codes: measures.StandardCodes
    mass: Float[Tensor, " atoms"]
    alive: Bool[Tensor, " atoms"]
    retention: Float[Tensor, " atoms"]


class _Matchings(NamedTuple):
    """How the atoms of one pair of runs go together."""

    now: Matching
    before: Matching | None
    """At the snapshot before; None at step 0."""
    born: Matching
    """At step 0."""


def measure_pairs(
    runs: Sequence[Trajectory],
    seen_in: Space,
    pool: Executor,
    *,
    known: pl.DataFrame | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Pairs:
    """Match every pair of runs at every step that all of them have, and measure how they agree.

    Args:
        runs: at least two runs of one condition, each with a step 0.
        seen_in: what the activations say about directions, as the runs saw them.
        pool: threads that the pairs are shared out to.
        known: the table of an earlier call; pairs that it has at all these steps are not measured again.
        advance: told how many pairs lie behind, step by step.

    Raises:
        TrajectoryError: a snapshot is damaged, needed or not.
    """
    steps = tuple(sorted(set.intersection(*(set(run.steps) for run in runs))))
    for run, step in product(runs, steps):
        read_header(run.snapshots[step].path)
    indices = list(combinations(range(len(runs)), 2))
    measured = _known(known, runs, indices, steps)
    fresh = [pair for pair in indices if (steps[0], *pair) not in measured]
    advance((len(indices) - len(fresh)) * len(steps))
    born = [run.snapshots[0].atoms for run in runs]
    born_matchings = list(pool.map(lambda pair: match(born[pair[0]], born[pair[1]]), fresh))
    earlier: Sequence[Matching | None] = [None] * len(fresh)
    for step in steps if fresh else ():
        needed = sorted({run for pair in fresh for run in pair})
        snapshots = (runs[run].snapshots[step] for run in needed)
        seen = dict(
            zip(needed, pool.map(partial(_see, seen_in), snapshots, (born[run] for run in needed)), strict=True)
        )
        firsts, seconds = zip(*((seen[i], seen[j]) for i, j in fresh), strict=True)
        matchings = list(pool.map(_matched, firsts, seconds)) if step else born_matchings
        made = pool.map(_measured, firsts, seconds, map(_Matchings, matchings, earlier, born_matchings))
        for pair, found in zip(fresh, made, strict=True):
            measured[step, *pair] = found
            advance(1)
        earlier = matchings
    groups = init_groups({pair: 1 - measured[0, *pair]["agreement"] for pair in indices}, born)
    rows = []
    for step, (i, j) in product(steps, indices):
        relation = "within" if groups[i] == groups[j] else "between"
        names = {"step": step, "run_a": runs[i].id, "run_b": runs[j].id, "relation": relation}
        rows.append(names | measured[step, i, j])
    table = pl.DataFrame(rows)
    return Pairs(steps, torch.tensor(groups), _matrices(table, [run.id for run in runs], len(steps)), table)


def measure_pair(a: Trajectory, b: Trajectory, step: int, seen_in: Space) -> dict[str, float]:
    """How two runs agree at one step: `MEASURES`, by name; nothing is known of the snapshot before."""
    born_a, born_b = a.snapshots[0].atoms, b.snapshots[0].atoms
    seen_a, seen_b = _see(seen_in, a.snapshots[step], born_a), _see(seen_in, b.snapshots[step], born_b)
    return _measured(seen_a, seen_b, _Matchings(_matched(seen_a, seen_b), None, match(born_a, born_b)))


def _known(
    table: pl.DataFrame | None, runs: Sequence[Trajectory], indices: Sequence[tuple[int, int]], steps: Sequence[int]
) -> dict[tuple[int, int, int], dict[str, float]]:
    """By step and pair of runs, what a table says of the pairs that it has at all steps."""
    if table is None or table.is_empty():
        return {}
    names = NAMES[:3]
    found = {tuple(row[name] for name in names): row for row in table.iter_rows(named=True)}
    measured = {}
    for i, j in indices:
        rows = [found.get((step, runs[i].id, runs[j].id)) for step in steps]
        for step, row in zip(steps, rows, strict=True):
            if row is not None and all(rows):
                measured[step, i, j] = {name: row[name] for name in MEASURES}
    return measured


def _see(seen_in: Space, snapshot: Snapshot, born: Float[Tensor, "atoms d_model"]) -> _Seen:
    atoms = snapshot.atoms
    codes = measures.standardise_active(*snapshot.active, n_tokens=snapshot.n_tokens, n_atoms=len(atoms))
    return _Seen(
        dictionary=prepared(atoms, snapshot.encoder, seen_in),
        codes=codes,
        mass=measures.firing_mass(codes, atoms),
        alive=snapshot.alive,
        retention=measures.retention(atoms, born),
    )


def _matched(a: _Seen, b: _Seen) -> Matching:
    return match(a.dictionary.atoms, b.dictionary.atoms)


def _measured(a: _Seen, b: _Seen, matchings: _Matchings) -> dict[str, float]:
    matching, before, born = matchings
    return {
        "agreement": matching.agreement,
        "gap": matching.gap,
        "zero_a": matching.zero_rows,
        "zero_b": matching.zero_cols,
        "code": measures.standard_correlations(matching, a.codes, b.codes).mean().item(),
        **dictionary_measures(matching, a.dictionary, b.dictionary),
        "alive": _alive_agreement(a, b, matching),
        "mass": measures.mass_weighted_agreement(matching, a.mass, b.mass),
        "explained": measures.explained_by_retention(born, a.retention, b.retention),
        "persistence": measures.persistence(before, matching) if before else math.nan,
    }


def _alive_agreement(a: _Seen, b: _Seen, matching: Matching) -> float:
    if a.alive.all() and b.alive.all():
        return matching.agreement
    return match(*measures.alive_only(a.dictionary.atoms, b.dictionary.atoms, a.alive, b.alive)).agreement


def _matrices(table: pl.DataFrame, ids: Sequence[str], n_steps: int) -> dict[str, Float[Tensor, "steps runs runs"]]:
    """The measures of the table as symmetric matrices; its rows are sorted by step, then by pair."""
    i, j = zip(*combinations(range(len(ids)), 2), strict=True)
    matrices = {}
    for measure in ("agreement", *COMPANIONS, "explained", "persistence"):
        values = torch.tensor(table[measure].to_list(), dtype=torch.float64).view(n_steps, -1)
        matrix = torch.full((n_steps, len(ids), len(ids)), torch.nan, dtype=torch.float64)
        matrix[:, i, j] = values
        matrix[:, j, i] = values
        matrices[measure] = matrix
    return matrices
