"""Agreement across arms: runs of two arms matched with each other at the last step, and whether their ends are alike.

The first run of every start stands for it, of up to `MOST_STARTS` starts; two runs with the same number of a start may
share dice and are not matched. Every two arms of one size and sign are measured under a preprocessing; of more than
`MOST_ARMS` arms, each with a reference arm and with those that differ from it in their start only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.version import VERSION
from reseed.analysis.given import given_study
from reseed.findings import AcrossArms
from reseed.matching import match
from reseed.statistics import between_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from reseed.analysis.conditions import Analysed
    from reseed.trajectory import PlannedCondition, RunRecord, StudyFolder, Trajectory

__all__ = [
    "MOST_ARMS",
    "MOST_STARTS",
    "Across",
    "across_arms",
    "across_of",
    "compare_across",
    "forget_unfinished_across",
    "recipe",
]

MOST_ARMS = 12
"""Of more arms than these, not every two are measured."""
MOST_STARTS = 12
"""So many starts of an arm are measured: 132 pairs of runs for two arms."""

SCHEMA = {
    **dict.fromkeys(("run_a", "run_b"), pl.String),
    **dict.fromkeys(("step_a", "step_b"), pl.Int64),
    "agreement": pl.Float64,
    "reseed": pl.String,
}

Key = tuple[str, str, int, int]
"""Two runs and the step of each."""
Across = dict[frozenset[str], float]
"""Agreement at the last step, by the ids of two runs of different arms."""


@dataclass(frozen=True)
class _Arm:
    """What an arm under one preprocessing has to be matched."""

    name: str
    first: RunRecord
    n_atoms: int
    step: int
    """The last step that its runs have in common."""
    runs: tuple[Trajectory, ...]
    """The first run of every start."""


def compare_across(folder: StudyFolder, pool: Executor) -> None:
    """Match the runs of different arms that are not known yet, and write `compared/across/across.parquet`.

    Args:
        folder: a study whose conditions are compared.
        pool: threads that pairs of runs are matched on.
    """
    arms = [arm for planned in folder.manifest.conditions if (arm := _arm(folder, planned)) is not None]
    known = _rows(folder.across())
    wanted = [pair for two in _two_arms(arms, given_study(folder).get("reference")) for pair in _pairs(*two)]
    keys = [_key(*pair) for pair in wanted]
    fresh = [pair for pair, key in zip(wanted, keys, strict=True) if key not in known]
    if not fresh and keys == list(known):
        return
    if fresh:
        match(torch.eye(2), torch.eye(2))  # compiled in this thread: several at once would wait for each other
    found = known | dict(zip((_key(*pair) for pair in fresh), pool.map(_agreement, fresh), strict=True))
    folder.write_across(pl.DataFrame([(*key, found[key], VERSION) for key in keys], schema=SCHEMA, orient="row"))


def forget_unfinished_across(folder: StudyFolder) -> None:
    """Remove what was measured of runs that have not ended: those may become others."""
    table = folder.across()
    if table is None:
        return
    ids = {*table["run_a"], *table["run_b"]}
    unfinished = [run_id for run_id in ids if folder.run(run_id).done is None]
    if unfinished:
        folder.write_across(table.filter(~pl.any_horizontal(pl.col("run_a", "run_b").is_in(unfinished))))


def across_of(folder: StudyFolder) -> Across:
    """What `compare_across` wrote; empty where nothing is."""
    rows = _rows(folder.across())
    return {frozenset((run_a, run_b)): agreement for (run_a, run_b, _, _), agreement in rows.items()}


def across_arms(analysed: Sequence[Analysed], across: Across) -> tuple[AcrossArms, ...]:
    """The matrix of every preprocessing, size and sign with at least two arms; nan where two arms were not matched."""
    families: dict[tuple[str, int, str], list[Analysed]] = {}
    for each in analysed:
        if each.pairs is not None:
            families.setdefault((each.findings.preprocess, each.findings.n_atoms, each.findings.sign), []).append(each)
    return tuple(_matrix(members, across) for members in families.values() if len(members) > 1)


def recipe(record: RunRecord) -> str:
    """What decides a run of an arm besides its start and its dice."""
    return json.dumps([record.method, record.training, record.preprocess], sort_keys=True)


def _matrix(members: Sequence[Analysed], across: Across) -> AcrossArms:
    ids = {each.findings.arm: [run.id for run in each.findings.runs] for each in members}
    arms = list(ids)
    values = torch.full((len(arms), len(arms)), torch.nan, dtype=torch.float64)
    place = {run_id: number for number, arm in enumerate(arms) for run_id in ids[arm]}
    found: dict[tuple[int, int], list[float]] = {}
    for pair, agreement in across.items():
        if pair <= place.keys():
            i, j = sorted(place[run_id] for run_id in pair)
            found.setdefault((i, j), []).append(agreement)
    for (i, j), agreements in found.items():
        values[i, j] = values[j, i] = sum(agreements) / len(agreements)
    for number, each in enumerate(members):
        values[number, number] = _within(each)
    whole = [number for number, row in enumerate(values) if len(arms) <= MOST_ARMS or not row.isnan().any()]
    return AcrossArms(
        preprocess=members[0].findings.preprocess,
        arms=tuple(arms),
        rows=tuple(arms[number] for number in whole),
        agreement=tuple(map(tuple, values[whole].tolist())),
    )


def _within(each: Analysed) -> float:
    """B(T)."""
    pairs = each.pairs
    return torch.nan if pairs is None else between_start(pairs.measures["agreement"][-1:], pairs.groups).item()


def _arm(folder: StudyFolder, planned: PlannedCondition) -> _Arm | None:
    about = folder.compared(planned.name).about
    if about is None or not about.has_pairs:
        return None
    firsts: dict[int, Trajectory] = {}
    for run in (folder.run(compared.id) for compared in about.runs):
        firsts.setdefault(run.record.start_index, run)
    runs = tuple(firsts[start] for start in sorted(firsts)[:MOST_STARTS])
    return _Arm(planned.arm, runs[0].record, about.n_atoms, about.steps[-1], runs)


def _two_arms(arms: Sequence[_Arm], reference: str | None) -> Iterable[tuple[_Arm, _Arm]]:
    """Which arms are matched with which."""
    groups: dict[tuple[str, int, str], list[_Arm]] = {}
    for arm in arms:
        groups.setdefault((arm.first.preprocess, arm.n_atoms, arm.first.sign), []).append(arm)
    for group in groups.values():
        named = next((arm for arm in group if arm.name == reference), group[0])
        recipes = [recipe(arm.first) for arm in group]
        for (x, of_x), (y, of_y) in combinations(zip(group, recipes, strict=True), 2):
            only_starts_differ = of_x == of_y and recipes.count(of_x) <= MOST_ARMS
            if len(group) <= MOST_ARMS or x is named or y is named or only_starts_differ:
                yield x, y


def _pairs(x: _Arm, y: _Arm) -> Iterable[tuple[_End, _End]]:
    """The runs of two arms that started apart, as far as the numbers of their starts say."""
    return (
        (_End(a, x.step), _End(b, y.step))
        for a in x.runs
        for b in y.runs
        if a.record.start_index != b.record.start_index
    )


@dataclass(frozen=True)
class _End:
    """A run at the last step of its arm."""

    run: Trajectory
    step: int

    @property
    def atoms(self) -> Float[Tensor, "atoms d_model"]:
        return self.run.snapshots[self.step].atoms


def _agreement(pair: tuple[_End, _End]) -> float:
    a, b = pair
    return match(a.atoms, b.atoms, sign=a.run.record.sign).agreement


def _key(a: _End, b: _End) -> Key:
    return a.run.id, b.run.id, a.step, b.step


def _rows(table: pl.DataFrame | None) -> dict[Key, float]:
    """What this version measured; another one may have matched otherwise."""
    if table is None:
        return {}
    rows: Iterable[Mapping[str, Any]] = table.filter(pl.col("reseed") == VERSION).iter_rows(named=True)
    return {(row["run_a"], row["run_b"], row["step_a"], row["step_b"]): row["agreement"] for row in rows}
