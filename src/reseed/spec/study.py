"""A study: arms x preprocessings, each trained G starts x R runs per start; from TOML, and to it.

An arm seen through one preprocessing is a condition. Nothing here is called a seed: `Dice` says which of the six dice
each run rolls for itself, which it shares with the other runs of its start, and which all runs share.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from reseed._support.brief import brief_fields
from reseed._support.files import canonical_json, sha256_of_text, write_text
from reseed._support.settings import Settings
from reseed.activations import PREPROCESSINGS
from reseed.errors import SpecError
from reseed.spec.arm import Arm
from reseed.spec.mistakes import mistakes
from reseed.spec.recipe import Dice, Floors, Thresholds, Training
from reseed.spec.runs import Condition, RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Study"]


class Study(Settings):
    """Arms x preprocessings, each trained from several starts and several times from each start."""

    name: str = "study"
    """The title of the report."""
    activations: str
    """An activation store, a `.npy` or `.safetensors` matrix, or a folder of them; relative to the study.toml."""
    preprocess: tuple[str, ...] = ("none", "centre")
    """The preprocessings that every arm is trained under."""
    starts: int = Field(default=3, ge=1)
    """Independent starts per condition (G)."""
    runs_per_start: int = Field(default=2, ge=1)
    """Runs that share each start (R)."""
    spawn_at: tuple[int, ...] = ()
    """Steps at which a child leaves the first run of every start, whole state copied, to read the data in an order of
    its own; such as 0, 1, 10, 100."""
    arms: tuple[Arm, ...] = Field(min_length=1)
    """The arms."""
    training: Training = Training()
    """The recipe."""
    dice: Dice = Dice()
    """Who shares which roll."""
    floors: Floors = Floors()
    """How the measured floors are drawn."""
    thresholds: Thresholds = Thresholds()
    """What the words of the verdict mean."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        return brief_fields(self)

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> Self:
        unknown = [name for name in self.preprocess if name not in PREPROCESSINGS]
        if unknown or not self.preprocess:
            raise SpecError(f"preprocess = {list(self.preprocess)}: choose from {', '.join(PREPROCESSINGS)}")
        for what, names in (("arms", [arm.name for arm in self.arms]), ("preprocess", list(self.preprocess))):
            if len(set(names)) < len(names):
                raise SpecError(f"{what} {names} repeat a name: give each one its own")
        return self

    @model_validator(mode="after")
    def _children_leave_in_training(self) -> Self:
        given = list(self.spawn_at)
        if any(not 0 <= step < self.training.steps for step in given) or len(set(given)) < len(given):
            raise SpecError(
                f"spawn_at = {given}: each step once, from 0 to {self.training.steps - 1}, before the last of "
                f"{self.training.steps} updates"
            )
        return self

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The study in a TOML file; a relative `activations` path is resolved against the file's folder.

        Raises:
            SpecError: the file is missing or no TOML, or asks for what is not allowed; one line per mistake.
        """
        path = Path(path)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SpecError(f"{path} does not exist: write one with  reseed init {path}") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SpecError(f"{path} cannot be read as TOML: {error}") from error
        study = cls.parse(table, origin=str(path))
        return study.model_copy(update={"activations": str(path.parent / Path(study.activations).expanduser())})

    @classmethod
    def parse(cls, table: dict[str, Any], *, origin: str = "study") -> Self:
        """The study in a table, with mistakes told as a `SpecError` that names the field."""
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise SpecError("\n".join(f"{origin}: {told}" for told in mistakes(error, cls))) from error

    def to_toml(self) -> str:
        """The study as TOML, every field written out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def write(self, path: str | Path) -> None:
        """Write `to_toml()` to a file."""
        write_text(Path(path), self.to_toml())

    @property
    def digest(self) -> str:
        """SHA-256 of the study, without the path of its activations and without what changes no result."""
        outside = {"activations": True, "training": self.training.outside_identity}
        return sha256_of_text(canonical_json(self.model_dump(mode="json", exclude=outside)))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every arm under every preprocessing."""
        return tuple(
            Condition(
                arm=arm,
                preprocess=preprocess,
                dice=self.dice.model_copy(update={**arm.dice}),
                training=self.training,
            )
            for arm in self.arms
            for preprocess in self.preprocess
        )

    def runs_of(self, condition: Condition, *, activations: str) -> tuple[RunSpec, ...]:
        """The runs of one condition on activations with this fingerprint, starts first."""
        return tuple(
            condition.run(start, run, activations=activations)
            for start in range(self.starts)
            for run in range(self.runs_per_start)
        )

    def children_of(self, condition: Condition, *, activations: str) -> tuple[RunSpec, ...]:
        """The children of one condition: of the first run of every start, one for each step of `spawn_at`."""
        parents = (condition.run(start, 0, activations=activations) for start in range(self.starts))
        return tuple(condition.child(parent, step) for parent in parents for step in sorted(self.spawn_at))
