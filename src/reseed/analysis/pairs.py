"""Every pair of runs of a condition at every snapshot, measured with one code path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float
from torch import Tensor

from reseed import measures
from reseed.analysis.init_groups import init_groups
from reseed.analysis.nested import nested_agreement
from reseed.matching import match
from reseed.measures import MEASURES, Dictionary, Matchings
from reseed.trajectory import read_header

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.matching import Matching
    from reseed.measures import ActivationCovariance
    from reseed.trajectory import RunRecord, Snapshot, Trajectory

__all__ = [
    "COSINES",
    "FACTS",
    "MeasuredPairs",
    "OfPair",
    "Ready",
    "compared",
    "measure_pair",
    "measure_pairs",
    "ready",
    "see",
    "table_of",
]

FACTS = ("gap", "zero_a", "zero_b", "mmcs_ab", "mmcs_ba")
"""Columns about the matching that are no measures: its proven gap, zero atoms, and best cosines each way."""

COSINES = "cosines"
"""The column with the cosines of all matched atoms, ascending, in float32: whatever share of them lies beyond a value
can be counted when that value is known."""

Pair = tuple["Trajectory", "Trajectory"]
Ids = tuple[str, str]


class OfPair(NamedTuple):
    """What was measured of one pair of runs."""

    values: dict[int, dict[str, Any]]
    """By step: `FACTS` and measures, by name, agreement of nested dictionaries, and `COSINES`."""
    matching: pl.DataFrame
    """At the last step: `row`, `col`, `cosine`."""


class MeasuredPairs(NamedTuple):
    """All pairs of some runs at their common snapshots."""

    steps: tuple[int, ...]
    groups: list[int]
    """The init group of each run, found from the step-0 atoms."""
    pairs: dict[Ids, OfPair]
    """In the order of the runs."""


class Ready(NamedTuple):
    """A dictionary, prepared for all measures that it will be part of."""

    of: Dictionary
    parts: Mapping[Callable[[Dictionary], Any], Any]
    """By the function that prepared it: two measures may share one."""


def measure_pairs(
    runs: Sequence[Trajectory],
    activations: ActivationCovariance,
    pool: Executor,
    *,
    known: Mapping[Ids, OfPair] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> MeasuredPairs:
    """Match every pair of runs at every step that all of them have, and measure how they agree.

    Args:
        runs: at least two runs of one condition, each with a step 0.
        activations: what their covariance says about directions, as the runs saw them.
        pool: threads that the pairs are shared out to.
        known: what earlier calls measured; pairs that it has at all these steps are not measured again.
        advance: told how many pairs lie behind, step by step.

    Raises:
        TrajectoryError: a snapshot is damaged, needed or not.
    """
    steps = tuple(sorted(set.intersection(*(set(run.steps) for run in runs))))
    for run, step in product(runs, steps):
        read_header(run.snapshots[step].path)
    pairs = list(combinations(runs, 2))
    measured = {ids: of for ids, of in (known or {}).items() if set(steps) <= of.values.keys()}
    fresh = [pair for pair in pairs if _ids(pair) not in measured]
    advance((len(pairs) - len(fresh)) * len(steps))
    born = {run.id: run.snapshots[0].atoms for run in runs}
    measured |= _measured(fresh, steps, born, activations, pool=pool, advance=advance)
    first = {ids: measured[ids].values[0]["agreement"] for ids in map(_ids, pairs)}
    places = {run.id: place for place, run in enumerate(runs)}
    apart = {(places[a], places[b]): 1 - agreement for (a, b), agreement in first.items()}
    return MeasuredPairs(
        steps, init_groups(apart, list(born.values())), {ids: measured[ids] for ids in map(_ids, pairs)}
    )


def measure_pair(a: Trajectory, b: Trajectory, step: int, activations: ActivationCovariance) -> OfPair:
    """How two runs agree at one step; nothing is known of the snapshot before."""
    born_a, born_b = a.snapshots[0].atoms, b.snapshots[0].atoms
    ready_a, ready_b = see(activations, a.snapshots[step], born_a), see(activations, b.snapshots[step], born_b)
    matching = match(ready_a.of.atoms, ready_b.of.atoms, sign=a.record.sign)
    values = compared(Matchings(matching, match(born_a, born_b, sign=a.record.sign)), ready_a, ready_b)
    nested = nested_agreement(ready_a.of.atoms, ready_b.of.atoms, a.record)
    return OfPair({step: values | nested}, _table(matching))


def ready(dictionary: Dictionary) -> Ready:
    """A dictionary, prepared for every measure of `MEASURES`."""
    ways = dict.fromkeys(measure.prepare for measure in MEASURES.values())
    return Ready(dictionary, {way: way(dictionary) for way in ways})


def compared(matchings: Matchings, a: Ready, b: Ready) -> dict[str, Any]:
    """`FACTS` and every measure of two dictionaries, by name, and the `COSINES` of their atoms."""
    now, best = matchings.now, measures.mmcs(matchings.now)
    facts = (now.gap, now.zero_rows, now.zero_cols, best.forward, best.backward)
    values = {
        name: measure.compare(matchings, a.parts[measure.prepare], b.parts[measure.prepare])
        for name, measure in MEASURES.items()
    }
    return dict(zip(FACTS, facts, strict=True)) | values | {COSINES: now.cosines.sort().values.float().numpy()}


def table_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """The table of rows that hold what `compared` gives of dictionaries of one size."""
    numbers = [{name: value for name, value in row.items() if name != COSINES} for row in rows]
    cosines = pl.Series(COSINES, np.stack([row[COSINES] for row in rows])).cast(pl.List(pl.Float32))
    return pl.DataFrame(numbers, infer_schema_length=None).with_columns(cosines)


def _measured(
    pairs: Sequence[Pair],
    steps: Sequence[int],
    born: Mapping[str, Float[Tensor, "atoms d_model"]],
    activations: ActivationCovariance,
    *,
    pool: Executor,
    advance: Callable[[int], None],
) -> dict[Ids, OfPair]:
    """Step after step, because persistence looks back at the matching before."""
    found: dict[Ids, dict[int, dict[str, Any]]] = {_ids(pair): {} for pair in pairs}
    last: Sequence[Matching] = ()
    for step, matchings, values in _by_step(pairs, steps, born, activations, pool):
        for pair, of_pair in zip(pairs, values, strict=True):
            found[_ids(pair)][step] = of_pair
            advance(1)
        last = matchings
    tables = zip(found.items(), last, strict=True)
    return {ids: OfPair(by_step, _table(matching)) for (ids, by_step), matching in tables}


def _by_step(
    pairs: Sequence[Pair],
    steps: Sequence[int],
    born: Mapping[str, Float[Tensor, "atoms d_model"]],
    activations: ActivationCovariance,
    pool: Executor,
) -> Iterator[tuple[int, list[Matching], Iterator[dict[str, Any]]]]:
    """Each step with the matchings of all pairs, and what is measured of them as it is found."""
    runs = dict.fromkeys(run for pair in pairs for run in pair)
    firsts: list[Matching] = []
    before: Sequence[Matching | None] = [None] * len(pairs)
    for step in steps if pairs else ():
        seen = pool.map(partial(see, activations), (run.snapshots[step] for run in runs), (born[r.id] for r in runs))
        of_run = dict(zip(runs, seen, strict=True))
        sides = [(of_run[a], of_run[b], a.record) for a, b in pairs]
        now = list(pool.map(lambda side: match(side[0].of.atoms, side[1].of.atoms, sign=side[2].sign), sides))
        firsts = firsts or now
        joined = map(Matchings, now, firsts, before)
        yield step, now, pool.map(_compared_runs, joined, sides)
        before = now
        del of_run, sides, joined  # or all runs would be in memory at two steps


def _compared_runs(matchings: Matchings, sides: tuple[Ready, Ready, RunRecord]) -> dict[str, Any]:
    a, b, record = sides
    return compared(matchings, a, b) | nested_agreement(a.of.atoms, b.of.atoms, record)


def see(activations: ActivationCovariance, snapshot: Snapshot, born: Float[Tensor, "atoms d_model"]) -> Ready:
    """What a run shows at one step."""
    atoms = snapshot.atoms
    codes = measures.standardise_active(*snapshot.active, n_tokens=snapshot.n_tokens, n_atoms=len(atoms))
    of = measures.dictionary(atoms, activations, encoder=snapshot.encoder, codes=codes, alive=snapshot.alive, born=born)
    return ready(of)


def _table(matching: Matching) -> pl.DataFrame:
    columns = {"row": matching.rows.numpy(), "col": matching.cols.numpy(), "cosine": matching.cosines.numpy()}
    return pl.DataFrame(columns, schema={"row": pl.UInt32, "col": pl.UInt32, "cosine": pl.Float64})


def _ids(pair: Pair) -> Ids:
    return pair[0].id, pair[1].id
