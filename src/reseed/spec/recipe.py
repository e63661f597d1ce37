"""What all arms of a study have in common: how runs are trained, whose dice are shared, floors and thresholds."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reseed._support.numbers import size
from reseed._support.settings import NEUTRAL, NO_RESULT, AtMost, Settings
from reseed.dice import DICE, Die, roll
from reseed.errors import SpecError
from reseed.thresholds import FeatureRule, Thresholds

__all__ = ["MOST_SURROGATE_STARTS", "Dice", "FeatureRule", "Floors", "Scope", "Thresholds", "Training"]

Scope = Literal["shared", "start", "run"]

MOST_SURROGATE_STARTS = 100


def _time(steps: int) -> str:
    return f"at a millisecond for each, {steps:,} updates take {steps / 3.6e6:,.0f} hours per run"


def _batch(tokens: int) -> str:
    return f"{tokens:,} tokens of 1,000 dimensions are {size(4000 * tokens)} for each run"


def _snapshots(count: int) -> str:
    return f"every run would write {count:,} snapshots, or one at each of its steps"


def _pairs(draws: int) -> str:
    return f"{draws:,} draws make {draws * (draws - 1) // 2:,} pairs to match, for each floor and preprocessing"


class Training(Settings):
    """The one recipe of all runs; what differs between methods, such as the learning rate, belongs to the method."""

    steps: Annotated[int, AtMost(10_000_000, _time)] = Field(default=1000, ge=1)
    """Updates per run."""
    batch_size: Annotated[int, AtMost(2**24, _batch)] = Field(default=1024, ge=1)
    """Tokens per update."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly from zero."""
    decay: float = Field(default=0.2, ge=0.0, le=1.0)
    """Final fraction of the steps over which the learning rate falls linearly to zero."""
    evenly: Annotated[int, AtMost(10_000, _snapshots)] = Field(default=8, ge=1)
    """Evenly spaced snapshots, to the last step; before the first of them, steps 0, 1, 2, 5, 10, 20, 50, ..."""
    device: Annotated[Literal["auto", "cpu", "cuda"], NO_RESULT] = "auto"
    """`auto` is a GPU when torch sees one. A study stays on the device that it was begun on."""
    threads: Annotated[int | None, NO_RESULT] = Field(default=None, ge=1, le=4096)
    """CPU threads, shared out among the runs; by default torch's own number. The results do not depend on it."""
    checkpoint_seconds: Annotated[float, NO_RESULT] = Field(default=30.0, ge=0.0)
    """Training time that a crash may cost; Ctrl-C and SIGTERM cost none. The results do not depend on it."""

    @model_validator(mode="after")
    def _warms_up(self) -> Self:
        if self.warmup_steps > self.steps:
            raise SpecError(
                f"warmup_steps = {self.warmup_steps:,} of steps = {self.steps:,}: no update would have the full rate"
            )
        return self

    @cached_property
    def snapshots(self) -> tuple[int, ...]:
        """The steps at which every run writes a snapshot: 0, 1, 2, 5, 10, ..., then the evenly spaced ones."""
        evenly = min(self.evenly, self.steps)  # more than there are steps is all of them
        later = {round(i * self.steps / evenly) for i in range(1, evenly + 1)} - {0}
        early = {m * 10**e for e in range(len(str(self.steps))) for m in (1, 2, 5)}
        return tuple(sorted({0, 1} | {step for step in early if step < min(later)} | later))


class Dice(Settings):
    """Who shares a roll of each die: all runs (`shared`), the runs of one start (`start`) or nobody (`run`)."""

    renamed: ClassVar[dict[str, str]] = {"throw": "replicate"}

    replicate: int = Field(default=0, ge=0)
    """Another number rolls all seven dice anew: the same study, independently repeated."""
    data: Annotated[Scope, NEUTRAL] = "shared"
    """Which activations training reads: all of them, or with `start` and `run` one of as many disjoint parts of one
    size as there are starts, or runs. One arm that splits them makes every arm read parts of that size."""
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
        """What the dice show for run `run` of start `start`; of `data` nothing where all runs share it."""
        scopes: dict[Scope, tuple[int, ...]] = {"shared": (), "start": (start,), "run": (start, run)}
        thrown = (die for die in DICE if die != "data" or self.data != "shared")
        return {die: roll(die, self.replicate, *scopes[getattr(self, die)]) for die in thrown}

    def surrogate_rolls(self, start: int) -> dict[Die, int]:
        """What they show for the run of a start on the surrogate, which shares nothing with any other."""
        return {die: roll(die, self.replicate, "surrogate", start) for die in DICE if die != "data"}


class Floors(Settings):
    """How nulls and references are made."""

    draws: Annotated[int, AtMost(1000, _pairs)] = Field(default=3, ge=3)
    """Dictionaries per kind of reference and preprocessing; pairs of them are matched. References are shown and decide
    nothing: three are enough to tell where they lie."""
    surrogate: Annotated[Literal["elliptical", "axes", "gaussian", "off"], NEUTRAL] = "elliptical"
    """The surrogate null: every arm is also trained on rows that keep the mean, the covariance and, with `elliptical`,
    the lengths of the activations (`axes`: every principal coordinate's distribution; `gaussian`: neither) and lose
    everything else. With `off` no condition can be called stabilizing or convergent."""
    surrogate_starts: Annotated[int, NEUTRAL] = Field(default=3, ge=3, le=MOST_SURROGATE_STARTS)
    """Independent starts on the surrogate, one run each."""
    kmeans_steps: int = Field(default=10, ge=1, le=10_000)
    """Most iterations of the k-means reference on 32 activations per centroid, and then on all of its sample: each end
    where one lowers the inertia by less than .5 %."""
