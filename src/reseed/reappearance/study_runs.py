"""The independent runs of a study, condition by condition, and what the study has compared of them already."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from reseed._support.mistakes import mistakes
from reseed.analysis.given import given_study
from reseed.errors import TrajectoryError
from reseed.interop import read_dictionary
from reseed.matching import KeptMatching
from reseed.measures import standardise_active
from reseed.reappearance.document import Recorded
from reseed.reappearance.runs import Recipe, Run
from reseed.thresholds import FeatureRule

if TYPE_CHECKING:
    from reseed.matching import Sign
    from reseed.trajectory import Snapshot, StudyFolder, Trajectory

__all__ = ["Independent", "independent", "of_condition", "of_study", "rule_of"]

_OF_THE_STUDY = ("manifest.json", "study.toml")


@dataclass(frozen=True)
class Independent:
    """The runs of one condition that say something about each other, by their ids."""

    name: str
    """The condition."""
    runs: tuple[str, ...]
    """Of each init group the first that finished: two or more."""
    null: tuple[str, ...]
    """Of each init group on the surrogate the first; none, or two or more."""
    left_out: tuple[str, ...]
    """Runs that were born as another one was."""
    sign: Sign


def independent(folder: StudyFolder) -> tuple[Independent, ...]:
    """Every condition of a study that is compared and has two runs that started apart."""
    found = (_independent(folder, planned.name) for planned in folder.manifest.conditions)
    return tuple(each for each in found if each is not None)


def of_study(folder: StudyFolder) -> tuple[Recipe, ...]:
    """The runs of all these conditions.

    Raises:
        TrajectoryError: there is no such condition.
    """
    found = tuple(of_condition(folder, each) for each in independent(folder))
    if not found:
        raise TrajectoryError(
            f"{folder.path} has no condition with two finished runs that started apart: nothing can come back"
        )
    return found


def of_condition(folder: StudyFolder, runs: Independent) -> Recipe:
    """The runs of one condition, read, with their matchings as far as the study keeps them."""
    return Recipe(
        name=runs.name,
        runs=tuple(_of_trajectory(folder.run(run_id)) for run_id in runs.runs),
        null=tuple(_of_trajectory(folder.run(run_id)) for run_id in runs.null),
        sign=runs.sign,
        determined=folder.run(runs.runs[0]).record.determined,
        left_out=runs.left_out,
        matched=_matched(folder, runs),
        files=(*(folder.path / each for each in _OF_THE_STUDY), folder.compared(runs.name).path / "about.json"),
    )


def rule_of(folder: StudyFolder) -> FeatureRule:
    """When a feature comes back, by the `study.toml` of a study; by default in one from before it said so.

    Raises:
        TrajectoryError: the file is missing or damaged, or its thresholds are out of range.
    """
    told = given_study(folder).get("features", {})
    try:
        return FeatureRule.model_validate(told)
    except ValidationError as error:
        said = "; ".join(mistakes(error, FeatureRule, whole="it "))
        raise TrajectoryError(f"{folder.path / 'study.toml'}: [features] {said}") from error


def _independent(folder: StudyFolder, name: str) -> Independent | None:
    about = folder.compared(name).about
    if about is None:
        return None
    first: dict[int, str] = {}
    for run in about.runs:
        first.setdefault(run.init_group, run.id)
    if len(first) < 2:  # noqa: PLR2004 (a pair)
        return None
    runs = tuple(first.values())
    groups = {run.init_group: run.id for run in reversed(about.surrogates)}
    null = tuple(groups.values()) if len(groups) > 1 else ()
    return Independent(name, runs, null, tuple(run.id for run in about.runs if run.id not in runs), about.sign)


def _of_trajectory(run: Trajectory) -> Run:
    last = run.snapshot(run.steps[-1])
    tokens, atoms, values = last.active
    codes = standardise_active(tokens, atoms, values, n_tokens=last.n_tokens, n_atoms=last.header["n_atoms"])
    told = run.record
    n_atoms, d_model = last.atoms.shape
    record = Recorded(
        run=run.id,
        null=told.surrogate is not None,
        format="reseed",
        n_atoms=n_atoms,
        d_model=d_model,
        step=run.steps[-1],
        seed=None,
        about=told.model_dump(mode="json", exclude_defaults=True),
    )
    return Run(
        run.id,
        last.atoms,
        last.encoder if last.has("encoder") else None,
        codes,
        whole=partial(read_dictionary, run.folder),
        groups=told.groups,
        reads_raw=told.preprocess in {"none", "centre"} and told.surrogate is None,
        along={step: partial(_atoms_of, run.snapshot(step)) for step in run.steps},
        record=record,
        files=(run.folder / "spec.json", last.path),
    )


def _atoms_of(snapshot: Snapshot) -> Float[Tensor, "atoms d_model"]:
    return snapshot.atoms


def _matched(folder: StudyFolder, runs: Independent) -> dict[tuple[int, int], KeptMatching]:
    """The matchings at the last step of both runs: those at another step say nothing of it."""
    compared = folder.compared(runs.name)
    last = {run_id: folder.run(run_id).steps[-1] for run_id in runs.runs}
    gaps = {
        (a, b, step): gap for a, b, step, gap in compared.table("pairs").select("run_a", "run_b", "step", "gap").rows()
    }
    parts = compared.table("matchings").partition_by("run_a", "run_b", "step", as_dict=True)
    found: dict[tuple[int, int], KeptMatching] = {}
    for (i, a), (j, b) in combinations(enumerate(runs.runs), 2):
        key = (a, b, last[a])
        if last[a] == last[b] and key in parts and key in gaps:
            found[i, j] = _kept(parts[key], gaps[key])
    return found


def _kept(table: pl.DataFrame, gap: float) -> KeptMatching:
    rows, cols = (table[name].cast(pl.Int64).to_torch() for name in ("row", "col"))
    return KeptMatching(rows, cols, table["cosine"].to_torch(), gap)
