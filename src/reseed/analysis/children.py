"""Children that left their parents at step s: how far they agree at the last step, by s (docs/mathematics.md, eq. 36).

Parent and child share everything up to step s, and read the data in different orders afterwards. Where they end as one
dictionary, what it will be was determined by step s (@frankle2020linear).
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from reseed import statistics
from reseed.analysis.conditions import interval
from reseed.analysis.pairs import measure_pair
from reseed.findings import SpawnCurve
from reseed.measures.companions import space
from reseed.statistics import floor_adjusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from reseed.findings import Interval
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["SPAWNED", "measure_children", "spawn_curve"]

SPAWNED = "spawned"
"""What stands under `relation` for a parent and its child."""


def measure_children(
    folder: StudyFolder, condition: str, pool: Executor, *, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The measures of each child with its parent at the last step, of those that finished.

    Args:
        folder: a study.
        condition: its name.
        pool: threads that the pairs are shared out to.
        known: rows of an earlier call, which are not measured again.

    Returns:
        Rows like those of `Pairs.table`, with the parent as `run_a`; no columns where there are none.
    """
    found = _by_child(known)
    pairs = [(folder.run(child.spec["spawn"]["parent"]), child) for child in folder.children(condition)]
    finished = [pair for pair in pairs if all((run.done or {}).get("status") == "finished" for run in pair)]
    if not finished:
        return pl.DataFrame()
    spec = finished[0][0].spec
    seen_in = space(folder.moments(spec["preprocess"])["covariance"], spec["method"]["n_atoms"])

    def measured(pair: tuple[Trajectory, Trajectory]) -> dict[str, Any]:
        parent, child = pair
        if child.id in found:
            return found[child.id]
        step = max(set(parent.steps) & set(child.steps))
        names = {"step": step, "run_a": parent.id, "run_b": child.id, "relation": SPAWNED}
        return names | measure_pair(parent, child, step, seen_in)

    return pl.DataFrame(list(pool.map(measured, finished)))


def _by_child(known: pl.DataFrame | None) -> dict[str, dict[str, Any]]:
    if known is None or known.is_empty():
        return {}
    rows = known.filter(pl.col("relation") == SPAWNED).drop("condition", strict=False)
    return {row["run_b"]: row for row in rows.iter_rows(named=True)}


def spawn_curve(
    folder: StudyFolder,
    children: pl.DataFrame,
    groups: Mapping[str, int],
    *,
    floor: float,
    convergent: float,
    level: float,
) -> SpawnCurve | None:
    """Agreement with the parent at the last step, by the step of spawning; None without children.

    Args:
        folder: the study.
        children: what `measure_children` returned.
        groups: the init group of each parent.
        floor: the strictest of the condition; nan leaves the adjusted values undefined.
        convergent: floor-adjusted agreement from which two runs count as one dictionary.
        level: of the intervals.
    """
    if children.is_empty():
        return None
    by_step: dict[int, list[tuple[float, int]]] = {}
    for row in children.iter_rows(named=True):
        step = folder.run(row["run_b"]).spec["spawn"]["step"]
        by_step.setdefault(step, []).append((row["agreement"], groups.get(row["run_a"], -1)))
    steps = tuple(sorted(by_step))
    raw = tuple(_over_parents(by_step[step], level) for step in steps)
    adjusted = tuple(
        _over_parents([(floor_adjusted(value, floor), group) for value, group in by_step[step]], level)
        for step in steps
    )
    return SpawnCurve(
        steps=steps, agreement=raw, adjusted=adjusted, determined=_determined(steps, adjusted, convergent)
    )


def _over_parents(values: Sequence[tuple[float, int]], level: float) -> Interval:
    agreements, groups = zip(*values, strict=True)
    estimates = statistics.over_runs(torch.tensor([agreements], dtype=torch.float64), torch.tensor(groups), level=level)
    return interval(estimates[0])


def _determined(steps: Sequence[int], adjusted: Sequence[Interval], convergent: float) -> int | None:
    """The first step from which on all children reach `convergent` with the whole interval, given the floor."""
    reached = takewhile(lambda pair: pair[1].low >= convergent, reversed(list(zip(steps, adjusted, strict=True))))
    return min((step for step, _ in reached), default=None)
