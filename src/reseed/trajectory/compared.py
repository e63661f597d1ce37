"""What comparing the runs of one condition wrote, in `compared/<key>/`: judging reads it and opens no dictionary.

    about.json          which runs, at which steps, in which init groups, by which measures and draws of floors
    pairs.parquet       every pair of runs at every step: `step`, `run_a`, `run_b`, `relation`, `group_a`, `group_b`,
                        facts of the matching, one column per measure, and `cosines`, those of all matched atoms
    matchings.parquet   every pair at the last step: `run_a`, `run_b`, `step`, `row`, `col`, `cosine`
    births.parquet      every pair at the last step: the birth test, `run_a`, `run_b`, `step`, and its numbers
    surrogate.parquet   every pair of runs on the surrogate, with the columns of `pairs`
    floors.parquet      every pair of draws of every floor: `floor`, `draw_a`, `draw_b`, then measures like `pairs`
    barriers.parquet    `run_a`, `run_b`, `matched`, `unmatched`, written while the held-out tokens are at hand

COMPARED_VERSION history
  1  first version
  2  the cosines of all matched atoms, in `pairs` and `floors`; the birth test, in `births`; what version 1 wrote is
     compared again
  3  `alive` is of all matched pairs in which both atoms fire, not of another matching; compared again likewise
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import StrictInt

from reseed._support.documents import Document, Number
from reseed.trajectory.reading import fitted, read_json, read_table

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from reseed._support.checksums import Checksums

__all__ = ["COMPARED_VERSION", "Compared", "ComparedFolder", "ComparedRun", "DrawnFloor"]

COMPARED_VERSION = 3


class ComparedRun(Document):
    """One run that was compared, and the shape of its dictionary at the last of the common steps."""

    id: str
    """The run's id."""
    init_group: int
    """Runs of one group have identical step-0 dictionaries, up to the order of their atoms."""
    stable_rank: Number
    """||D||_F^2 / ||D||_2^2."""
    atom_norm_squared: Number
    """Mean over atoms."""


class DrawnFloor(Document):
    """The draws behind one floor."""

    name: str
    """The floor."""
    n: int
    """Untrained dictionaries."""
    policy: str
    """How they were made."""
    recipe: dict[str, Any]
    """The settings that decided them."""


class Compared(Document):
    """`about.json`: what was compared, how."""

    format_version: int = COMPARED_VERSION
    """Version of the format of all these files."""
    reseed: str
    """Version of reseed."""
    runs: tuple[ComparedRun, ...]
    """Those that finished, starts first."""
    surrogates: tuple[ComparedRun, ...] = ()
    """Those on the surrogate that finished."""
    steps: tuple[int, ...]
    """The snapshots that all of them have."""
    measures: tuple[str, ...]
    """The columns of measures."""
    floors: tuple[DrawnFloor, ...] = ()
    """Those that are drawn, with two draws or more."""
    n_atoms: StrictInt
    """Atoms of a dictionary."""
    d_model: StrictInt
    """Dimensions of an atom."""
    sign: Literal["signed", "abs"]
    """Whether a cosine counts with its sign."""
    subspace_rank: StrictInt
    """Dimensions of the subspaces that are compared."""
    nested: tuple[StrictInt, ...] = ()
    """Atoms of every dictionary within these (Matryoshka), whose agreement stands in the columns `nested.<atoms>`."""

    @property
    def has_pairs(self) -> bool:
        """Whether runs were compared with each other; a single run is compared with its children only."""
        return len(self.runs) > 1


@dataclass(frozen=True)
class ComparedFolder:
    """The files about one condition."""

    path: Path
    sums: Checksums
    """Of the study."""
    barriers_before: Path | None = None
    """Where a study of format version 1 has its barriers."""

    @property
    def about(self) -> Compared | None:
        """What was compared; None where nothing was, or by another version of these files.

        Raises:
            TrajectoryError: the file is damaged.
        """
        path = self.path / "about.json"
        if not path.exists():
            return None
        document = read_json(path)
        if document.get("format_version") != COMPARED_VERSION:
            return None
        return fitted(path, Compared, document)

    def write_about(self, about: Compared) -> None:
        """Write `about.json`; the last of the files, which says that the others are whole."""
        self.sums.write_text(self.path / "about.json", about.model_dump_json(indent=1) + "\n")

    def table(self, name: Literal["pairs", "matchings", "births", "surrogate", "floors"]) -> pl.DataFrame:
        """One of the tables.

        Raises:
            TrajectoryError: it is missing or damaged.
        """
        return read_table(self.path / f"{name}.parquet")

    def write_table(
        self, name: Literal["pairs", "matchings", "births", "surrogate", "floors", "barriers"], table: pl.DataFrame
    ) -> None:
        """Write one of the tables, whole or not at all."""
        with self.sums.replacing(self.path / f"{name}.parquet") as temporary:
            table.write_parquet(temporary)

    def barriers(self) -> pl.DataFrame | None:
        """The barriers of every pair of finished runs; None where they were not measured.

        Raises:
            TrajectoryError: the file is damaged.
        """
        path = self.path / "barriers.parquet"
        if not path.exists() and self.barriers_before is not None:
            path = self.barriers_before
        return read_table(path) if path.exists() else None

    def forget_barriers(self) -> None:
        """Remove the barriers: runs that they are about may become others."""
        before = self.barriers_before
        self.sums.remove([self.path / "barriers.parquet", *([] if before is None else [before])])

    def forget(self) -> None:
        """Remove all of it, so that it is measured anew."""
        self.sums.remove([self.path / "about.json"])  # which says that the others are whole
        self.sums.remove(self.path.glob("*"))
        if self.path.exists():
            self.path.rmdir()
        self.forget_barriers()
