"""A study on disk.

Training writes it, analysis reads it, and it can be judged again years later without the activations: the held-out
codes travel with every snapshot, and the moments and the draws of floors with the study.

    study/
      study.toml  manifest.json  findings.json  features.parquet
      moments/<preprocessing>.safetensors           mean and covariance after it, and its map
      points/<digest>.safetensors                   hull points, stored once for all runs that share them
      floors/<preprocessing>/<n_atoms>/<floor>-<i>.safetensors    untrained dictionaries of activations
      floors/of-runs/<key>/<floor>-<run id>.safetensors           untrained dictionaries of what a run ended with
      compared/<key>/                               what comparing the runs of a condition wrote: see `compared`
      compared/across/across.parquet                what runs of different arms agree at the last step
      runs/<run id>/spec.json  step-000000.safetensors ...  metrics.parquet  state.safetensors  done
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from jaxtyping import Float
from torch import Tensor

from reseed._support import documents
from reseed._support.checksums import SUMS, Checksums, check_study, is_of_a_study, refuse
from reseed._support.files import alone, canonical_json, sha256_of_file, sha256_of_text
from reseed._support.kinds import what_is
from reseed._support.mistakes import shown
from reseed.errors import TrajectoryError
from reseed.trajectory.compared import ComparedFolder
from reseed.trajectory.manifest import MANIFEST_VERSION, Manifest, PlannedCondition, of_version_1
from reseed.trajectory.reading import damaged, fitted, read_header, read_json, read_table, read_tensors
from reseed.trajectory.run import Trajectory

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

__all__ = ["LOCK", "Draw", "StudyFolder", "is_study", "points_name"]

RUNS = "runs"
"""The folder of the runs."""
LOCK = ".lock"
"""Empty, and held by the one process that writes in a study."""

_OF_JUDGING = ("findings.json", "features.parquet")  # what is made after all that a verdict rests on

TENSORS_VERSION = 1
"""Of moments, points and draws. 1: first version."""


@dataclass(frozen=True)
class Draw:
    """One untrained dictionary of a floor; its atoms are read from the file when they are asked for."""

    path: Path
    policy: str
    """How it was made, in one sentence; empty in studies of format version 1."""
    recipe: dict[str, Any]
    """The settings that decided it."""

    @property
    def atoms(self) -> Float[Tensor, "atoms d_model"]:
        """The dictionary."""
        return read_tensors(self.path)["atoms"]


def is_study(folder: Path) -> bool:
    """Whether a folder is a study, begun or whole, or what `reseed tune` made: it may be damaged."""
    if any(folder.glob(f"{RUNS}/*/spec.json")) or any(map(is_of_a_study, Checksums(folder).lines())):
        return True
    try:
        return "conditions" in documents.read_json(folder / "manifest.json")
    except documents.UnreadableError:
        return False


def points_name(identity: Sequence[object]) -> str:
    """The name under which a study keeps the points of this identity."""
    return sha256_of_text(canonical_json([str(part) for part in identity]))[:16]


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The study in `path`.

        Raises:
            TrajectoryError: there is none, or it was written by a version of reseed that this one cannot read.
        """
        folder = cls(path)
        if not (path / "manifest.json").is_file():
            raise TrajectoryError(
                f"{path} is {what_is(path)}, not a study: it has no manifest.json; make one with  reseed run STUDY.toml"
            )
        _ = folder.manifest
        return folder

    @cached_property
    def manifest(self) -> Manifest:
        """What the study plans.

        Raises:
            TrajectoryError: the file is missing, damaged or of a version that this reseed cannot read.
        """
        path = self.path / "manifest.json"
        document = read_json(path)
        version = document.get("format_version")
        if "shards" in document:
            raise TrajectoryError(
                f"{self.path} is a store of activations, not a study: run a study on it with  reseed run STUDY.toml"
            )
        if type(version) is not int or version not in {1, MANIFEST_VERSION}:
            raise TrajectoryError(
                f"{self.path} has format version {shown(version)}; this reseed reads versions 1 to {MANIFEST_VERSION}: "
                f"install the reseed that wrote it ({document.get('reseed', 'unknown')}) or run the study again"
            )
        try:
            document = of_version_1(document) if version == 1 else document
        except (AttributeError, TypeError, ValueError) as error:
            raise damaged(path, ValueError("it is no manifest of version 1")) from error
        return fitted(path, Manifest, document)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write `manifest.json`."""
        self.write_text("manifest.json", manifest.model_dump_json(indent=1) + "\n")

    def write_text(self, name: Literal["study.toml", "manifest.json", "findings.json"], text: str) -> None:
        """Write one of the documents about the study."""
        self.sums.write_text(self.path / name, text)

    @property
    def sums(self) -> Checksums:
        """Of all files but those of the runs, which have sums of their own."""
        return Checksums(self.path)

    def run(self, run_id: str) -> Trajectory:
        """The run with this id, whether it exists already or not."""
        return Trajectory(self.path / RUNS / run_id)

    def condition(self, name: str) -> PlannedCondition:
        """The condition of this name.

        Raises:
            KeyError: there is none.
        """
        by_name = {condition.name: condition for condition in self.manifest.conditions}
        if name not in by_name:
            raise KeyError(f"no condition {name!r}: this study has {', '.join(by_name)}")
        return by_name[name]

    def runs(self, condition: str) -> tuple[Trajectory, ...]:
        """The runs of one condition that the manifest names and that have a step 0, starts first."""
        return self._begun(self.condition(condition).runs)

    def children(self, condition: str) -> tuple[Trajectory, ...]:
        """The spawned runs of one condition that the manifest names and that have a step 0, parents first."""
        return self._begun(self.condition(condition).children)

    def surrogates(self, condition: str) -> tuple[Trajectory, ...]:
        """The runs on the surrogate of one condition that the manifest names and that have a step 0."""
        return self._begun(self.condition(condition).surrogates)

    def _begun(self, ids: Iterable[str]) -> tuple[Trajectory, ...]:
        return tuple(run for run in map(self.run, ids) if 0 in run.snapshots)

    def compared(self, condition: str) -> ComparedFolder:
        """What comparing the runs of one condition wrote, or will write."""
        key = self.condition(condition).key
        before = self.path / "barriers" / f"{key}.parquet"
        return ComparedFolder(self.path / "compared" / key, self.sums, before if before.exists() else None)

    def forget_compared(self) -> None:
        """Remove all that was compared: another version of reseed may have measured otherwise."""
        for condition in self.manifest.conditions:
            self.compared(condition.name).forget()

    def across(self) -> pl.DataFrame | None:
        """Agreement of runs of different arms; None where none was measured.

        Raises:
            TrajectoryError: the file is damaged.
        """
        return read_table(self._across_path) if self._across_path.exists() else None

    def write_across(self, table: pl.DataFrame) -> None:
        """Write the agreement of runs of different arms, whole or not at all."""
        with self.sums.replacing(self._across_path) as temporary:
            table.write_parquet(temporary)

    @property
    def _across_path(self) -> Path:
        return self.path / "compared" / "across" / "across.parquet"

    def moments(self, preprocess: str) -> dict[str, Tensor]:
        """`mean` and `covariance` of the training activations after one preprocessing, in float64."""
        return read_tensors(self._moments_path(preprocess))

    def write_moments(self, preprocess: str, tensors: Mapping[str, Tensor]) -> None:
        """Write the moments and the map of one preprocessing."""
        header = {"format_version": TENSORS_VERSION, "preprocess": preprocess}
        self.sums.write_tensors(self._moments_path(preprocess), tensors, header)

    def _moments_path(self, preprocess: str) -> Path:
        return self.path / "moments" / f"{preprocess}.safetensors"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training in this folder while the context lasts.

        Raises:
            TrajectoryError: one of them trains in it.
        """
        try:
            with alone(self.path / LOCK):
                self._adopt()
                yield
        except BlockingIOError as error:
            raise TrajectoryError(
                f"another reseed run is at work in {self.path}: wait until it has ended, or choose another --out"
            ) from error

    def _adopt(self) -> None:
        """Write down the sums of a study from before sums were kept: damage from now on is noticed."""
        every = self._every_sums()
        if any(sums.path.exists() for sums in every) or not any(sums.files() for sums in every):
            return
        for sums in reversed(every):  # its own last: they say that all are there
            sums.adopt()
        warnings.warn(
            f"{self.path} has no {SUMS}, like studies from before there were any: what is there is taken as it is, and "
            "damage is noticed from now on",
            stacklevel=2,
        )

    def check(
        self, each: Callable[..., Iterable[Any]] = map, *, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Refuse a study of which a file is not what was written; what is missing is told where it is needed.

        Args:
            each: as `map`, which reads one file after the other.
            advance: told how many files lie behind.

        Raises:
            TrajectoryError: names the files, and says what to do.
        """
        refuse(check_study(self.path, each=each, advance=advance))

    def forget_missing(self) -> None:
        """Take the lines of files that are gone out of the sums: a study that is run makes again what it needs."""
        self.sums.remove(self.sums.missing())

    @property
    def n_files(self) -> int:
        """How many files `check` reads."""
        return sum(len(sums.files()) for sums in self._every_sums())

    def _every_sums(self) -> tuple[Checksums, ...]:
        return (self.sums, *(Checksums(folder) for folder in self.path.glob(f"{RUNS}/*") if folder.is_dir()))

    def judged_from(self) -> dict[str, str]:
        """The SHA-256 of all that judging rests on, by name: of a run, that of its own sums. Sums are settled by it."""
        self.sums.settle()
        manifest = self.manifest
        own = {name: sums[-1] for name, sums in self.sums.lines().items() if name not in _OF_JUDGING}
        runs = (Checksums(self.path / RUNS / run_id).path for run_id in (*manifest.planned, *manifest.surrogates))
        return own | {path.relative_to(self.path).as_posix(): sha256_of_file(path) for path in runs if path.exists()}

    def clear_remains(self) -> None:
        """Remove what a killed process left behind: half-written files, and resume points of runs that have ended."""
        for sums in self._every_sums():
            sums.remove_partial()
        for done in self.path.glob(f"{RUNS}/*/done"):
            Trajectory(done.parent).clear_resume_point()

    def remember_points(
        self, identity: Sequence[object], make: Callable[[], Float[Tensor, "points d_model"]]
    ) -> Float[Tensor, "points d_model"]:
        """The points of this identity, made and written when the study does not have them yet."""
        path = self._points_path(points_name(identity))
        if not path.exists():
            self.sums.write_tensors(
                path, {"points": make()}, {"format_version": TENSORS_VERSION, "identity": str(identity)}
            )
        return read_tensors(path)["points"]

    def points(self, name: str) -> Float[Tensor, "points d_model"]:
        """The points that a run's record names."""
        return read_tensors(self._points_path(name))["points"]

    def _points_path(self, name: str) -> Path:
        return self.path / "points" / f"{name}.safetensors"

    def draw_path(self, preprocess: str, n_atoms: int, floor: str, draw: int) -> Path:
        """Where one untrained dictionary of activations lies."""
        return self.path / "floors" / preprocess / str(n_atoms) / f"{floor}-{draw}.safetensors"

    def draw_of_run_path(self, condition: str, floor: str, run_id: str) -> Path:
        """Where one untrained dictionary lies that was made of what a run ended with."""
        return self.path / "floors" / "of-runs" / self.condition(condition).key / f"{floor}-{run_id}.safetensors"

    def remember_draw(
        self, path: Path, policy: str, recipe: Mapping[str, Any], make: Callable[[], Float[Tensor, "atoms d_model"]]
    ) -> Draw:
        """A dictionary of a floor, made and written where the study does not have it yet by this policy and recipe."""
        header = {"format_version": TENSORS_VERSION, "policy": policy, "recipe": dict(recipe)}
        if not path.exists() or read_header(path) != header:
            self.sums.write_tensors(path, {"atoms": make()}, header)
        return Draw(path, policy, dict(recipe))

    def draws(self, preprocess: str, n_atoms: int, floor: str) -> list[Draw]:
        """The untrained dictionaries of one floor of activations, in order."""
        folder = self.draw_path(preprocess, n_atoms, floor, 0).parent
        numbers = sorted(int(file.stem.rpartition("-")[2]) for file in folder.glob(f"{floor}-*.safetensors"))
        return [_read_draw(self.draw_path(preprocess, n_atoms, floor, number)) for number in numbers]

    def draws_of_runs(self, condition: str, floor: str, run_ids: Iterable[str]) -> list[Draw]:
        """The untrained dictionaries that were made of these runs, as far as they are there."""
        paths = (self.draw_of_run_path(condition, floor, run_id) for run_id in run_ids)
        return [_read_draw(path) for path in paths if path.exists()]

    def forget_draws(self, preprocess: str, *, keep: Iterable[tuple[int, str, int]]) -> None:
        """Remove the untrained dictionaries that are none of `keep`: (n_atoms, floor, draw) of this preprocessing."""
        kept = {self.draw_path(preprocess, *one) for one in keep}
        self.sums.remove(set(self.path.glob(f"floors/{preprocess}/*/*.safetensors")) - kept)


def _read_draw(path: Path) -> Draw:
    header = read_header(path)
    return Draw(path, header.get("policy", ""), header.get("recipe", header))
