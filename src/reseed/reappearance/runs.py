"""The runs whose features are looked for in each other: of one recipe, started apart, at their last step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.mistakes import mistakes
from reseed.analysis.given import given_study
from reseed.errors import TrajectoryError
from reseed.interop import LoadedDictionary, read_dictionary
from reseed.interop.spaces import Raw
from reseed.measures import StandardCodes, standardise_active
from reseed.reappearance.document import Recorded
from reseed.thresholds import FeatureRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reseed.comparison.opened import Opened
    from reseed.comparison.pairs import Side
    from reseed.matching import Sign
    from reseed.trajectory import Snapshot, StudyFolder, Trajectory

__all__ = ["Recipe", "Run", "of_sides", "of_study", "rule_of"]

_OF_THE_STUDY = ("manifest.json", "study.toml")


@dataclass(frozen=True)
class Run:
    """One dictionary, and its codes of held-out tokens."""

    label: str
    atoms: Float[Tensor, "atoms d_model"]
    encoder: Float[Tensor, "atoms d_in"] | None
    """None where it has none of its own."""
    codes: StandardCodes | None
    """None where they are not known."""
    whole: Callable[[], LoadedDictionary]
    """All of it, read when it is asked for."""
    reads_raw: bool = False
    """Whether its atoms live where activations do, up to a shift."""
    along: Mapping[int, Callable[[], Float[Tensor, "atoms d_model"]]] = field(default_factory=dict)
    """Its atoms at the steps that are on disk, read when they are asked for; empty for a dictionary alone."""
    record: Recorded | None = None
    """What its source says of it; None for random directions."""
    files: tuple[Path, ...] = ()
    """What was read."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Recipe:
    """Independent runs of one recipe, and runs of it on rows without structure."""

    name: str
    runs: tuple[Run, ...]
    null: tuple[Run, ...]
    """Empty where there are none."""
    sign: Sign
    left_out: tuple[str, ...] = ()
    """Runs that were born as another one was, and say nothing about independent ones."""
    files: tuple[Path, ...] = ()
    """What was read beside the runs."""

    @property
    def read(self) -> Iterator[tuple[str, Path]]:
        """Every file that was read, after what it is of."""
        yield from (("study", path) for path in self.files)
        yield from ((run.label, path) for run in (*self.runs, *self.null) for path in run.files)


def of_study(folder: StudyFolder) -> tuple[Recipe, ...]:
    """Every condition of a study that is compared: of each init group the first finished run.

    Raises:
        TrajectoryError: no condition has two runs that started apart.
    """
    found = tuple(
        recipe for planned in folder.manifest.conditions if (recipe := _of_condition(folder, planned.name)) is not None
    )
    if not found:
        raise TrajectoryError(
            f"{folder.path} has no condition with two finished runs that started apart: nothing can come back"
        )
    return found


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


def _of_condition(folder: StudyFolder, name: str) -> Recipe | None:
    compared = folder.compared(name)
    about = compared.about
    if about is None:
        return None
    first: dict[int, str] = {}
    for run in about.runs:
        first.setdefault(run.init_group, run.id)
    if len(first) < 2:  # noqa: PLR2004 (a pair)
        return None
    groups = {run.init_group: run.id for run in reversed(about.surrogates)}
    return Recipe(
        name=name,
        runs=tuple(_of_trajectory(folder.run(run_id)) for run_id in first.values()),
        null=tuple(_of_trajectory(folder.run(run_id)) for run_id in groups.values()) if len(groups) > 1 else (),
        sign=about.sign,
        left_out=tuple(run.id for run in about.runs if run.id not in first.values()),
        files=(*(folder.path / each for each in _OF_THE_STUDY), compared.path / "about.json"),
    )


def _of_trajectory(run: Trajectory) -> Run:
    last = run.snapshot(run.steps[-1])
    tokens, atoms, values = last.active
    codes = standardise_active(tokens, atoms, values, n_tokens=last.n_tokens, n_atoms=last.header["n_atoms"])
    told = run.record
    raw = told.preprocess in {"none", "centre"} and told.surrogate is None
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
        reads_raw=raw,
        along={step: partial(_atoms_of, run.snapshot(step)) for step in run.steps},
        record=record,
        files=(run.folder / "spec.json", last.path),
    )


def _atoms_of(snapshot: Snapshot) -> Float[Tensor, "atoms d_model"]:
    return snapshot.atoms


def of_sides(name: str, sides: Sequence[Side], null: Sequence[Side], sign: Sign) -> Recipe:
    """Dictionaries that were trained elsewhere; codes count only where all of them make some."""
    with_codes = all(side.seen is not None for side in sides)
    null_codes = with_codes and all(side.seen is not None for side in null)
    return Recipe(
        name=name,
        runs=tuple(_of_side(side, side.opened.label, with_codes=with_codes) for side in sides),
        null=tuple(_of_side(side, f"null {i}", with_codes=null_codes, null=True) for i, side in enumerate(null, 1)),
        sign=sign,
    )


def _of_side(side: Side, label: str, *, with_codes: bool, null: bool = False) -> Run:
    codes = side.seen.codes if with_codes and side.seen is not None else None
    dictionary = side.dictionary
    raw = isinstance(dictionary.space, Raw) and dictionary.skip is None
    n_atoms, d_model = dictionary.atoms.shape
    record = Recorded(
        run=label,
        null=null,
        format=dictionary.format,
        n_atoms=n_atoms,
        d_model=d_model,
        step=dictionary.step,
        seed=dictionary.seed,
        about=dict(dictionary.about),
    )
    return Run(
        label,
        dictionary.atoms,
        dictionary.encoder,
        codes,
        whole=lambda: dictionary,
        reads_raw=raw,
        along={step: partial(_atoms_at, side.opened, step) for step in side.opened.steps},
        record=record,
        files=dictionary.paths,
    )


def _atoms_at(opened: Opened, step: int) -> Float[Tensor, "atoms d_model"]:
    return opened.at(step).atoms
