"""From the runs of one condition to its findings: curves, floors, estimates, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import measures, statistics
from reseed.analysis.curves import condition_curves, run_metric
from reseed.analysis.floors import condition_floors
from reseed.analysis.pairs import Pairs, measure_pairs
from reseed.findings import ConditionFindings, Floor, Interval, PairCurve, RunFindings, Verdict
from reseed.measures.companions import COMPANIONS, space
from reseed.verdict import Evidence, Limits, judge
from reseed.verdict.disagreements import Said, disagreements

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import polars as pl

    from reseed.measures.companions import Space
    from reseed.statistics import Estimate
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["Analysed", "analyse_condition", "compare_runs", "interval", "weigh"]


@dataclass(frozen=True)
class Analysed:
    """A condition's findings with the pair matrices that comparisons between arms need."""

    findings: ConditionFindings
    pairs: Pairs | None
    """None where fewer than two runs finished."""
    r2: Float[Tensor, "steps runs"] | None
    """Held-out R² of the runs in `pairs`, at its steps."""
    floor: float


def compare_runs(
    runs: Sequence[Trajectory],
    folder: StudyFolder,
    pool: Executor,
    *,
    known: pl.DataFrame | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Pairs | None:
    """The pairs of the finished runs of one condition; None where fewer than two finished. See `measure_pairs`."""
    finished = _finished(runs)
    if len(finished) < 2:  # noqa: PLR2004 (a pair)
        return None
    return measure_pairs(finished, _space(folder, finished), pool, known=known, advance=advance)


def analyse_condition(
    runs: Sequence[Trajectory],
    folder: StudyFolder,
    limits: Limits,
    pool: Executor,
    *,
    level: float,
    known: pl.DataFrame | None = None,
) -> Analysed:
    """Compare the finished runs of one condition with each other, as far as it is not `known`, and judge them."""
    finished = _finished(runs)
    pairs = compare_runs(runs, folder, pool, known=known)
    if pairs is None:
        return _not_compared(runs, finished, limits)
    seen_in = _space(folder, finished)
    found, companion_floors = condition_floors(folder, finished, pairs, seen_in)
    strictest = max((floor for floor in found if not math.isnan(floor.value)), key=lambda floor: floor.value)
    companion_strictest = {measure: name for measure, its in companion_floors.items() if (name := _strictest(its))}
    adjusted_by = {measure: companion_floors[measure][name] for measure, name in companion_strictest.items()}
    curves = condition_curves(pairs, finished, {"agreement": strictest.value, **adjusted_by}, level)
    evidence = weigh(
        pairs,
        strictest,
        r2=min(run.metrics["r2"][-1] for run in finished),
        retention=_mean([run.metrics["retention"][-1] for run in finished]),
        level=level,
    )
    judgement = judge(evidence, limits)
    said = _said(pairs, companion_floors, level)
    cosine = Said(evidence.between, evidence.gain, {floor.name: floor.value for floor in found})
    otherwise = disagreements(cosine, said, margin=limits.margin)
    steps = torch.tensor(pairs.steps)
    memory = statistics.half_life(steps, torch.tensor(curves["memory"].value))
    born_apart = 1 - evidence.between_first.value if evidence.init_groups > 1 else 0.0
    contraction = statistics.contraction(1 - evidence.between.value, born_apart)
    last = [run.snapshots[pairs.steps[-1]].atoms for run in finished]
    findings = ConditionFindings(
        **_identity(runs),
        init_groups=len(pairs.starts.unique()),
        steps=pairs.steps,
        verdict=Verdict(**vars(judgement), disagreements=otherwise),
        curves=curves,
        estimates=_estimates(pairs, evidence, said, adjusted_by, level),
        companion_floors=companion_floors,
        companion_strictest=companion_strictest,
        subspace_rank=seen_in.rank,
        floors=tuple(found),
        strictest=strictest.name,
        half_life=memory.value,
        contraction=contraction.value,
        contraction_reason=contraction.reason or None,
        r2=_over_runs(finished, "r2", pairs, level),
        alive=_over_runs(finished, "alive", pairs, level),
        runs=_run_findings(runs, dict(zip((run.id for run in finished), pairs.starts.tolist(), strict=True))),
        pairs=_pair_curves(pairs, finished),
        stable_rank=_mean([measures.stable_rank(atoms).value for atoms in last]),
        atom_norm_squared=_mean([measures.mean_norm_squared(atoms) for atoms in last]),
    )
    return Analysed(findings, pairs, run_metric(finished, "r2", pairs.steps), strictest.value)


def interval(estimate: Estimate) -> Interval:
    """An estimate as the findings hold it."""
    return Interval(
        value=estimate.value,
        standard_error=estimate.standard_error,
        low=estimate.low,
        high=estimate.high,
        n_units=estimate.n_units,
        unit=estimate.unit,
        reason=estimate.reason or None,
    )


def _finished(runs: Sequence[Trajectory]) -> list[Trajectory]:
    return [run for run in runs if (run.done or {}).get("status") == "finished"]


def _space(folder: StudyFolder, runs: Sequence[Trajectory]) -> Space:
    """What the activations that the runs saw say about directions."""
    spec = runs[0].spec
    return space(folder.moments(spec["preprocess"])["covariance"], spec["method"]["n_atoms"])


def weigh(pairs: Pairs, floor: Floor, *, r2: float, retention: float, level: float) -> Evidence:
    """What the pairs of runs say against a floor; R² is that of the worst run, retention their mean."""
    matched, starts = pairs.measures["agreement"], pairs.starts
    between = statistics.ends(statistics.between_start, matched, starts, level=level)
    adjusted = statistics.floor_adjusted(matched, floor.value)
    return Evidence(
        n_runs=len(starts),
        init_groups=len(starts.unique()),
        r2=r2,
        within=statistics.within(matched[-1:], starts, level=level)[0],
        between_first=between.first,
        between=between.last,
        gain=between.gain,
        floor=floor.value,
        floor_name=floor.name,
        floor_error=floor.standard_error,
        adjusted=_beyond(between.last, pairs, floor, level),
        adjusted_gain=statistics.ends(statistics.between_start, adjusted, starts, level=level).gain,
        retention=retention,
        memory=statistics.memory(matched, starts, level=level)[-1].value,
    )


def _beyond(between: Estimate, pairs: Pairs, floor: Floor, level: float) -> Estimate:
    """B(T) on the floor-adjusted scale, with the error of the floor as well as that of the runs.

    The floor at step 0 is of the same runs, and is left out with them; all others are drawn apart from the runs.
    """
    if floor.name == "step 0":

        def adjusted(p: Tensor, s: Tensor) -> Tensor:
            first, last = statistics.between_start(p, s)
            return ((last - first) / (1 - first))[None]

        return statistics.jackknife(adjusted, pairs.measures["agreement"][[0, -1]], pairs.starts, level=level)[0]
    few = f"the {floor.name} floor has {floor.n_units} draws; 3 are needed for a spread"
    drawn = statistics.Estimate(
        value=floor.value,
        standard_error=floor.standard_error,
        degrees=max(floor.n_units - 1.0, 0.0),
        n_units=floor.n_units,
        unit="start",
        reason=few if math.isnan(floor.standard_error) else "",
    )
    return statistics.beyond(between, drawn)


def _estimates(
    pairs: Pairs, evidence: Evidence, said: Mapping[str, Said], strictest: Mapping[str, float], level: float
) -> dict[str, Interval]:
    within, between = interval(evidence.within), interval(evidence.between)
    estimates = {
        "within": _unless_paired(within, "no two runs share a start, so there is no W: it takes runs_per_start = 2"),
        "between at step 0": interval(evidence.between_first),
        "between": _unless_paired(between, "all runs share one start, so there is no B: it takes other starts"),
        "gain": interval(evidence.gain),
        "between adjusted": interval(evidence.adjusted),
        "within adjusted": _adjusted(interval(evidence.within), evidence.floor),
        "gain adjusted": interval(evidence.adjusted_gain),
    }
    for measure, its in said.items():
        last = statistics.within(pairs.measures[measure][-1:], pairs.starts, level=level)[0]
        for relation, estimate in (("within", interval(last)), ("between", interval(its.between))):
            estimates[f"{measure} {relation}"] = estimate
            if measure in strictest:
                estimates[f"{measure} {relation} adjusted"] = _adjusted(estimate, strictest[measure])
        estimates[f"{measure} gain"] = interval(its.gain)
    return estimates


def _unless_paired(found: Interval, reason: str) -> Interval:
    """The interval, with the reason why there are no such pairs where there are none."""
    return found.model_copy(update={"reason": reason}) if math.isnan(found.value) else found


def _adjusted(found: Interval, floor: float) -> Interval:
    """An interval on the floor-adjusted scale, the floor taken as known."""
    ends = {name: statistics.floor_adjusted(getattr(found, name), floor) for name in ("value", "low", "high")}
    error = found.standard_error / (1 - floor) if floor < 1 else math.nan
    return found.model_copy(update={**ends, "standard_error": error})


def _said(pairs: Pairs, companion_floors: Mapping[str, Mapping[str, float]], level: float) -> dict[str, Said]:
    """What each companion measure says about runs that started apart."""
    said = {}
    for measure in COMPANIONS:
        ends = statistics.ends(statistics.between_start, pairs.measures[measure], pairs.starts, level=level)
        said[measure] = Said(ends.last, ends.gain, companion_floors[measure])
    return said


def _strictest(floors: Mapping[str, float]) -> str | None:
    """The name of the largest of these floors; None where none is defined."""
    defined = {name: value for name, value in floors.items() if not math.isnan(value)}
    return max(defined, key=lambda name: defined[name]) if defined else None


# Runs.


def _identity(runs: Sequence[Trajectory]) -> dict[str, Any]:
    spec = runs[0].spec
    n_atoms, d_model = runs[0].snapshots[0].atoms.shape
    return {
        "name": spec["condition"],
        "arm": spec["arm"],
        "preprocess": spec["preprocess"],
        "kind": spec["method"]["kind"],
        "start": spec["start"]["kind"],
        "n_atoms": n_atoms,
        "d_model": d_model,
    }


def _run_findings(runs: Sequence[Trajectory], groups: dict[str, int]) -> tuple[RunFindings, ...]:
    return tuple(
        RunFindings(
            id=run.id,
            start_index=run.spec["start_index"],
            run_index=run.spec["run_index"],
            init_group=groups.get(run.id, -1),
            rolls=run.spec["rolls"],
            status=(run.done or {}).get("status", "unfinished"),
            remedy=(run.done or {}).get("remedy"),
            metrics=_metrics(run),
        )
        for run in runs
    )


def _metrics(run: Trajectory) -> dict[str, tuple[float | int, ...]]:
    """All metrics of a run that has ended; of one that has not, only the steps that it has reached."""
    if run.done is None:
        return {"step": run.steps}
    return {name: tuple(values) for name, values in run.metrics.to_dict(as_series=False).items()}


def _pair_curves(pairs: Pairs, runs: Sequence[Trajectory]) -> tuple[PairCurve, ...]:
    matched, starts = pairs.measures["agreement"], pairs.starts.tolist()
    return tuple(
        PairCurve(
            run_a=runs[i].id,
            run_b=runs[j].id,
            relation="within" if starts[i] == starts[j] else "between",
            agreement=tuple(matched[:, i, j].tolist()),
        )
        for i, j in combinations(range(len(runs)), 2)
    )


def _over_runs(runs: Sequence[Trajectory], name: str, pairs: Pairs, level: float) -> Interval:
    return interval(statistics.over_runs(run_metric(runs, name, pairs.steps[-1:]), pairs.starts, level=level)[0])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


# Too few runs.


def _not_compared(runs: Sequence[Trajectory], finished: Sequence[Trajectory], limits: Limits) -> Analysed:
    """What can still be said about a condition in which no two runs finished."""
    nothing = statistics.Estimate(math.nan, math.nan, 0.0, len(finished), "run", reason="fewer than two runs finished")
    evidence = Evidence(
        n_runs=len(finished),
        init_groups=len(finished),
        r2=min((run.metrics["r2"][-1] for run in finished), default=math.nan),
        within=nothing,
        between_first=nothing,
        between=nothing,
        gain=nothing,
        floor=math.nan,
        floor_name="step 0",
        floor_error=math.nan,
        adjusted=nothing,
        adjusted_gain=nothing,
        retention=math.nan,
        memory=math.nan,
    )

    def alone(name: str) -> Interval:
        """The mean over the runs there are, without a spread."""
        mean = _mean([run.metrics[name][-1] for run in finished])
        reason = "one run: no spread" if finished else nothing.reason
        return interval(replace(nothing, value=mean, reason=reason))

    findings = ConditionFindings(
        **_identity(runs),
        init_groups=len(finished),
        steps=(),
        verdict=Verdict(**vars(judge(evidence, limits))),
        curves={},
        estimates={},
        companion_floors={},
        floors=(),
        strictest="step 0",
        half_life=math.nan,
        contraction=math.nan,
        contraction_reason=nothing.reason,
        r2=alone("r2"),
        alive=alone("alive"),
        runs=_run_findings(runs, {}),
        pairs=(),
        stable_rank=math.nan,
        atom_norm_squared=math.nan,
    )
    return Analysed(findings, None, None, math.nan)
