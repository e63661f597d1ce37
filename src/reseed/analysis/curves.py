"""The curves of one condition: every measure of its pairs and every metric of its runs along the trajectory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed.findings import Curve
from reseed.measures.companions import COMPANIONS
from reseed.statistics import floor_adjusted

if TYPE_CHECKING:
    from reseed.analysis.pairs import Pairs
    from reseed.statistics import Estimate
    from reseed.trajectory import Trajectory

__all__ = ["condition_curves", "run_metric"]

_OF_EVERY_RUN = ("retention", "r2", "alive", "l0")
_NO_CURVE = frozenset({"step", "tokens", "training_loss", "loss"})


def condition_curves(
    pairs: Pairs, runs: Sequence[Trajectory], strictest: Mapping[str, float], level: float
) -> dict[str, Curve]:
    """Every curve by name; see `ConditionFindings.curves`.

    Args:
        pairs: of the runs.
        runs: those that finished.
        strictest: the floor that `agreement` and its companions are adjusted by, where they have one.
        level: of the bands.
    """
    steps, starts = pairs.steps, pairs.starts
    curves = {"memory": _curve(steps, statistics.memory(pairs.measures["agreement"], starts, level=level))}
    for measure, matrices in _matrices(pairs).items():
        for relation, estimates in (("within", statistics.within), ("between", statistics.between)):
            name = relation if measure == "agreement" else f"{measure} {relation}"
            curves[name] = _curve(steps, estimates(matrices, starts, level=level))
            if measure in strictest:
                curves[f"{name} adjusted"] = _adjusted(curves[name], strictest[measure])
    for name, values in _metrics(runs, steps).items():
        curves[name] = _curve(steps, statistics.over_runs(values, starts, level=level))
    return curves


def run_metric(runs: Sequence[Trajectory], name: str, steps: Sequence[int]) -> Float[Tensor, "steps runs"]:
    """One metric of every run at some of its steps."""
    by_run = [dict(zip(run.metrics["step"], run.metrics[name], strict=True)) for run in runs]
    return torch.tensor([[values[step] for values in by_run] for step in steps], dtype=torch.float64)


def _matrices(pairs: Pairs) -> dict[str, Float[Tensor, "steps runs runs"]]:
    """The measures of the pairs, the matched agreement first, and what of it retention does not explain."""
    measures = {name: pairs.measures[name] for name in ("agreement", *COMPANIONS, "explained", "persistence")}
    return measures | {"excess": measures["agreement"] - measures["explained"]}


def _metrics(runs: Sequence[Trajectory], steps: Sequence[int]) -> dict[str, Float[Tensor, "steps runs"]]:
    """What each run says alone: how it fits, and the diagnostics of its method, if all runs have them."""
    shared = set.intersection(*(set(run.metrics.columns) for run in runs)) - _NO_CURVE
    names = [*_OF_EVERY_RUN, *sorted(shared - set(_OF_EVERY_RUN))]
    metrics = {name: run_metric(runs, name, steps) for name in names}
    if "weight_entropy" in metrics:
        metrics["effective_points"] = metrics["weight_entropy"].exp()
    return metrics


def _curve(steps: Sequence[int], estimates: Sequence[Estimate]) -> Curve:
    return Curve(
        steps=tuple(steps),
        value=tuple(estimate.value for estimate in estimates),
        low=tuple(estimate.low for estimate in estimates),
        high=tuple(estimate.high for estimate in estimates),
        unit=estimates[0].unit,
    )


def _adjusted(curve: Curve, floor: float) -> Curve:
    ends = {name: tuple(floor_adjusted(value, floor) for value in getattr(curve, name)) for name in _NUMBERS}
    return curve.model_copy(update=ends)


_NUMBERS = ("value", "low", "high")
