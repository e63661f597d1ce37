"""From the tables of one condition to its findings: curves, floors, estimates, verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed.analysis.barriers import barriers_between
from reseed.analysis.births import birth_tests
from reseed.analysis.children import SPAWNED, spawn_curve
from reseed.analysis.cosines import beyond, null_of
from reseed.analysis.evidence import measured, nothing_known, too_few, weigh
from reseed.analysis.intervals import band, interval
from reseed.analysis.levelling import levelling
from reseed.analysis.matched_cosines import held_against, matched_cosines
from reseed.analysis.measure_records import measure_record
from reseed.analysis.nested_records import nested_findings
from reseed.analysis.run_metrics import mean_metrics, run_metric
from reseed.analysis.surrogates import surrogate_findings
from reseed.analysis.tables import Pairs, floors_of, strictest, surrogate_pairs
from reseed.findings import ConditionFindings, Interval, PairCurve, RunFindings, Turn, Verdict
from reseed.measures import MEASURES
from reseed.verdict import Limits, judge
from reseed.verdict.disagreements import disagreements
from reseed.verdict.errors import claim_error

if TYPE_CHECKING:
    from reseed.findings import Curve, MeasureFindings
    from reseed.floors import Floor
    from reseed.trajectory import Compared, PlannedCondition, RunRecord, StudyFolder, Trajectory
    from reseed.verdict import Evidence, MeasureEvidence

__all__ = ["Analysed", "judge_condition"]


@dataclass(frozen=True)
class Analysed:
    """A condition's findings with what comparisons between arms need."""

    findings: ConditionFindings
    record: RunRecord
    """Of its first run."""
    pairs: Pairs | None
    """None where fewer than two runs finished."""
    r2: Float[Tensor, "steps runs"] | None
    """Held-out R² of the runs in `pairs`, at its steps."""
    floor: float


def judge_condition(folder: StudyFolder, planned: PlannedCondition, limits: Limits, *, level: float) -> Analysed | None:
    """Judge one condition by the tables that comparing wrote; None where no run has begun."""
    runs = folder.runs(planned.name)
    if not runs:
        return None
    written = folder.compared(planned.name)
    about = written.about
    if about is None:
        return _not_compared(folder, planned, runs, limits)
    table = written.table("pairs")
    children = table.filter(table["relation"] == SPAWNED)
    if not about.has_pairs:
        alone = _not_compared(folder, planned, runs, limits)
        spawn = spawn_curve(folder, children, floor=alone.floor, convergent=limits.convergent, level=level)
        return replace(alone, findings=alone.findings.model_copy(update={"spawn": spawn}))
    null = null_of(written, about)
    pairs, drawn = held_against(null, about, table), beyond(written.table("floors"), null.beyond)
    surrogate = surrogate_pairs(written)
    found = {name: floors_of(MEASURES[name], pairs, about, drawn, surrogate) for name in about.measures}
    judged = _judged(planned, runs, about, pairs=pairs, floors=found, surrogate=surrogate, limits=limits, level=level)
    beside = {
        "spawn": spawn_curve(folder, children, floor=judged.floor, convergent=limits.convergent, level=level),
        "barriers": barriers_between(pairs, written.barriers(), level),
        "surrogate": surrogate_findings(folder, planned, surrogate, level=level),
        "cosines": matched_cosines(null, about, table, pairs, level),
        "births": birth_tests(about, written.table("births"), determined=runs[0].record.determined),
        "nested": nested_findings(written, about, table, level),
    }
    findings = judged.findings.model_copy(update=beside)
    return replace(judged, findings=findings)


def _judged(
    planned: PlannedCondition,
    runs: Sequence[Trajectory],
    about: Compared,
    *,
    pairs: Pairs,
    floors: dict[str, tuple[Floor, ...]],
    surrogate: Pairs | None,
    limits: Limits,
    level: float,
) -> Analysed:
    finished = [run for run in runs if run.id in pairs.ids]
    floor = strictest(floors["agreement"])
    if floor is None:
        raise ValueError(f"{planned.name}: no null of the matched agreement is defined")
    said = {
        name: measured(name, pairs, floors[name], surrogate, level)
        for name in about.measures
        if MEASURES[name].role != "mechanism"
    }
    evidence = weigh(
        said,
        pairs,
        floors,
        r2=min(run.metrics["r2"][-1] for run in finished),
        retention=_mean([run.metrics["retention"][-1] for run in finished]),
        has_rate="learning_rate" in runs[0].record.method,
        samples=_samples(finished),
        determined=runs[0].record.determined,
    )
    records = {name: measure_record(name, pairs, floors[name], said.get(name), level) for name in about.measures}
    memory = band(pairs.steps, statistics.memory(pairs.measures["agreement"], pairs.groups, level=level))
    half_life = statistics.half_life(torch.tensor(pairs.steps), torch.tensor(memory.value))
    identity = _of_one_start(records.get("identity"))
    contraction = statistics.contraction(pairs.measures["agreement"], pairs.groups, level=level)
    findings = ConditionFindings(
        **_identity(planned, runs[0].record),
        sign=about.sign,
        n_atoms=about.n_atoms,
        d_model=about.d_model,
        init_groups=len(pairs.groups.unique()),
        steps=pairs.steps,
        verdict=_verdict(evidence, said, limits, level),
        measures=records,
        metrics=mean_metrics(finished, pairs, level),
        memory=memory,
        half_life=half_life.value,
        identity=identity,
        identity_half_life=_identity_half_life(identity),
        contraction=interval(contraction),
        turn=_turn(evidence, limits),
        levelling=levelling(finished, pairs, level),
        r2=_over_runs(finished, "r2", pairs, level),
        r2_error=_r2_error(finished),
        samples=_samples(finished),
        alive=_over_runs(finished, "alive", pairs, level),
        runs=_run_findings(runs, dict(zip(pairs.ids, pairs.groups.tolist(), strict=True))),
        pairs=_pair_curves(pairs),
        subspace_rank=about.subspace_rank,
        stable_rank=_mean([run.stable_rank for run in about.runs]),
        atom_norm_squared=_mean([run.atom_norm_squared for run in about.runs]),
    )
    return Analysed(findings, runs[0].record, pairs, run_metric(finished, "r2", pairs.steps), floor.value)


def _of_one_start(identity: MeasureFindings | None) -> Curve | None:
    """Identity over runs of one start; None where no two runs share one."""
    curve = None if identity is None else identity.within.curve
    return None if curve is None or all(math.isnan(value) for value in curve.value) else curve


def _identity_half_life(identity: Curve | None) -> float:
    if identity is None:
        return math.nan
    steps, values = torch.tensor(identity.steps), torch.tensor(identity.value)
    return statistics.half_life(steps, values, of="identity").value


def _verdict(evidence: Evidence, said: Mapping[str, MeasureEvidence], limits: Limits, level: float) -> Verdict:
    judgement = judge(evidence, limits)
    asked = {name: said[name] for name, measure in MEASURES.items() if measure.contradicts and name in said}
    otherwise = disagreements(said["agreement"], asked, margin=limits.margin)
    error = claim_error(evidence, limits, most=1 - level)
    return Verdict(**vars(judgement), error=error, disagreements=otherwise)


def _turn(evidence: Evidence, limits: Limits) -> Turn | None:
    peak = evidence.deciding.turned(limits.margin)
    return None if peak is None else Turn(step=peak.step, peak=peak.value, fall=interval(peak.fall))


def _identity(planned: PlannedCondition, record: RunRecord) -> dict[str, Any]:
    return {
        "name": planned.name,
        "arm": planned.arm,
        "preprocess": planned.preprocess,
        "kind": record.method["kind"],
        "start_kind": record.start["kind"],
        "determined": record.determined,
    }


def _run_findings(runs: Sequence[Trajectory], groups: dict[str, int]) -> tuple[RunFindings, ...]:
    return tuple(
        RunFindings(
            id=run.id,
            start_index=run.record.start_index,
            run_index=run.record.run_index,
            init_group=groups.get(run.id, -1),
            rolls=run.record.rolls,
            status=run.done.status if run.done else "unfinished",
            remedy=run.done.remedy if run.done else None,
            metrics=_metrics(run),
        )
        for run in runs
    )


def _metrics(run: Trajectory) -> dict[str, tuple[float | int, ...]]:
    """All metrics of a run that has ended; of one that has not, only the steps that it has reached."""
    if run.done is None:
        return {"step": run.steps}
    return {name: tuple(values) for name, values in run.metrics.to_dict(as_series=False).items()}


def _pair_curves(pairs: Pairs) -> tuple[PairCurve, ...]:
    matched, groups = pairs.measures["agreement"], pairs.groups.tolist()
    return tuple(
        PairCurve(
            run_a=pairs.ids[i],
            run_b=pairs.ids[j],
            relation="within" if groups[i] == groups[j] else "between",
            agreement=tuple(matched[:, i, j].tolist()),
        )
        for i, j in combinations(range(len(pairs.ids)), 2)
    )


def _over_runs(runs: Sequence[Trajectory], name: str, pairs: Pairs, level: float) -> Interval:
    return interval(statistics.over_runs(run_metric(runs, name, pairs.steps[-1:]), pairs.groups, level=level)[0])


def _samples(runs: Sequence[Trajectory]) -> Literal["one", "several"]:
    """Whether the runs read one sample of activations, or several disjoint parts of one."""
    return "several" if len({run.record.part for run in runs}) > 1 else "one"


def _r2_error(runs: Sequence[Trajectory]) -> float:
    """Of a run's R² over held-out text; nan where the runs are of before it was recorded."""
    return _mean([run.metrics["r2_error"][-1] for run in runs if "r2_error" in run.metrics.columns])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _not_compared(
    folder: StudyFolder, planned: PlannedCondition, runs: Sequence[Trajectory], limits: Limits
) -> Analysed:
    """What can still be said about a condition in which no two runs finished."""
    finished = [run for run in runs if run.finished]
    nothing = too_few(len(finished))
    evidence = nothing_known(len(finished), min((run.metrics["r2"][-1] for run in finished), default=math.nan))

    def alone(name: str) -> Interval:
        """The mean over the runs there are, without a spread."""
        mean = _mean([run.metrics[name][-1] for run in finished])
        return interval(replace(nothing, value=mean, reason="one run: no spread" if finished else nothing.reason))

    record = runs[0].record
    findings = ConditionFindings(
        **_identity(planned, record),
        sign=record.sign,
        n_atoms=record.method["n_atoms"],
        d_model=len(folder.moments(planned.preprocess)["mean"]),
        init_groups=len(finished),
        steps=(),
        verdict=Verdict(**vars(judge(evidence, limits))),
        measures={},
        metrics={},
        memory=None,
        half_life=math.nan,
        contraction=interval(nothing),
        r2=alone("r2"),
        r2_error=_r2_error(finished),
        samples=_samples(finished),
        alive=alone("alive"),
        runs=_run_findings(runs, {}),
        pairs=(),
        stable_rank=math.nan,
        atom_norm_squared=math.nan,
    )
    return Analysed(findings, record, None, None, math.nan)
