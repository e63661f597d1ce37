"""One run on disk: what it is, its snapshots from step 0, its metrics and how it ended.

RECORD_VERSION history (`spec.json`)
  1  first version: with the names of arm and condition
  2  without names; with the sign of its cosines, the dice that matter, and whether published work shares its start
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import Field

from reseed._support.checksums import Checksums
from reseed._support.documents import Document
from reseed._support.mistakes import shown
from reseed.trajectory.reading import damaged, fitted, read_json, read_table
from reseed.trajectory.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = ["RECORD_VERSION", "PartRead", "RunEnd", "RunRecord", "Spawned", "Trajectory"]

RECORD_VERSION = 2
SNAPSHOT_VERSION = 1


class Spawned(Document):
    """Where a child left its parent."""

    parent: str
    """The parent's run id."""
    step: int
    """The updates that the child shares with its parent."""
    order: int
    """What the order die shows from then on."""


class PartRead(Document):
    """Which of several disjoint parts of the activations a run reads."""

    index: int
    """The part, from 0."""
    of: int
    """How many parts there are, all of one size."""


class RunRecord(Document):
    """`spec.json`: everything that decides what a run becomes, and what its readers need to know about its method."""

    format_version: int = RECORD_VERSION
    """Version of this document's format."""
    preprocess: str
    """The preprocessing."""
    start_index: int
    """Which start the study gave it, from 0."""
    run_index: int
    """Which run of that start it is, from 0."""
    method: dict[str, Any]
    """The settings of the method, with its `kind`."""
    start: dict[str, Any]
    """The settings of the start, with its `kind`."""
    training: dict[str, Any] = Field(default_factory=dict)
    """The recipe."""
    rolls: dict[str, int]
    """What each of the dice showed; `data` only where the runs of the study read parts of the activations."""
    activations: str = ""
    """The fingerprint of the activations."""
    part: PartRead | None = None
    """The part of them that it reads; null for all."""
    spawn: Spawned | None = None
    """Set for a child."""
    surrogate: str | None = None
    """Set for a run on a surrogate of the activations: its kind."""
    surrogate_rank: int | None = Field(default=None, strict=True, ge=1)
    """Dimensions in which the rows of the surrogate vary."""
    dimensions_per_token: float | None = Field(default=None, strict=True, gt=0)
    """Dimensions of its rows over their number."""
    points: str | None = None
    """The name of the points that its start was made from."""
    sign: Literal["signed", "abs"] = "signed"
    """Whether a cosine counts with its sign."""
    determined: bool = False
    """Whether what the method learns depends on the activations alone, and on no start."""
    groups: tuple[int, ...] = ()
    """Sizes of the groups of atoms of dictionaries within one another (Matryoshka), in the order of the atoms."""
    dice: tuple[str, ...] = ()
    """The dice that change anything for this method and start."""
    shared_when_published: bool = False
    """Whether published work gives all its runs one and the same start of this kind."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides what the run becomes, of what is written here."""
        for_readers = {
            "format_version",
            "surrogate_rank",
            "dimensions_per_token",
            "points",
            "sign",
            "determined",
            "groups",
            "dice",
            "shared_when_published",
        }
        return self.model_dump(mode="json", exclude=for_readers)


class RunEnd(Document):
    """`done`: how a run ended."""

    status: Literal["finished", "diverged"]
    """Whether all numbers were finite to the last step."""
    step: int = 0
    """The last step."""
    batch: int | None = None
    """The batch after which a number was not finite."""
    remedy: str | None = None
    """What to do about that."""


@dataclass(frozen=True)
class Trajectory:
    """One run of a study folder."""

    folder: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    @cached_property
    def record(self) -> RunRecord:
        """What it is.

        Raises:
            TrajectoryError: the file is missing or damaged.
        """
        path = self.folder / "spec.json"
        document = read_json(path)
        version = document.get("format_version", 1)
        if type(version) is not int or version not in {1, RECORD_VERSION}:
            raise damaged(path, ValueError(f"its format version is {shown(version)}"))
        return fitted(path, RunRecord, _of_version_1(document) if version == 1 else document)

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
        return read_table(self.folder / "metrics.parquet")

    @cached_property
    def done(self) -> RunEnd | None:
        """How the run ended; None while it has not."""
        path = self.folder / "done"
        if not path.exists():
            return None
        return fitted(path, RunEnd, read_json(path))

    @property
    def finished(self) -> bool:
        """Whether the run reached its last step with finite numbers."""
        return self.done is not None and self.done.status == "finished"

    def write_record(self, record: RunRecord) -> None:
        """Write `spec.json`."""
        self._sums.write_json(self.folder / "spec.json", record.model_dump(mode="json", exclude_none=True))

    def write_snapshot(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write one snapshot; it needs at least `atoms`."""
        header = {"format_version": SNAPSHOT_VERSION, "run": self.id, "step": step, "n_atoms": len(tensors["atoms"])}
        self._sums.write_tensors(self.snapshot(step).path, tensors, header)

    def write_resume_point(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Write what an interrupted run goes on from."""
        self._sums.write_tensors(self.resume_point, tensors, header)

    def finish(self, metrics: Sequence[Mapping[str, float | int]], end: RunEnd) -> None:
        """Write the metrics and say how the run ended; the resume point goes."""
        with self._sums.replacing(self.folder / "metrics.parquet") as temporary:
            table = pl.DataFrame(list(metrics), infer_schema_length=None)
            columns = sorted(table.columns, key=lambda name: (name != "step", name))  # a resumed run's rows are sorted
            table.select(columns).write_parquet(temporary)
        self._sums.write_text(self.folder / "done", end.model_dump_json(indent=1, exclude_none=True) + "\n")
        self.clear_resume_point()

    def clear_resume_point(self) -> None:
        """Remove what a run that has ended went on from."""
        self._sums.remove([self.resume_point])

    @property
    def _sums(self) -> Checksums:
        return Checksums(self.folder)


def _of_version_1(document: Mapping[str, Any]) -> dict[str, Any]:
    """A record of version 1: what is not written in it is known, as there were four kinds of start."""
    tables = (document.get("method"), document.get("start"))
    if not all(isinstance(table, dict) and isinstance(table.get("kind"), str) for table in tables):
        return dict(document)  # which is no record, and its model says why
    method, start = document["method"], document["start"]
    matters = {
        "init": start["kind"] in {"random", "kmeans-permuted"} or start.get("weights", "identity") != "identity",
        "encoder": method.get("encoder_start") == "independent",
        "points": start["kind"] != "random",
        "kmeans": start["kind"].startswith("kmeans"),
        "order": True,
        "resample": method.get("resample_every") is not None,
    }
    return {field: document[field] for field in RunRecord.model_fields if field in document} | {
        "dice": [die for die, does in matters.items() if does],
        "shared_when_published": start["kind"].startswith("kmeans"),
    }
