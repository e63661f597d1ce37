"""Running a study: collect nothing twice, train what is not trained yet, draw the floors, compare, judge."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from reseed import kernels
from reseed._support import progress, stopping
from reseed._support.guard import guarded
from reseed._support.mistakes import shown
from reseed._support.threads import workers
from reseed._support.version import VERSION
from reseed.activations import preprocessed
from reseed.activations.surrogate import surrogate, surrogate_fingerprint
from reseed.analysis import (
    compare_across,
    compare_runs,
    forget_unfinished,
    forget_unfinished_across,
    is_compared,
    judge_study,
)
from reseed.errors import SpecError, TrajectoryError
from reseed.pipeline.barriers import measure_barriers
from reseed.pipeline.draws import draw_of_activations, n_draws
from reseed.pipeline.looks import looked
from reseed.pipeline.memory import enough_memory
from reseed.pipeline.rejudge import measure_floors, prepare
from reseed.pipeline.room import check_room
from reseed.pipeline.sample import about_starts
from reseed.pipeline.session import check_place, checked_sizes, device_of, reading, tell, told_from
from reseed.reappearance import keep_features
from reseed.training import Context, train
from reseed.trajectory import Manifest, PlannedCondition, StudyFolder

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Executor

    from reseed.activations import Activations, Preprocessed
    from reseed.analysis import FloorTables
    from reseed.findings import Findings
    from reseed.spec import Condition, RunSpec, Study

__all__ = ["run"]


@guarded()
@stopping.noticed()
def run(study: Study, out: str | Path, *, quiet: bool = False) -> Findings:
    """Train, compare, judge; a study that was stopped anywhere goes on, and ends with the same bytes.

    Raises:
        SpecError: `out` holds another study or cannot be written, the study does not suit its activations, or needs
            more memory or disk than there is.
        ActivationsError: the activations are missing, damaged or too few.
        TrajectoryError: another process runs a study in `out`, or what is there is damaged.
        MemoryShortError: memory ran out; what is saved stays.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; every run is saved first.
    """
    out = Path(out)
    check_place(out)
    study = looked(study, out)
    check_room(study, checked_sizes(study), out)
    with reading(study, study.preprocess, quiet=quiet) as (read, each_seen):
        activations = _told_of_starts(study, read, quiet=quiet)
        plan = _plan(study, activations, _planned_before(out))
        machine = _machine(study, out, plan)
        folder = StudyFolder(out)
        with folder.alone(), workers(study.training.threads) as pool, progress.bar(quiet=quiet) as show:
            folder.clear_remains()
            folder.check(pool.map, advance=show("check files", folder.n_files))
            _check_records(folder, plan)
            folder.forget_missing()
            folder = _prepare(study, out, plan, activations, machine)
            return _run(study, folder, plan, activations, each_seen, pool=pool, show=show)


def _told_of_starts(study: Study, activations: Activations, *, quiet: bool) -> Activations:
    """The same, with what starts cannot tell among their warnings; it is said on stderr, too."""
    said = tuple(about_starts(study, activations.d_model))
    tell(said, quiet=quiet)
    return replace(activations, warnings=(*activations.warnings, *said))


class _Planned(NamedTuple):
    """What is trained for one condition."""

    condition: Condition
    runs: tuple[RunSpec, ...]
    children: tuple[RunSpec, ...]
    surrogates: tuple[RunSpec, ...]

    @property
    def every(self) -> tuple[RunSpec, ...]:
        """Runs, children and runs on the surrogate."""
        return self.runs + self.children + self.surrogates


def _planned_before(out: Path) -> frozenset[str]:
    """The ids of the runs that a study folder plans already."""
    return frozenset(StudyFolder.open(out).manifest.planned) if (out / "manifest.json").exists() else frozenset()


def _plan(study: Study, activations: Activations, before: Collection[str]) -> dict[str, _Planned]:
    """By name of the condition, what is trained for it on these activations, under the ids that it has."""
    read = activations.fingerprint
    kind = study.floors.surrogate
    beside = "" if kind == "off" else surrogate_fingerprint(activations, kind)
    return {
        condition.name: _Planned(
            condition,
            tuple(spec.kept_in(before) for spec in study.runs_of(condition, activations=read)),
            tuple(spec.kept_in(before) for spec in study.children_of(condition, activations=read)),
            study.surrogates_of(condition, activations=beside),
        )
        for condition in study.conditions
    }


def _check_records(folder: StudyFolder, plan: dict[str, _Planned]) -> None:
    """Refuse a run whose record is not what its id stands for: somebody else's, under its name.

    Ids of the first form have names in them that a record need not have.
    """
    for spec in (spec for planned in plan.values() for spec in planned.every if spec.kept is None):
        run = folder.run(spec.id)
        if (run.folder / "spec.json").exists() and run.record.identity != spec.record(points=None).identity:
            raise TrajectoryError(
                f"{run.folder / 'spec.json'} describes another run than the id of its folder: delete {run.folder} and "
                "run the same study again"
            )


def _run(
    study: Study,
    folder: StudyFolder,
    plan: dict[str, _Planned],
    activations: Activations,
    each_seen: list[Preprocessed],
    *,
    pool: Executor,
    show: progress.Show,
) -> Findings:
    device = torch.device(folder.manifest.machine["device"])
    forget_unfinished(folder)
    forget_unfinished_across(folder)
    shared: FloorTables = {}
    if not _is_finished(folder, plan):
        kernels.prepare()
        prepare()
    structureless = _surrogate(study, folder, plan, activations)
    for seen in each_seen:
        written = seen.written(study.columns_read)
        _write_moments(folder, written)
        with enough_memory(f"drawing the floors @{seen.name}", "n_atoms"):
            draw_of_activations(study, folder, written, pool, advance=show(f"floors @{seen.name}", n_draws(study)))
        context = Context.of_one(seen, folder, device, pool)
        if structureless is not None:
            context = context.beside(preprocessed(structureless, seen.name))
        for name, planned in plan.items():
            if planned.condition.preprocess == seen.name:
                with enough_memory(f"comparing the runs of {name}", "starts, runs_per_start or n_atoms"):
                    _run_condition(name, planned, context, shared, show)
    with enough_memory("comparing runs of different arms", "n_atoms"):
        compare_across(folder, pool)
    findings = judge_study(folder, advance=show("judge", len(plan)))
    with enough_memory("looking for features that come back", "n_atoms"):
        keep_features(folder, pool, show)
    return findings


def _is_finished(folder: StudyFolder, plan: dict[str, _Planned]) -> bool:
    """Whether all is trained, and the last table of every comparison written: then there is nothing to prepare for."""
    trained = (folder.run(spec.id).done is not None for planned in plan.values() for spec in planned.every)
    return all(trained) and all((folder.compared(name).path / "barriers.parquet").exists() for name in plan)


def _surrogate(
    study: Study, folder: StudyFolder, plan: dict[str, _Planned], activations: Activations
) -> Activations | None:
    """Rows with nothing but the moments and lengths of the activations; None where no run has to read them any more."""
    kind = study.floors.surrogate
    every = (spec for planned in plan.values() for spec in planned.surrogates)
    if kind == "off" or all(folder.run(spec.id).done is not None for spec in every):
        return None
    return surrogate(activations, kind, folder=folder.path)


def _run_condition(name: str, planned: _Planned, context: Context, shared: FloorTables, show: progress.Show) -> None:
    """Train the runs of one condition, and write down all that judging reads about them."""
    training, n_pairs = planned.runs[0].training, math.comb(len(planned.runs), 2)
    n_runs, beside = len(planned.every), len(planned.surrogates)
    told = f", {beside} of them on the surrogate" if beside else ""
    advance = show(f"train {name}", n_runs * training.steps, f"steps of {n_runs} runs{told}")
    with enough_memory(f"training {name}", "starts, runs_per_start or n_atoms"):
        pending = _pending(planned, context.folder)
        advance((n_runs - len(pending)) * training.steps)
        train(pending, context, advance=advance)
    advance = show(f"compare {name}", n_pairs * len(training.snapshots))
    if is_compared(context.folder, name):
        advance(n_pairs * len(training.snapshots))
    else:
        compare_runs(context.folder, name, context.workers, advance=advance)
    measure_floors(context.folder, name, {spec.id: spec.first_id for spec in planned.runs}, context.workers, shared)
    advance = show(f"barriers {name}", n_pairs)
    seen = context.seen(planned.runs[0])
    mean = seen.activations.moments.mean
    measure_barriers(context.folder, name, seen.heldout, mean, context.workers, advance=advance)


def _pending(planned: _Planned, folder: StudyFolder) -> tuple[RunSpec, ...]:
    """The runs of a condition: of those on the surrogate only what is not done, or the surrogate would be needed."""
    ahead = tuple(spec for spec in planned.surrogates if folder.run(spec.id).done is None)
    return planned.runs + planned.children + ahead


def _machine(study: Study, out: Path, plan: dict[str, _Planned]) -> dict[str, str]:
    """What trains: this machine, or for a continued study what it was begun with. Refuses what cannot go on here."""
    if not (out / "manifest.json").exists():
        return {"torch": torch.__version__, "device": device_of(study.training.device)}
    folder = StudyFolder.open(out)
    _check_same_study(folder, plan)
    machine = folder.manifest.machine
    device = machine.get("device")
    if device not in {"cpu", "cuda"} or "torch" not in machine:
        raise TrajectoryError(
            f"{out / 'manifest.json'} does not say on which device and torch the study was begun (machine = "
            f"{shown(machine)}): copy it from where it is whole, or delete {out} and run the study again"
        )
    if device == "cuda":
        device_of("cuda")
    return machine


def _prepare(
    study: Study,
    out: Path,
    plan: dict[str, _Planned],
    activations: Activations,
    machine: dict[str, str],
) -> StudyFolder:
    """The study folder, new or continued."""
    folder = StudyFolder(out)
    if (out / "manifest.json").exists() and folder.manifest.reseed != VERSION:
        folder.forget_compared()
    manifest = Manifest(
        reseed=VERSION,
        machine=machine,
        study=study.digest,
        thresholds=study.thresholds.model_dump(mode="json"),
        activations={"fingerprint": activations.fingerprint, "tokens": activations.n_tokens, **activations.about},
        warnings=activations.warnings,
        conditions=tuple(_planned_condition(planned, activations.fingerprint) for planned in plan.values()),
    )
    if (out / "manifest.json").exists():
        _forget_other_keys(folder, manifest)
    folder.write_text("study.toml", told_from(out, study).to_toml())
    folder.write_manifest(manifest)
    return StudyFolder.open(out)


def _forget_other_keys(folder: StudyFolder, manifest: Manifest) -> None:
    """Remove what was compared under keys that this study does not have: those of a study of an older format."""
    kept = {condition.key for condition in manifest.conditions}
    for condition in folder.manifest.conditions:
        if condition.key not in kept:
            folder.compared(condition.name).forget()


def _planned_condition(planned: _Planned, activations: str) -> PlannedCondition:
    return PlannedCondition(
        name=planned.condition.name,
        arm=planned.condition.arm.name,
        preprocess=planned.condition.preprocess,
        key=planned.condition.key(activations=activations),
        runs=tuple(spec.id for spec in planned.runs),
        children=tuple(spec.id for spec in planned.children),
        surrogates=tuple(spec.id for spec in planned.surrogates),
    )


def _check_same_study(folder: StudyFolder, plan: dict[str, _Planned]) -> None:
    before = set(folder.manifest.planned)
    lost = before - {spec.id for planned in plan.values() for spec in planned.every}
    if any(spec.earlier_ids & lost for planned in plan.values() for spec in planned.runs):
        raise SpecError(
            f"{folder.path} was begun when data and k-means starts of methods with a decoder bias were not yet less "
            "that decoder bias; these starts are others now, and the two are not mixed: judge what is there with  "
            f"reseed report {folder.path} --rejudge, or choose another --out"
        )
    looks = [look["starts"] for look in folder.manifest.thresholds.get("looks", ())]
    if lost and looks:
        raise SpecError(
            f"{folder.path} holds a study that grows, with looks at {', '.join(map(str, looks))} starts: go on with  "
            "reseed run STUDY --until settled, or choose another --out"
        )
    if lost:
        raise SpecError(
            f"{folder.path} holds another study: {len(lost)} of its {len(before)} runs are not part of this one "
            f"(such as {min(lost)}); choose another --out, or delete the folder"
        )


def _write_moments(folder: StudyFolder, seen: Preprocessed) -> None:
    tensors = {"mean": seen.moments.mean, "covariance": seen.moments.covariance}
    tensors |= {f"preprocess.{name}": tensor for name, tensor in seen.preprocess.to_tensors().items()}
    folder.write_moments(seen.name, tensors)
