"""From a study folder to its findings. Reads the folder only: no activations, no training code."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import torch

from reseed import statistics
from reseed._support.files import replacing
from reseed.analysis.arms import compare_arms
from reseed.analysis.children import measure_children, spawn_curve
from reseed.analysis.conditions import analyse_condition, compare_runs, interval
from reseed.analysis.dice_effects import shared_dice
from reseed.analysis.pairs import MEASURES, NAMES
from reseed.findings import Findings, Geometry
from reseed.statistics import spectrum
from reseed.thresholds import LEVEL, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from reseed.analysis.conditions import Analysed
    from reseed.analysis.pairs import Pairs
    from reseed.findings import ConditionFindings
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["NOTHING", "analyse", "compare", "known_pairs"]

NOTHING = pl.DataFrame()
"""No pairs are known."""


def known_pairs(folder: StudyFolder) -> pl.DataFrame:
    """The rows of `pairs.parquet` about runs that have ended; all others are removed from the file.

    A run that has not ended may become another one before its pairs are measured again.
    """
    if not folder.pairs_path.exists():
        return NOTHING
    ended = [done.parent.name for done in folder.path.glob("runs/*/done")]
    try:
        table = pl.read_parquet(folder.pairs_path)
    except (OSError, pl.exceptions.PolarsError):
        table = NOTHING
    if set(table.columns) != {"condition", *NAMES, *MEASURES} or any(table.null_count().row(0)):
        table = NOTHING  # damaged, or of another version: it is made anew
    else:
        table = table.filter(pl.col("run_a").is_in(ended), pl.col("run_b").is_in(ended))
    _write_pairs(folder, table)
    return table


def compare(
    folder: StudyFolder,
    condition: str,
    pool: Executor,
    known: pl.DataFrame,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> pl.DataFrame:
    """Match the pairs of one condition that are not known yet, and write `pairs.parquet`.

    Args:
        folder: a study; runs that have not ended take no part.
        condition: its name.
        pool: threads that pairs of runs are matched on.
        known: rows of `pairs.parquet`, of any conditions.
        advance: told how many pairs lie behind, snapshot by snapshot.

    Returns:
        `known` with all pairs of this condition, those of children and their parents last.
    """
    mine = _of(known, condition)
    pairs = compare_runs(folder.runs(condition), folder, pool, known=mine, advance=advance)
    children = measure_children(folder, condition, pool, known=mine)
    others = known.filter(pl.col("condition") != condition) if "condition" in known.columns else known
    table = pl.concat([others, *_named(condition, pairs, children)], how="diagonal")
    _write_pairs(folder, table)
    return table


def analyse(
    folder: StudyFolder,
    pool: Executor,
    *,
    known: pl.DataFrame | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Compare what is not known yet, judge, and write `pairs.parquet` and `findings.json`.

    Args:
        folder: a study whose runs have ended; what is unfinished is named in the warnings.
        pool: threads that pairs of runs are matched on.
        known: what `compare` gave; None: nothing is known.
        advance: told after every condition.
    """
    known = NOTHING if known is None else known
    study = tomllib.loads((folder.path / "study.toml").read_text(encoding="utf-8"))
    thresholds = dict(study.get("thresholds", {}))  # an older reseed may have known fewer of them
    level = thresholds.pop("level", LEVEL)
    limits = Limits(**thresholds)
    analysed: list[Analysed] = []
    tables: list[pl.DataFrame] = []
    for condition, _ in folder.manifest["conditions"]:
        runs = folder.runs(condition)
        if runs:
            mine = _of(known, condition)
            each = analyse_condition(runs, folder, limits, pool, level=level, known=mine)
            children = measure_children(folder, condition, pool, known=mine)
            tables += _named(condition, each.pairs, children)
            each = _with_children(each, children, folder, limits.convergent, level)
            analysed.append(_with_barriers(each, folder, level))
        advance(1)
    _write_pairs(folder, pl.concat(tables) if tables else NOTHING)
    conditions = tuple(each.findings for each in analysed)
    findings = Findings(
        reseed=folder.manifest["reseed"],
        study=study,
        activations=folder.manifest["activations"],
        machine=folder.manifest["machine"],
        headline=_headline(conditions),
        geometry=tuple(_geometry(folder, name) for name in study["preprocess"]),
        conditions=conditions,
        comparisons=compare_arms(analysed, margin=limits.margin, level=level),
        shared_dice=shared_dice(analysed, study["arms"], level=level),
        warnings=_warnings(folder, conditions),
    )
    findings.write(folder.path / "findings.json")
    return findings


def _named(condition: str, pairs: Pairs | None, children: pl.DataFrame) -> list[pl.DataFrame]:
    tables = [children] if pairs is None else [pairs.table, children]
    return [table.select(pl.lit(condition).alias("condition"), pl.all()) for table in tables if not table.is_empty()]


def _with_children(
    each: Analysed, children: pl.DataFrame, folder: StudyFolder, convergent: float, level: float
) -> Analysed:
    groups = {run.id: run.init_group for run in each.findings.runs}
    curve = spawn_curve(folder, children, groups, floor=each.floor, convergent=convergent, level=level)
    return replace(each, findings=each.findings.model_copy(update={"spawn": curve}))


def _with_barriers(each: Analysed, folder: StudyFolder, level: float) -> Analysed:
    """The findings with the barriers that training left behind; without them where it left none of some pair."""
    table = folder.barriers(each.findings.name)
    if each.pairs is None or table is None:
        return each
    place = {run.id: i for i, run in enumerate(run for run in each.findings.runs if run.status == "finished")}
    estimates = {}
    for kind in ("matched", "unmatched"):
        matrix = torch.full((1, len(place), len(place)), torch.nan, dtype=torch.float64)
        for run_a, run_b, value in table.select("run_a", "run_b", kind).iter_rows():
            if run_a in place and run_b in place:
                matrix[0, place[run_a], place[run_b]] = matrix[0, place[run_b], place[run_a]] = value
        for relation, over in (("within", statistics.within), ("between", statistics.between)):
            estimates[f"{relation} {kind}"] = interval(over(matrix, each.pairs.starts, level=level)[0])
    return replace(each, findings=each.findings.model_copy(update={"barrier": estimates}))


def _of(known: pl.DataFrame, condition: str) -> pl.DataFrame:
    return known.filter(pl.col("condition") == condition) if "condition" in known.columns else known


def _write_pairs(folder: StudyFolder, table: pl.DataFrame) -> None:
    if table.is_empty():
        folder.pairs_path.unlink(missing_ok=True)
        return
    with replacing(folder.pairs_path) as temporary:
        table.write_parquet(temporary)


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
    warnings: list[str] = []
    for condition in conditions:
        ended_badly = (run for run in condition.runs if run.status != "finished")
        warnings += [f"{run.id} is {run.status}" + (f": {run.remedy}" if run.remedy else "") for run in ended_badly]
        warnings += [_lost(folder.run(run.id), condition) for run in condition.runs if _lost_steps(folder.run(run.id))]
        reasons = (condition.estimates[name].reason for name in ("between", "within") if name in condition.estimates)
        warnings += [f"{condition.name}: {reason}" for reason in dict.fromkeys(reasons) if reason]
        if condition.contraction_reason:
            warnings.append(f"{condition.name}: {condition.contraction_reason}")
    children = [child for name, _ in folder.manifest["conditions"] for child in folder.children(name)]
    warnings += [_ended(child) for child in children if (child.done or {}).get("status") != "finished"]
    begun = {run.id for condition in conditions for run in condition.runs} | {child.id for child in children}
    return (*warnings, *(_absent(folder.run(run_id)) for run_id in folder.planned if run_id not in begun))


def _ended(child: Trajectory) -> str:
    done = child.done or {"status": "unfinished"}
    return f"{child.id} is {done['status']}" + (f": {done['remedy']}" if "remedy" in done else "")


def _absent(run: Trajectory) -> str:
    """Why a run takes no part although the study plans it."""
    if not run.steps:
        return f"{run.id} has not begun: run the study again to train it"
    return f"{run.id} has lost its step 0 and takes no part, since nobody knows where it began: {_made_again(run)}"


def _lost(run: Trajectory, condition: ConditionFindings) -> str:
    """Which snapshots of an ended run are gone, and what that does to its condition."""
    lost = ", ".join(f"{step:,}" for step in _lost_steps(run))
    left = f"; {condition.name} is judged at step {condition.steps[-1]:,}" if condition.steps else ""
    return f"{run.id} has lost its snapshots of steps {lost}, where no run is compared now{left}: {_made_again(run)}"


def _lost_steps(run: Trajectory) -> list[int]:
    """The steps of which an ended run has metrics and no snapshot."""
    return sorted(set(run.metrics["step"]) - set(run.steps)) if run.done else []


def _made_again(run: Trajectory) -> str:
    return f"to have it again, delete {run.folder} and run the study again"
