"""Children that left their parents at step s: how far they agree at the last step, by s (docs/mathematics.md, eq. 36).

Parent and child share everything up to step s, and read the data in different orders afterwards. Where they end as one
dictionary, what it will be was determined by step s (@frankle2020linear).
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import torch

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.analysis.pairs import OfPair, measure_pair
from reseed.errors import TrajectoryError
from reseed.findings import SpawnCurve
from reseed.statistics import floor_adjusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    import polars as pl

    from reseed.findings import Interval
    from reseed.measures import ActivationCovariance
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["SPAWNED", "finished_children", "measure_children", "spawn_curve"]

SPAWNED = "spawned"
"""What stands under `relation` for a parent and its child."""


def finished_children(folder: StudyFolder, condition: str) -> list[tuple[Trajectory, Trajectory]]:
    """Parent and child, where both have finished and the parent has its step 0, in the order of the children."""
    pairs = [(_parent(folder, child), child) for child in folder.children(condition)]
    return [(parent, child) for parent, child in pairs if parent.finished and child.finished and 0 in parent.snapshots]


def measure_children(
    folder: StudyFolder,
    condition: str,
    activations: ActivationCovariance,
    pool: Executor,
    *,
    known: Mapping[tuple[str, str], OfPair],
) -> dict[tuple[str, str], OfPair]:
    """The measures of each child with its parent at the last step, of those that finished.

    Args:
        folder: a study.
        condition: its name.
        activations: what their covariance says about directions, as the runs saw them.
        pool: threads that the pairs are shared out to.
        known: what was measured before, which is not measured again.

    Returns:
        By parent and child, in the order of the children.
    """
    finished = finished_children(folder, condition)

    def measured(pair: tuple[Trajectory, Trajectory]) -> OfPair:
        parent, child = pair
        step = max(set(parent.steps) & set(child.steps))
        of = known.get((parent.id, child.id))
        return of if of is not None and step in of.values else measure_pair(parent, child, step, activations)

    found = pool.map(measured, finished)
    return {(parent.id, child.id): of for (parent, child), of in zip(finished, found, strict=True)}


def _parent(folder: StudyFolder, child: Trajectory) -> Trajectory:
    spawned = child.record.spawn
    if spawned is None:
        raise TrajectoryError(f"{child.id} is listed as a spawned run, and its spec.json names no parent")
    return folder.run(spawned.parent)


def spawn_curve(
    folder: StudyFolder,
    children: pl.DataFrame,
    *,
    floor: float,
    convergent: float,
    level: float,
) -> SpawnCurve | None:
    """Agreement with the parent at the last step, by the step of spawning; None without children.

    Args:
        folder: the study.
        children: the rows of the table of pairs that are about children.
        floor: the strictest of the condition; nan leaves the adjusted values undefined.
        convergent: floor-adjusted agreement from which two runs count as one dictionary.
        level: of the intervals.
    """
    if children.is_empty():
        return None
    by_step: dict[int, list[tuple[float, int]]] = {}
    for row in children.iter_rows(named=True):
        spawned = folder.run(row["run_b"]).record.spawn
        if spawned is not None:
            by_step.setdefault(spawned.step, []).append((row["agreement"], row["group_a"]))
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
