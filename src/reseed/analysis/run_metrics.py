"""What each run says alone along training: how it fits, and what its method says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed.analysis.intervals import band

if TYPE_CHECKING:
    from reseed.analysis.tables import Pairs
    from reseed.findings import Curve
    from reseed.trajectory import Trajectory

__all__ = ["mean_metrics", "run_metric"]

_OF_EVERY_RUN = ("retention", "r2", "alive", "l0")
_NO_CURVE = frozenset({"step", "tokens", "training_loss", "loss", "r2_error"})


def mean_metrics(runs: Sequence[Trajectory], pairs: Pairs, level: float) -> dict[str, Curve]:
    """Means over runs, with bands: what every run has, then the diagnostics of its method, if all runs have them."""
    shared = set.intersection(*(set(run.metrics.columns) for run in runs)) - _NO_CURVE
    names = [*_OF_EVERY_RUN, *sorted(shared - set(_OF_EVERY_RUN))]
    metrics = {name: run_metric(runs, name, pairs.steps) for name in names}
    if "weight_entropy" in metrics:
        metrics["effective_points"] = metrics["weight_entropy"].exp()
    return {
        name: band(pairs.steps, statistics.over_runs(values, pairs.groups, level=level))
        for name, values in metrics.items()
    }


def run_metric(runs: Sequence[Trajectory], name: str, steps: Sequence[int]) -> Float[Tensor, "steps runs"]:
    """One metric of every run at some of its steps."""
    by_run = [dict(zip(run.metrics["step"], run.metrics[name], strict=True)) for run in runs]
    return torch.tensor([[values[step] for values in by_run] for step in steps], dtype=torch.float64)
