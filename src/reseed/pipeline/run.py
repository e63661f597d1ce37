"""Running a study: collect nothing twice, train what is not trained yet, draw the floors, analyse."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

import reseed
from reseed._support import progress
from reseed._support.files import canonical_json, sha256_of_text, write_json, write_tensors, write_text
from reseed._support.threads import workers
from reseed.activations import open_activations, view
from reseed.analysis import analyse, compare, known_pairs
from reseed.dice import roll
from reseed.errors import SpecError
from reseed.pipeline.barriers import measure_barriers
from reseed.pipeline.session import check_sizes, device_of, stoppable, told_from
from reseed.training import Context, train
from reseed.training.untrained import data_atoms, kmeans_atoms, kmeans_tokens
from reseed.trajectory import FORMAT_VERSION, StudyFolder, read_header

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.activations import Activations, View
    from reseed.findings import Findings
    from reseed.spec import RunSpec, Study

__all__ = ["rejudge", "run"]


def run(study: Study, out: str | Path, *, quiet: bool = False) -> Findings:
    """Train, compare, judge; a study that was stopped anywhere goes on, and ends with the same bytes.

    Raises:
        SpecError: `out` holds another study, or the study does not suit its activations.
        ActivationsError: the activations are missing, damaged or too few.
        TrajectoryError: another process runs a study in `out`, or what is there is damaged.
        Interrupted: Ctrl-C; every run is saved first.
    """
    out = Path(out)
    activations = open_activations(study.activations)
    check_sizes(study, activations)
    views = [view(activations, preprocess) for preprocess in study.preprocess]
    plan = _plan(study, activations.fingerprint)
    machine = _machine(study, out, plan)
    with StudyFolder(out).alone():
        return _run(study, _prepare(study, out, plan, activations, machine), plan, views, quiet=quiet)


class _Planned(NamedTuple):
    """What is trained for one condition."""

    runs: tuple[RunSpec, ...]
    children: tuple[RunSpec, ...]

    @property
    def every(self) -> tuple[RunSpec, ...]:
        """Runs and children."""
        return self.runs + self.children


def _plan(study: Study, activations: str) -> dict[str, _Planned]:
    """By name of the condition, what is trained for it on activations with this fingerprint."""
    return {
        condition.name: _Planned(
            study.runs_of(condition, activations=activations), study.children_of(condition, activations=activations)
        )
        for condition in study.conditions
    }


def _run(study: Study, folder: StudyFolder, plan: dict[str, _Planned], views: list[View], *, quiet: bool) -> Findings:
    device = torch.device(folder.manifest["machine"]["device"])
    known = known_pairs(folder)
    _forget_barriers(folder, plan)
    with workers(study.training.threads) as pool, progress.bar(quiet=quiet) as show:
        for seen in views:
            _write_moments(folder, seen)
            _draw_floors(study, folder, seen, pool, show)
            context = Context(seen, seen.heldout.rows.to(device), folder, device, pool)
            for name, planned in plan.items():
                if planned.runs[0].preprocess == seen.name:
                    total = len(planned.every) * study.training.steps
                    with stoppable() as stop:
                        train(planned.every, context, advance=show(f"train {name}", total), stop=stop)
                    n_pairs = math.comb(len(planned.runs), 2) * len(study.training.snapshots)
                    known = compare(folder, name, pool, known, advance=show(f"compare {name}", n_pairs))
                    advance = show(f"barriers {name}", math.comb(len(planned.runs), 2))
                    measure_barriers(folder, name, context.heldout, seen.moments.mean, pool, advance=advance)
        return analyse(folder, pool, known=known, advance=show("judge", len(plan)))


def _forget_barriers(folder: StudyFolder, plan: dict[str, _Planned]) -> None:
    """Remove the barriers of conditions that have runs to train: those may become others, and more pairs come."""
    for name, planned in plan.items():
        if any(folder.run(spec.id).done is None for spec in planned.runs):
            folder.barriers_path(name).unlink(missing_ok=True)


def rejudge(path: str | Path, *, quiet: bool = False) -> Findings:
    """Compare and judge a study folder again, from its trajectories alone; the activations are not needed.

    Raises:
        TrajectoryError: there is no study, or it is damaged or of another version.
    """
    folder = StudyFolder.open(Path(path))
    with workers(None) as pool, progress.bar(quiet=quiet) as show:
        return analyse(folder, pool, advance=show("compare", len(folder.manifest["conditions"])))


def _machine(study: Study, out: Path, plan: dict[str, _Planned]) -> dict[str, str]:
    """What trains: this machine, or for a continued study what it was begun with. Refuses what cannot go on here."""
    machine = {
        "torch": torch.__version__,
        "device": device_of(study.training.device),
    }
    if (out / "manifest.json").exists():
        folder = StudyFolder.open(out)
        _check_same_study(folder, plan)
        machine = folder.manifest["machine"]
        if machine["device"] == "cuda":
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
    if (out / "manifest.json").exists() and folder.manifest["reseed"] != reseed.__version__:
        folder.pairs_path.unlink(missing_ok=True)  # another version may have measured otherwise
        for name in plan:
            folder.barriers_path(name).unlink(missing_ok=True)
    folder.clear_remains()
    manifest = {
        "format_version": FORMAT_VERSION,
        "reseed": reseed.__version__,
        "machine": machine,
        "study": sha256_of_text(canonical_json(study.model_dump(mode="json", exclude=_not_hashed(study)))),
        "activations": {"fingerprint": activations.fingerprint, "tokens": activations.n_tokens, **activations.about},
        "conditions": [(name, [spec.id for spec in planned.runs]) for name, planned in plan.items()],
        "spawned": [(name, [spec.id for spec in planned.children]) for name, planned in plan.items()],
    }
    write_text(out / "study.toml", told_from(out, study).to_toml())
    write_json(out / "manifest.json", manifest)
    return StudyFolder.open(out)


def _not_hashed(study: Study) -> dict[str, bool | set[str]]:
    return {"activations": True, "training": study.training.outside_identity}


def _check_same_study(folder: StudyFolder, plan: dict[str, _Planned]) -> None:
    before = set(folder.planned)
    lost = before - {spec.id for planned in plan.values() for spec in planned.every}
    if lost:
        raise SpecError(
            f"{folder.path} holds another study: {len(lost)} of its {len(before)} runs are not part of this one "
            f"(such as {min(lost)}); choose another --out, or delete the folder"
        )


def _write_moments(folder: StudyFolder, seen: View) -> None:
    tensors = {"mean": seen.moments.mean, "covariance": seen.moments.covariance}
    tensors |= {f"preprocess.{name}": tensor for name, tensor in seen.preprocess.to_tensors().items()}
    write_tensors(folder.moments_path(seen.name), tensors, {"format_version": FORMAT_VERSION, "preprocess": seen.name})


# Floors.


def _draw_floors(study: Study, folder: StudyFolder, seen: View, pool: Executor, show: progress.Show) -> None:
    """Untrained dictionaries of every size in the study, each from throws of the dice that no run makes."""
    sizes = sorted({arm.method.n_atoms for arm in study.arms})
    wanted = list(product(sizes, FLOORS, range(study.floors.draws)))
    recipe = {
        "format_version": FORMAT_VERSION,
        "kmeans_steps": study.floors.kmeans_steps,
        "throw": study.dice.replicate,
    }
    tokens = {n_atoms: _kmeans_tokens(study, seen, n_atoms) for n_atoms in sizes}
    folder.forget_floors(seen.name, keep=wanted)
    advance = show(f"floors @{seen.name}", len(wanted))

    def draw_one(one: tuple[int, str, int]) -> None:
        n_atoms, kind, draw = one
        path, header = (
            folder.floor_path(seen.name, n_atoms, kind, draw),
            {**recipe, "kind": kind, "kmeans_tokens": tokens[n_atoms]},
        )
        if not path.exists() or read_header(path) != header:
            write_tensors(path, {"atoms": FLOORS[kind](study, seen, n_atoms, draw)}, header)
        advance(1)

    list(pool.map(draw_one, wanted))


def _data_floor(study: Study, seen: View, n_atoms: int, draw: int) -> Float[Tensor, "atoms d_model"]:
    return data_atoms(seen, n_atoms, points=_points(study, "data", draw))


def _kmeans_floor(study: Study, seen: View, n_atoms: int, draw: int) -> Float[Tensor, "atoms d_model"]:
    tokens, points = _kmeans_tokens(study, seen, n_atoms), _points(study, "kmeans", draw)
    start = roll("kmeans", study.dice.replicate, "floor", draw)
    return kmeans_atoms(seen, n_atoms, tokens=tokens, steps=study.floors.kmeans_steps, points=points, start=start)


def _kmeans_tokens(study: Study, seen: View, n_atoms: int) -> int:
    return kmeans_tokens(seen.n_tokens, seen.d_model, n_atoms, seen=study.training.steps * study.training.batch_size)


def _points(study: Study, kind: str, draw: int) -> int:
    return roll("points", study.dice.replicate, "floor", kind, draw)


FLOORS = {"data": _data_floor, "kmeans": _kmeans_floor}
