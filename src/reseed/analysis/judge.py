"""Judging reads: from the tables of a study folder to its findings. It opens no dictionary, and writes no table."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reseed._support.mistakes import mistakes, shown
from reseed.analysis.across import across_arms, across_of
from reseed.analysis.arms import compare_arms
from reseed.analysis.conditions import judge_condition
from reseed.analysis.dice_effects import dice_effects
from reseed.analysis.given import given_study
from reseed.analysis.many import among_many
from reseed.analysis.question import answer, question
from reseed.analysis.same_ends import same_ends
from reseed.errors import TrajectoryError
from reseed.findings import Findings, Geometry
from reseed.statistics import spectrum
from reseed.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reseed.analysis.conditions import Analysed
    from reseed.findings import ConditionFindings
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["judge_study"]


def judge_study(folder: StudyFolder, *, advance: Callable[[int], None] = lambda _: None) -> Findings:
    """Judge every condition by its tables, compare the arms, and write `findings.json`.

    Args:
        folder: a study whose runs have ended and are compared; what is unfinished is named in the warnings.
        advance: told after every condition.
    """
    study = given_study(folder)
    limits = _thresholds(folder, study).at(study.get("starts", 0))
    level = limits.level
    judged: list[Analysed] = []
    for planned in folder.manifest.conditions:
        each = judge_condition(folder, planned, limits, level=level)
        judged += [] if each is None else [each]
        advance(1)
    judged = among_many(judged, error=1 - level) if limits.holm else judged
    conditions = tuple(each.findings for each in judged)
    comparisons = compare_arms(judged, margin=limits.margin, level=level, study=study)
    across = across_of(folder)
    alike = same_ends(judged, across, margin=limits.margin, level=level)
    findings = Findings(
        reseed=folder.manifest.reseed,
        study=study,
        activations=folder.manifest.activations,
        machine=folder.manifest.machine,
        headline=_headline(conditions),
        question=question(conditions),
        answer=answer(conditions, comparisons, alike, limits),
        geometry=tuple(_geometry(folder, name) for name in _preprocessings(folder)),
        conditions=conditions,
        comparisons=comparisons,
        across=across_arms(judged, across),
        same_ends=alike,
        shared_dice=dice_effects(judged, level=level),
        warnings=(*_changed_thresholds(folder, study), *_warnings(folder, conditions), *_missing(folder)),
        judged_from=folder.judged_from(),
    )
    folder.write_text("findings.json", findings.to_json())
    folder.sums.settle()
    return findings


def _thresholds(folder: StudyFolder, study: Mapping[str, Any]) -> Thresholds:
    """Those of the study; an older reseed may have known fewer of them.

    Raises:
        TrajectoryError: one is unknown, or lies outside its range.
    """
    try:
        return Thresholds.model_validate(study.get("thresholds", {}))
    except ValidationError as error:
        told = "; ".join(f"thresholds.{mistake}" for mistake in mistakes(error, Thresholds))
        raise TrajectoryError(f"{folder.path / 'study.toml'}: {told}") from error


def _preprocessings(folder: StudyFolder) -> tuple[str, ...]:
    """Those that the study plans, in its order."""
    return tuple(dict.fromkeys(planned.preprocess for planned in folder.manifest.conditions))


def _headline(conditions: Sequence[ConditionFindings]) -> str:
    """How many conditions got which verdict, the most frequent first."""
    if not conditions:
        return "Nothing can be said: no run of this study has a step 0."
    counts = Counter(str(condition.verdict.outcome) for condition in conditions)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return f"{len(conditions)} condition{'' if len(conditions) == 1 else 's'}: {told}."


def _geometry(folder: StudyFolder, preprocess: str) -> Geometry:
    moments = folder.moments(preprocess)
    mean, covariance = moments["mean"], moments["covariance"]
    return Geometry(
        preprocess=preprocess,
        mean_cosine=spectrum.mean_share(mean, covariance),
        mean_over_spread=spectrum.mean_over_spread(mean, covariance),
        participation_ratio=spectrum.participation_ratio(covariance),
        top_share=spectrum.top_share(covariance),
    )


def _warnings(folder: StudyFolder, conditions: Sequence[ConditionFindings]) -> tuple[str, ...]:
    """What a reader must know before believing the numbers."""
    warnings = list(folder.manifest.warnings)
    for condition in conditions:
        ended_badly = (run for run in condition.runs if run.status != "finished")
        warnings += [f"{run.id} is {run.status}" + (f": {run.remedy}" if run.remedy else "") for run in ended_badly]
        warnings += [_lost(folder.run(run.id), condition) for run in condition.runs if _lost_steps(folder.run(run.id))]
        warnings += [f"{condition.name}: {reason}" for reason in _unsaid(condition)]
        births = None if condition.determined else condition.births
        if births and any(pair.found and pair.relation == "between" for pair in births.pairs):
            warnings.append(f"{condition.name}: {births.sentence}")
    children = [child for planned in folder.manifest.conditions for child in folder.children(planned.name)]
    warnings += [_ended(child) for child in children if not child.finished]
    warnings += [_lost(child, None) for child in children if _lost_steps(child)]
    beside = [folder.run(run_id) for run_id in folder.manifest.surrogates]
    warnings += [_ended(run) for run in beside if run.steps and not run.finished]
    warnings += [_lost_on_surrogate(run) for run in beside if _lost_steps(run) and run.steps]
    warnings += [_absent(run) for run in beside if not run.steps]
    begun = {run.id for condition in conditions for run in condition.runs} | {child.id for child in children}
    return (*warnings, *(_absent(folder.run(run_id)) for run_id in folder.manifest.planned if run_id not in begun))


def _unsaid(condition: ConditionFindings) -> list[str]:
    """Why there is no agreement between starts, within them, or no contraction; of one start this is one sentence."""
    said, contraction = condition.agreement, condition.contraction
    between = said.between.last.reason if said else ""
    if condition.init_groups == 1 and between:
        return [between]
    reasons = (
        between,
        said.within.last.reason if said else "",
        contraction.reason if math.isnan(contraction.value) else "",
    )
    return [reason for reason in dict.fromkeys(reasons) if reason]


def _missing(folder: StudyFolder) -> list[str]:
    """Which files beside the runs are gone: what was compared may rest on them."""
    again = "run the study again to have it"
    return [f"{path} is missing: {again}" for path in folder.sums.missing() if path.name != "findings.json"]


def _changed_thresholds(folder: StudyFolder, study: Mapping[str, Any]) -> list[str]:
    """Which words mean something else than when the study was run."""
    before, now = folder.manifest.thresholds, study.get("thresholds", {})
    return [
        f"judged with {name} = {shown(now[name])} instead of {shown(before[name])}, which the study was run with"
        for name in before
        if name in now and now[name] != before[name]
    ]


def _ended(child: Trajectory) -> str:
    if child.done is None:
        return f"{child.id} is unfinished"
    return f"{child.id} is {child.done.status}" + (f": {child.done.remedy}" if child.done.remedy else "")


def _absent(run: Trajectory) -> str:
    """Why a run takes no part although the study plans it."""
    if run.done and not run.steps:
        return f"{run.id} has lost all its snapshots and takes no part: {_made_again(run)}"
    if not run.steps:
        return f"{run.id} has not begun: run the study again to train it"
    return f"{run.id} has lost its step 0 and takes no part, since nobody knows where it began: {_made_again(run)}"


def _lost(run: Trajectory, condition: ConditionFindings | None) -> str:
    """Which snapshots of an ended run are gone, and what that does to its condition, or to a child's own curve."""
    lost = ", ".join(f"{step:,}" for step in _lost_steps(run))
    if condition is None:
        left = f"; it is compared with its parent at step {run.steps[-1]:,}"
    else:
        left = ", where no run is compared now"
        left += f"; {condition.name} is judged at step {condition.steps[-1]:,}" if condition.steps else ""
    return f"{run.id} has lost its snapshots of steps {lost}{left}: {_made_again(run)}"


def _lost_on_surrogate(run: Trajectory) -> str:
    lost = ", ".join(f"{step:,}" for step in _lost_steps(run))
    return f"{run.id} has lost its snapshots of steps {lost}: the surrogate may be missing a run; {_made_again(run)}"


def _lost_steps(run: Trajectory) -> list[int]:
    """The steps of which an ended run has metrics and no snapshot."""
    return sorted(set(run.metrics["step"]) - set(run.steps)) if run.done else []


def _made_again(run: Trajectory) -> str:
    return f"to have it again, delete {run.folder} and run the study again"
