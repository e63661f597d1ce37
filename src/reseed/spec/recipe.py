"""What all arms of a study have in common: how runs are trained, whose dice are shared, floors and thresholds."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from reseed._support.settings import NO_RESULT, Settings
from reseed.dice import DICE, Die, roll
from reseed.thresholds import LEVEL, Limits

__all__ = ["Dice", "Floors", "Scope", "Thresholds", "Training"]

Scope = Literal["shared", "start", "run"]


class Training(Settings):
    """The one recipe of all runs; what differs between methods, such as the learning rate, belongs to the method."""

    steps: int = Field(default=1000, ge=1)
    """Updates per run."""
    batch_size: int = Field(default=1024, ge=1)
    """Tokens per update."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly from zero."""
    decay: float = Field(default=0.2, ge=0.0, le=1.0)
    """Final fraction of the steps over which the learning rate falls linearly to zero."""
    evenly: int = Field(default=8, ge=1)
    """Evenly spaced snapshots, to the last step; before the first of them, steps 0, 1, 2, 5, 10, 20, 50, ..."""
    device: Annotated[Literal["auto", "cpu", "cuda"], NO_RESULT] = "auto"
    """`auto` is a GPU when torch sees one. A study stays on the device that it was begun on."""
    threads: Annotated[int | None, NO_RESULT] = Field(default=None, ge=1)
    """CPU threads, shared out among the runs; by default torch's own number. The results do not depend on it."""
    checkpoint_seconds: Annotated[float, NO_RESULT] = Field(default=30.0, ge=0.0)
    """Training time that a crash may cost; Ctrl-C and SIGTERM cost none. The results do not depend on it."""

    @cached_property
    def snapshots(self) -> tuple[int, ...]:
        """The steps at which every run writes a snapshot: 0, 1, 2, 5, 10, ..., then the evenly spaced ones."""
        later = {round(i * self.steps / self.evenly) for i in range(1, self.evenly + 1)} - {0}
        early = {m * 10**e for e in range(len(str(self.steps))) for m in (1, 2, 5)}
        return tuple(sorted({0, 1} | {step for step in early if step < min(later)} | later))


class Dice(Settings):
    """Who shares a roll of each die: all runs (`shared`), the runs of one start (`start`) or nobody (`run`)."""

    renamed: ClassVar[dict[str, str]] = {"throw": "replicate"}

    replicate: int = Field(default=0, ge=0)
    """Another number rolls all six dice anew: the same study, independently repeated."""
    init: Scope = "start"
    """The dictionary at step 0."""
    encoder: Scope = "run"
    """An encoder that does not start as the decoder's transpose."""
    points: Scope = "start"
    """The activations that k-means or an archetypal hull is made from."""
    kmeans: Scope = "start"
    """Where k-means itself starts."""
    order: Scope = "run"
    """The order in which training reads the activations."""
    resample: Scope = "run"
    """The activations that replace dead atoms."""

    def rolls(self, start: int, run: int) -> dict[Die, int]:
        """What the six dice show for run `run` of start `start`."""
        scopes: dict[Scope, tuple[int, ...]] = {"shared": (), "start": (start,), "run": (start, run)}
        return {die: roll(die, self.replicate, *scopes[getattr(self, die)]) for die in DICE}


class Floors(Settings):
    """How the measured floors are drawn."""

    draws: int = Field(default=5, ge=3)
    """Untrained dictionaries per kind of floor and preprocessing; pairs of them are matched. A floor's own error, which
    every verdict carries, is twice as large with 3."""
    kmeans_steps: int = Field(default=10, ge=1)
    """Lloyd iterations of the k-means floor on 32 activations per centroid; five more follow on all of its sample."""


class Thresholds(Settings):
    """What the words of a verdict mean; floor-adjusted agreement is (A - floor) / (1 - floor)."""

    min_r2: float = Limits.min_r2
    """A condition with a run below this held-out R² is `not fitted`: its agreement means nothing."""
    margin: float = Field(default=Limits.margin, gt=0.0)
    """The smallest difference that matters, on the floor-adjusted scale."""
    convergent: float = Field(default=Limits.convergent, gt=0.0, le=1.0)
    """Independent starts end at the same dictionary: floor-adjusted agreement of at least this."""
    frozen_retention: float = Field(default=Limits.frozen_retention, gt=0.0, le=1.0)
    """Atoms that still point where they started: mean cosine with their own step 0 of at least this."""
    memory: float = Field(default=Limits.memory, gt=0.0, lt=1.0)
    """A start that still explains at least this share of the agreement is inherited."""
    level: float = Field(default=LEVEL, gt=0.5, lt=1.0)
    """Confidence of every interval."""
