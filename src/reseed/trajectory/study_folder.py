"""The waist: a study folder of runs, each a trajectory of snapshots from step 0.

Training writes it, analysis reads it, and it can be judged again years later without the activations: the held-out
codes travel with every snapshot, and the moments and the floor dictionaries with the study.

    study/
      study.toml  manifest.json
      moments/<preprocessing>.safetensors           mean and covariance after it, and its map
      points/<digest>.safetensors                   hull points, stored once for all runs that share them
      floors/<preprocessing>/<n_atoms>/<kind>-<i>.safetensors     untrained dictionaries
      barriers/<condition>.parquet                  between its runs, on held-out tokens
      runs/<run id>/spec.json  step-000000.safetensors ...  metrics.parquet  state.safetensors  done

FORMAT_VERSION history
  1  first version
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reseed._support.files import (
    HEADER,
    alone,
    canonical_json,
    remove_partial,
    replacing,
    sha256_of_text,
    write_json,
    write_tensors,
)
from reseed.errors import TrajectoryError

if TYPE_CHECKING:
    from pathlib import Path


__all__ = [
    "FORMAT_VERSION",
    "Snapshot",
    "StudyFolder",
    "Trajectory",
    "join_codes",
    "opened",
    "pack_codes",
    "points_name",
    "read_header",
]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Snapshot:
    """One run at one step; tensors are read from the file when they are asked for, in float32."""

    path: Path

    @cached_property
    def header(self) -> dict[str, Any]:
        """What the file says about itself: format version, run, step, and the number of held-out tokens."""
        return read_header(self.path)

    def has(self, name: str) -> bool:
        """Whether the snapshot holds a tensor called `name`."""
        with opened(self.path) as file:
            return name in file.keys()  # noqa: SIM118 (safe_open is not a mapping)

    def tensor(self, name: str) -> Tensor:
        """The tensor called `name`.

        Raises:
            TrajectoryError: the snapshot does not hold it.
        """
        with opened(self.path) as file:
            if name not in file.keys():  # noqa: SIM118 (safe_open is not a mapping)
                raise TrajectoryError(f"{self.path} has no {name!r}; it has {', '.join(sorted(file.keys()))}")
            return file.get_tensor(name)

    @property
    def atoms(self) -> Float[Tensor, "atoms d_model"]:
        """The dictionary; atoms are rows."""
        return self.tensor("atoms")

    @property
    def encoder(self) -> Float[Tensor, "atoms d_model"]:
        """The encoder; one row per atom."""
        return self.tensor("encoder")

    @property
    def active(self) -> tuple[Int[Tensor, " active"], Int[Tensor, " active"], Float[Tensor, " active"]]:
        """The codes of the held-out tokens that are not 0: which token, ascending, which atom, and what value."""
        counts = self.tensor("codes.row_offsets").long().diff()
        tokens = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return tokens, self.tensor("codes.atoms").long(), self.tensor("codes.values")

    @property
    def n_tokens(self) -> int:
        """Held-out tokens."""
        return len(self.tensor("codes.row_offsets")) - 1

    @property
    def codes(self) -> Float[Tensor, "tokens atoms"]:
        """The codes of the held-out tokens, dense."""
        tokens, atoms, values = self.active
        codes = torch.zeros(self.n_tokens, self.header["n_atoms"])
        codes[tokens, atoms] = values
        return codes

    @property
    def alive(self) -> Bool[Tensor, " atoms"]:
        """Which atoms fire on at least one held-out token."""
        alive = torch.zeros(self.header["n_atoms"], dtype=torch.bool)
        alive[self.tensor("codes.atoms").long()] = True
        return alive


def points_name(identity: Sequence[object]) -> str:
    """The name under which a study keeps the points of this identity."""
    return sha256_of_text(canonical_json([str(part) for part in identity]))[:16]


def pack_codes(values: Float[Tensor, "tokens k"], atoms: Int[Tensor, "tokens k"]) -> dict[str, Tensor]:
    """The form in which a snapshot keeps its held-out codes: those of each token that are not 0, and their atoms."""
    active = values != 0
    counts = active.sum(dim=1).cpu()
    return {
        "codes.row_offsets": torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).to(torch.int32),
        "codes.atoms": atoms[active].to(torch.int32),
        "codes.values": values[active].float(),
    }


def join_codes(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Packed codes of tokens that follow each other as one."""
    ends = torch.cat([part["codes.row_offsets"].diff() for part in parts]).cumsum(0, dtype=torch.int32)
    joined = {name: torch.cat([part[name] for part in parts]) for name in ("codes.atoms", "codes.values")}
    return {"codes.row_offsets": torch.cat([ends.new_zeros(1), ends]), **joined}


@dataclass(frozen=True)
class Trajectory:
    """One run: what it is, its snapshots from step 0, its metrics and how it ended."""

    folder: Path

    @cached_property
    def spec(self) -> dict[str, Any]:
        """`spec.json`: condition, arm, preprocessing, start, run, method, training and the six rolls."""
        return _read_json(self.folder / "spec.json")

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    @cached_property
    def snapshots(self) -> dict[int, Snapshot]:
        """The snapshots by step, in order of steps."""
        files = sorted(self.folder.glob("step-*.safetensors"))
        return {int(file.stem.removeprefix("step-")): Snapshot(file) for file in files}

    @property
    def resume_point(self) -> Path:
        """The file that an interrupted run goes on from; absent before its first save and after its end."""
        return self.folder / "state.safetensors"

    def snapshot(self, step: int) -> Snapshot:
        """The snapshot at one step."""
        return Snapshot(self.folder / f"step-{step:06d}.safetensors")

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that have a snapshot."""
        return tuple(self.snapshots)

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """One row per snapshot: step, loss, R², L0, alive, retention and the method's own diagnostics.

        Raises:
            TrajectoryError: the run has not ended, or the file is damaged.
        """
        path = self.folder / "metrics.parquet"
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _damaged(path, error) from error

    @cached_property
    def done(self) -> dict[str, Any] | None:
        """How the run ended: `status` is `finished` or `diverged`; None while it has not ended."""
        path = self.folder / "done"
        return _read_json(path) if path.exists() else None

    def write_spec(self, spec: Mapping[str, object]) -> None:
        """Write `spec.json`."""
        write_json(self.folder / "spec.json", spec)

    def write_snapshot(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write one snapshot; it needs at least `atoms`."""
        header = {"format_version": FORMAT_VERSION, "run": self.id, "step": step, "n_atoms": len(tensors["atoms"])}
        write_tensors(self.snapshot(step).path, tensors, header)

    def finish(self, metrics: Sequence[Mapping[str, float | int]], **status: object) -> None:
        """Write the metrics and say how the run ended."""
        with replacing(self.folder / "metrics.parquet") as temporary:
            table = pl.DataFrame(list(metrics), infer_schema_length=None)
            columns = sorted(table.columns, key=lambda name: (name != "step", name))  # a resumed run's rows are sorted
            table.select(columns).write_parquet(temporary)
        write_json(self.folder / "done", status)


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
                f"{path} is not a study: it has no manifest.json; make one with  reseed run STUDY.toml --out {path}"
            )
        version = folder.manifest.get("format_version")
        if version != FORMAT_VERSION:
            raise TrajectoryError(
                f"{path} has format version {version}; this reseed reads version {FORMAT_VERSION}: "
                f"install the reseed that wrote it ({folder.manifest.get('reseed', 'unknown')}) or run the study again"
            )
        return folder

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """`manifest.json`."""
        return _read_json(self.path / "manifest.json")

    def run(self, run_id: str) -> Trajectory:
        """The run with this id, whether it exists already or not."""
        return Trajectory(self.path / "runs" / run_id)

    def runs(self, condition: str) -> tuple[Trajectory, ...]:
        """The runs of one condition that the manifest names and that have a step 0, starts first."""
        return self._begun("conditions", condition)

    def children(self, condition: str) -> tuple[Trajectory, ...]:
        """The spawned runs of one condition that the manifest names and that have a step 0, parents first."""
        return self._begun("spawned", condition)

    @property
    def planned(self) -> tuple[str, ...]:
        """The ids of all runs and children that the manifest names, whether they have begun or not."""
        parts = [*self.manifest["conditions"], *self.manifest.get("spawned", ())]
        return tuple(run_id for _, ids in parts for run_id in ids)

    def _begun(self, part: str, condition: str) -> tuple[Trajectory, ...]:
        named = (self.run(run_id) for name, ids in self.manifest.get(part, ()) if name == condition for run_id in ids)
        return tuple(run for run in named if 0 in run.snapshots)

    @property
    def pairs_path(self) -> Path:
        """Where the measures of all pairs of runs lie."""
        return self.path / "pairs.parquet"

    def barriers_path(self, condition: str) -> Path:
        """Where the barriers between the runs of one condition lie."""
        return self.path / "barriers" / f"{condition}.parquet"

    def barriers(self, condition: str) -> pl.DataFrame | None:
        """`run_a`, `run_b`, `matched` and `unmatched` of every pair of finished runs; None where not measured.

        Raises:
            TrajectoryError: the file is damaged.
        """
        path = self.barriers_path(condition)
        try:
            return pl.read_parquet(path) if path.exists() else None
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _damaged(path, error) from error

    def moments(self, preprocess: str) -> dict[str, Tensor]:
        """`mean` and `covariance` of the training activations after one preprocessing, in float64."""
        return _read_tensors(self.moments_path(preprocess))

    def moments_path(self, preprocess: str) -> Path:
        """Where the moments and the map of one preprocessing lie."""
        return self.path / "moments" / f"{preprocess}.safetensors"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training in this folder while the context lasts.

        Raises:
            TrajectoryError: one of them trains in it.
        """
        try:
            with alone(self.path / ".lock"):
                yield
        except BlockingIOError as error:
            raise TrajectoryError(
                f"another reseed run is at work in {self.path}: wait until it has ended, or choose another --out"
            ) from error

    def clear_remains(self) -> None:
        """Remove what a killed process left behind: half-written files, and resume points of runs that have ended."""
        remove_partial(self.path)
        for done in self.path.glob("runs/*/done"):
            Trajectory(done.parent).resume_point.unlink(missing_ok=True)

    def remember_points(
        self, identity: Sequence[object], make: Callable[[], Float[Tensor, "points d_model"]]
    ) -> Float[Tensor, "points d_model"]:
        """The points of this identity, made and written when the study does not have them yet."""
        path = self._points_path(points_name(identity))
        if not path.exists():
            write_tensors(path, {"points": make()}, {"format_version": FORMAT_VERSION, "identity": str(identity)})
        return _read_tensors(path)["points"]

    def points(self, name: str) -> Float[Tensor, "points d_model"]:
        """The points that a run's `spec.json` names."""
        return _read_tensors(self._points_path(name))["points"]

    def _points_path(self, name: str) -> Path:
        return self.path / "points" / f"{name}.safetensors"

    def floor_path(self, preprocess: str, n_atoms: int, kind: str, draw: int) -> Path:
        """Where one untrained dictionary of a measured floor lies."""
        return self.path / "floors" / preprocess / str(n_atoms) / f"{kind}-{draw}.safetensors"

    def forget_floors(self, preprocess: str, *, keep: Iterable[tuple[int, str, int]]) -> None:
        """Remove the untrained dictionaries that are none of `keep`: (n_atoms, kind, draw) of this preprocessing."""
        kept = {self.floor_path(preprocess, *one) for one in keep}
        for file in set(self.path.glob(f"floors/{preprocess}/*/*.safetensors")) - kept:
            file.unlink()

    def floor_atoms(self, preprocess: str, n_atoms: int, kind: str) -> list[Float[Tensor, "atoms d_model"]]:
        """The untrained dictionaries of one measured floor."""
        folder = self.floor_path(preprocess, n_atoms, kind, 0).parent
        return [_read_tensors(file)["atoms"] for file in sorted(folder.glob(f"{kind}-*.safetensors"))]

    def floor_recipe(self, preprocess: str, n_atoms: int, kind: str) -> dict[str, Any]:
        """How the first of them was drawn; empty where there is none."""
        path = self.floor_path(preprocess, n_atoms, kind, 0)
        return read_header(path) if path.exists() else {}


def read_header(path: Path) -> dict[str, Any]:
    """What a file of ours says about itself.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    with opened(path) as file:
        return json.loads((file.metadata() or {}).get(HEADER, "{}"))


def opened(path: Path) -> Any:  # noqa: ANN401 (safetensors has no type for an open file)
    """A safetensors file, open for reading.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> TrajectoryError:
    """What to do about a file that cannot be read: a run is made again as a whole, or it would miss a snapshot."""
    again = path.parent if path.parent.parent.name == "runs" else path
    return TrajectoryError(f"{path} is missing or damaged ({error}): delete {again} and run the same study again")


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
