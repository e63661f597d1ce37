"""From a study folder to its findings. Reads the folder only: no activations, no training code."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import torch

from reseed.comparison import compare_arms
from reseed.conditions import analyse_condition
from reseed.files import replacing
from reseed.findings import Findings, Geometry
from reseed.verdict import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from reseed.conditions import Analysed
    from reseed.findings import ConditionFindings
    from reseed.trajectory import StudyFolder

__all__ = ["analyse"]


def analyse(folder: StudyFolder, pool: Executor, *, advance: Callable[[int], None] = lambda _: None) -> Findings:
    """Compare, judge, and write `pairs.parquet` and `findings.json`.

    Args:
        folder: a study whose runs have ended; what is unfinished is named in the warnings.
        pool: threads that pairs of runs are matched on.
        advance: told after every condition.
    """
    study = tomllib.loads((folder.path / "study.toml").read_text(encoding="utf-8"))
    thresholds = dict(study["thresholds"])
    level = thresholds.pop("level")
    analysed: list[Analysed] = []
    for condition, _ in folder.manifest["conditions"]:
        runs = folder.runs(condition)
        if runs:
            analysed.append(analyse_condition(runs, folder, Limits(**thresholds), pool, level=level))
        advance(1)
    _write_pairs(folder, analysed)
    conditions = tuple(each.findings for each in analysed)
    findings = Findings(
        reseed=folder.manifest["reseed"],
        study=study,
        activations=folder.manifest["activations"],
        machine=folder.manifest["machine"],
        headline=_headline(conditions),
        geometry=tuple(_geometry(folder, name) for name in study["preprocess"]),
        conditions=conditions,
        comparisons=compare_arms(analysed, margin=thresholds["margin"], level=level),
        warnings=_warnings(folder, conditions),
    )
    findings.write(folder.path / "findings.json")
    return findings


def _write_pairs(folder: StudyFolder, analysed: Sequence[Analysed]) -> None:
    tables = [
        each.pairs.table.select(pl.lit(each.findings.name).alias("condition"), pl.all())
        for each in analysed
        if each.pairs is not None
    ]
    if tables:
        with replacing(folder.path / "pairs.parquet") as temporary:
            pl.concat(tables).write_parquet(temporary)


def _headline(conditions: Sequence[ConditionFindings]) -> str:
    """How many conditions got which verdict, the most frequent first."""
    counts = Counter(str(condition.verdict.outcome) for condition in conditions)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return f"{len(conditions)} condition{'' if len(conditions) == 1 else 's'}: {told}."


def _geometry(folder: StudyFolder, preprocess: str) -> Geometry:
    moments = folder.moments(preprocess)
    mean, covariance = moments["mean"], moments["covariance"]
    offset, spread = mean.square().sum(), covariance.trace()  # tensors: nothing that varies gives nan, not an error
    return Geometry(
        preprocess=preprocess,
        mean_cosine=(offset / (offset + spread)).item(),
        mean_over_spread=(offset / spread).sqrt().item(),
        participation_ratio=(spread.square() / covariance.square().sum()).item(),
        top_share=(torch.linalg.eigvalsh(covariance)[-1] / spread).item(),
    )


def _warnings(folder: StudyFolder, conditions: Sequence[ConditionFindings]) -> tuple[str, ...]:
    """What a reader must know before believing the numbers."""
    warnings: list[str] = []
    for condition in conditions:
        ended_badly = (run for run in condition.runs if run.status != "finished")
        warnings += [f"{run.id} is {run.status}" + (f": {run.remedy}" if run.remedy else "") for run in ended_badly]
        between = condition.estimates.get("between")
        if between is not None and between.reason:
            warnings.append(f"{condition.name}: {between.reason}")
        if condition.contraction_reason:
            warnings.append(f"{condition.name}: {condition.contraction_reason}")
    begun = {run.id for condition in conditions for run in condition.runs}
    planned = (run_id for _, run_ids in folder.manifest["conditions"] for run_id in run_ids)
    missing = [run_id for run_id in planned if run_id not in begun]
    return (*warnings, *(f"{run_id} has not begun: run the study again to train it" for run_id in missing))
