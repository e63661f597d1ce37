"""What the runs on the surrogate of the activations did: the null that this recipe itself would give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.errors import TrajectoryError
from reseed.findings import Surrogate

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.trajectory import PlannedCondition, StudyFolder

__all__ = ["surrogate_findings"]


def surrogate_findings(
    folder: StudyFolder, planned: PlannedCondition, pairs: Pairs | None, *, level: float
) -> Surrogate | None:
    """How far runs of this recipe come together without any structure; None where the study has no such runs.

    A surrogate is never not fitted: what its runs agree is told whatever their R².
    """
    if pairs is None or not pairs.apart.any():
        return None
    runs = [folder.run(run_id) for run_id in pairs.ids]
    first = runs[0].record
    if first.surrogate is None or first.surrogate_rank is None or first.dimensions_per_token is None:
        raise TrajectoryError(
            f"{runs[0].folder / 'spec.json'} is of a run on the surrogate, and does not say of which kind, rank and "
            f"size: delete {runs[0].folder} and run the same study again"
        )
    matched = pairs.measures["agreement"]
    ends = statistics.ends(statistics.between_start, matched, pairs.groups, level=level)
    last = [run.metrics.tail(1).to_dicts()[0] for run in runs]
    steps = {run_id: folder.run(run_id).done for run_id in (*planned.runs, *planned.children, *planned.surrogates)}
    of_each = {run_id: end.step if end else 0 for run_id, end in steps.items()}
    beside = sum(of_each[run_id] for run_id in planned.surrogates)
    own = sum(of_each.values()) - beside
    return Surrogate(
        kind=first.surrogate,
        runs=pairs.ids,
        rank=first.surrogate_rank,
        dimensions_per_token=first.dimensions_per_token,
        born=interval(ends.first),
        last=interval(ends.last),
        contraction=interval(statistics.contraction(matched, pairs.groups, level=level)),
        r2=math.fsum(each["r2"] for each in last) / len(last),
        alive=math.fsum(each["alive"] for each in last) / len(last),
        share=beside / own if own else math.nan,
    )
