"""Judging a study folder again, from what it holds; nothing that trains is loaded for it."""

from __future__ import annotations

import math
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from reseed._support import progress, stopping
from reseed._support.checksums import again, check_study, refuse
from reseed._support.guard import guarded
from reseed._support.threads import workers
from reseed.analysis import compare_across, compare_floors, compare_runs, is_compared, judge_study
from reseed.analysis.compare import first_of_groups
from reseed.errors import SpecError
from reseed.matching import match
from reseed.pipeline.draws_of_runs import draw_of_runs
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from reseed.analysis import FloorTables
    from reseed.findings import Findings

__all__ = ["measure_floors", "prepare", "rejudge"]


@guarded()
@stopping.noticed()
def rejudge(path: str | Path, *, quiet: bool = False) -> Findings:
    """Judge a study folder again by its tables, and compare first what they do not hold; needs no activations.

    Raises:
        TrajectoryError: there is no study, it is damaged or of another version, or another process writes it.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; what was compared is saved.
    """
    folder = StudyFolder.open(Path(path))
    with folder.alone(), workers(None) as pool, progress.bar(quiet=quiet) as show:
        _check(folder, pool, show)
        if not all(is_compared(folder, planned.name) for planned in folder.manifest.conditions):
            prepare()
        shared: FloorTables = {}
        for planned in folder.manifest.conditions:
            if is_compared(folder, planned.name):
                continue
            n_pairs = math.comb(len(planned.runs), 2)
            compare_runs(folder, planned.name, pool, advance=show(f"compare {planned.name}", n_pairs))
            measure_floors(folder, planned.name, {run_id: run_id for run_id in planned.runs}, pool, shared)
        compare_across(folder, pool)
        return judge_study(folder, advance=show("judge", len(folder.manifest.conditions)))


def _check(folder: StudyFolder, pool: Executor, show: progress.Show) -> None:
    """Refuse what is damaged. Of a `study.toml` thresholds and features may be edited, and nothing else."""
    toml = folder.path / "study.toml"
    found = check_study(folder.path, each=pool.map, advance=show("check files", folder.n_files))
    refuse(each for each in found if not (each.path == toml and each.changed))
    if any(each.path == toml and each.changed for each in found):
        _take_over_thresholds(folder, toml)


def _take_over_thresholds(folder: StudyFolder, toml: Path) -> None:
    from reseed.spec import Study, Thresholds  # noqa: PLC0415 (nothing that trains is loaded for judging)

    as_it_was = again([toml])
    try:
        edited = Study.read(toml)
    except SpecError as error:
        raise SpecError(f"{error}; to have the file as it was: {as_it_was}") from error
    as_run = edited.model_copy(update={"thresholds": Thresholds(**folder.manifest.thresholds)})
    if as_run.digest != folder.manifest.study:
        raise SpecError(
            f"{toml} says something else than what was run, and only its thresholds and features may change: "
            f"{as_it_was}"
        )
    folder.write_text("study.toml", toml.read_text(encoding="utf-8"))
    warnings.warn(
        f"{toml} has been edited since the study was run, and its thresholds and features are taken; to have the file "
        f"as it was: {as_it_was}",
        stacklevel=2,
    )


def prepare() -> None:
    """Load and compile what comparing calls, in this thread: several at once would wait for each other."""
    for module in ("reseed.measures._loops", "safetensors.torch", "scipy.sparse.linalg"):
        import_module(module)
    match(torch.eye(2), torch.eye(2))


def measure_floors(
    folder: StudyFolder, name: str, rolled_as: Mapping[str, str], pool: Executor, shared: FloorTables
) -> None:
    """The floors of one condition: those of its runs are drawn first, of the first run of every init group."""
    about = folder.compared(name).about
    if about is not None and about.has_pairs:
        draw_of_runs(folder, name, {run_id: rolled_as[run_id] for run_id in first_of_groups(about)})
        compare_floors(folder, name, pool, shared=shared)
