"""What a study asks for: frozen, validated, TOML in and out.

A `Study` is arms x preprocessings, each trained G starts x R runs per start. An arm is a method and where it starts;
an arm seen through one preprocessing is a condition. Nothing here is called a seed: `Dice` says which of the six dice
each run throws for itself, which it shares with the other runs of its start, and which all runs share.
"""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from reseed._support.files import canonical_json, sha256_of_text, write_text
from reseed.activations import PREPROCESSINGS
from reseed.dice import DICE, Die, roll
from reseed.errors import SpecError
from reseed.methods import METHODS, Method, TopK, parse
from reseed.starts import Start, check_start
from reseed.thresholds import LEVEL, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Arm",
    "Condition",
    "Dice",
    "Floors",
    "RunSpec",
    "Scope",
    "Spawn",
    "Study",
    "Thresholds",
    "Training",
    "Tuned",
]

Scope = Literal["shared", "start", "run"]

_KINDS = f"; kinds are {', '.join(METHODS)}"


def _method(settings: Method | Mapping[str, Any]) -> Method:
    if isinstance(settings, Method):
        return settings
    if not isinstance(settings, dict) or not isinstance(settings.get("kind"), str):
        raise SpecError(f'a method is a table with a kind, such as {{ kind = "topk", n_atoms = 512, k = 16 }}{_KINDS}')
    return parse(settings)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Dice(_Frozen):
    """Who shares a throw of each die: all runs (`shared`), the runs of one start (`start`) or nobody (`run`)."""

    throw: int = Field(default=0, ge=0)
    """Another number is another throw of all six dice: the same study, independently repeated."""
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
        return {die: roll(die, self.throw, *scopes[getattr(self, die)]) for die in DICE}


class Tuned(_Frozen):
    """How `reseed tune` chose a learning rate: on the held-out reconstruction of one run per rate, and nothing else."""

    preprocess: str
    """The preprocessing under which it was chosen."""
    rates: tuple[float, ...]
    """The learning rates that were tried."""


class Arm(_Frozen):
    """A way to learn a dictionary and the place where it starts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """How the arm is called in tables and folders: lower-case letters, digits, dots and hyphens."""
    method: Annotated[SerializeAsAny[Method], BeforeValidator(_method)]
    """The method and its hyper-parameters."""
    start: Start
    """Where its dictionaries start."""
    dice: dict[Die, Scope] = Field(default_factory=dict)
    """Dice that this arm shares otherwise than the study does, such as `{ points = "shared", kmeans = "shared" }`."""
    tuned: Tuned | None = None
    """Written by `reseed tune`: how the learning rate was chosen. A record for the report; no part of what a run is."""

    @model_validator(mode="after")
    def _rate_is_the_tuned_one(self) -> Self:
        rate = self.method.learning_rate
        if self.tuned is not None and rate not in self.tuned.rates:
            tried = ", ".join(f"{each:g}" for each in self.tuned.rates)
            raise SpecError(
                f"learning_rate = {rate:g} is none of the tuned rates ({tried}): "
                "leave out tuned, or run  reseed tune  again"
            )
        return self

    @model_validator(mode="after")
    def _start_suits_method(self) -> Self:
        check_start(self.start, self.method)
        n_points, n_tokens = self.start.n_points or self.method.n_atoms, self.start.points_tokens
        if n_tokens is not None and n_tokens < n_points and self.start.kind.startswith("kmeans"):
            raise SpecError(f"points_tokens = {n_tokens} for {n_points} points: k-means needs a token for each point")
        return self


class Training(_Frozen):
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is a GPU when torch sees one."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads, shared out among the runs; by default torch's own number. The results do not depend on it."""
    checkpoint_seconds: float = Field(default=30.0, ge=0.0)
    """Training time that a crash may cost; Ctrl-C costs none. The results do not depend on it."""

    @cached_property
    def snapshots(self) -> tuple[int, ...]:
        """The steps at which every run writes a snapshot: 0, 1, 2, 5, 10, ..., then the evenly spaced ones."""
        later = {round(i * self.steps / self.evenly) for i in range(1, self.evenly + 1)} - {0}
        early = {m * 10**e for e in range(len(str(self.steps))) for m in (1, 2, 5)}
        return tuple(sorted({0, 1} | {step for step in early if step < min(later)} | later))


NO_IDENTITY = {"device", "threads", "checkpoint_seconds"}
"""The settings of `Training` that are no part of what a run is; a study stays on the device that its manifest names."""


class Floors(_Frozen):
    """How the measured floors are drawn."""

    draws: int = Field(default=5, ge=3)
    """Untrained dictionaries per kind of floor and preprocessing; pairs of them are matched. A floor's own error, which
    every verdict carries, is twice as large with 3."""
    kmeans_steps: int = Field(default=10, ge=1)
    """Lloyd iterations of the k-means floor on 32 activations per centroid; five more follow on all of its sample."""


class Thresholds(_Frozen):
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


class Spawn(_Frozen):
    """Where a child left its parent (@frankle2020linear)."""

    parent: str
    """The parent's run id."""
    step: int
    """The updates that the child shares with its parent."""
    order: int
    """What the order die shows from then on."""


class RunSpec(_Frozen):
    """Everything that decides what a run becomes; its hash is the run's identity."""

    condition: str
    arm: str
    preprocess: str
    start_index: int
    run_index: int
    method: Annotated[SerializeAsAny[Method], BeforeValidator(_method)]
    start: Start
    training: Training
    rolls: dict[Die, int]
    activations: str
    """The fingerprint of the activations."""
    spawn: Spawn | None = None
    """Set for a child: it is its parent up to a step, and reads the data in another order from there on."""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The spec as JSON, without the settings that change no result: a run may be continued with others."""
        unsaid: dict[str, Any] = {} if self.spawn else {"spawn": True}
        if isinstance(self.method, TopK) and not self.method.l1:  # runs are older than the penalty
            unsaid["method"] = {"l1"}
        return self.model_dump(mode="json", exclude={"training": NO_IDENTITY, **unsaid})

    @cached_property
    def id(self) -> str:
        """`condition.start.run.hash`, the name of the run's folder; a child's says at which step it was spawned."""
        digest = sha256_of_text(canonical_json(self.identity))[:10]
        spawned = f".spawn{self.spawn.step}" if self.spawn else ""
        return f"{self.condition}.s{self.start_index}.r{self.run_index}{spawned}.{digest}"

    def order_at(self, step: int) -> int:
        """What the order die shows for update number `step`, from 0."""
        return self.spawn.order if self.spawn and step >= self.spawn.step else self.rolls["order"]


class Condition(_Frozen):
    """One arm seen through one preprocessing."""

    arm: Arm
    preprocess: str
    dice: Dice

    @property
    def name(self) -> str:
        """`arm@preprocessing`."""
        return f"{self.arm.name}@{self.preprocess}"


class Study(_Frozen):
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
    its own; such as 0, 1, 10, 100"""
    arms: tuple[Arm, ...] = Field(min_length=1)
    """The arms."""
    training: Training = Training()
    """The recipe."""
    dice: Dice = Dice()
    """Who shares which throw."""
    floors: Floors = Floors()
    """How the measured floors are drawn."""
    thresholds: Thresholds = Thresholds()
    """What the words of the verdict mean."""

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
            raise SpecError("\n".join(f"{origin}: {told}" for told in _mistakes(error))) from error

    def to_toml(self) -> str:
        """The study as TOML, every field written out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def write(self, path: str | Path) -> None:
        """Write `to_toml()` to a file."""
        write_text(Path(path), self.to_toml())

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every arm under every preprocessing."""
        return tuple(
            Condition(arm=arm, preprocess=preprocess, dice=self.dice.model_copy(update={**arm.dice}))
            for arm in self.arms
            for preprocess in self.preprocess
        )

    def runs_of(self, condition: Condition, *, activations: str) -> tuple[RunSpec, ...]:
        """The runs of one condition on activations with this fingerprint, starts first."""
        return tuple(
            self._run_of(condition, start, run, activations=activations)
            for start in range(self.starts)
            for run in range(self.runs_per_start)
        )

    def children_of(self, condition: Condition, *, activations: str) -> tuple[RunSpec, ...]:
        """The children of one condition: of the first run of every start, one for each step of `spawn_at`."""
        parents = (spec for spec in self.runs_of(condition, activations=activations) if spec.run_index == 0)
        return tuple(
            self._run_of(
                condition,
                parent.start_index,
                parent.run_index,
                activations=activations,
                spawn=_spawn(parent, step, throw=condition.dice.throw),
            )
            for parent in parents
            for step in sorted(self.spawn_at)
        )

    def _run_of(
        self, condition: Condition, start: int, run: int, *, activations: str, spawn: Spawn | None = None
    ) -> RunSpec:
        return RunSpec(
            condition=condition.name,
            arm=condition.arm.name,
            preprocess=condition.preprocess,
            start_index=start,
            run_index=run,
            method=condition.arm.method,
            start=condition.arm.start,
            training=self.training,
            rolls=_rolls(condition, start, run),
            activations=activations,
            spawn=spawn,
        )


def _rolls(condition: Condition, start: int, run: int) -> dict[Die, int]:
    rolls = condition.dice.rolls(start, run)
    if condition.arm.start.kind == "kmeans-permuted":  # the control permutes one and the same set of points
        shared = condition.dice.model_copy(update={"points": "shared", "kmeans": "shared"}).rolls(start, run)
        rolls |= {"points": shared["points"], "kmeans": shared["kmeans"]}
    return rolls


def _spawn(parent: RunSpec, step: int, *, throw: int) -> Spawn:
    order = roll("order", throw, parent.start_index, parent.run_index, "spawn", step)
    return Spawn(parent=parent.id, step=step, order=order)


_TABLES: dict[str, type[BaseModel]] = {
    "arms": Arm,
    "start": Start,
    "training": Training,
    "dice": Dice,
    "tuned": Tuned,
    "floors": Floors,
    "thresholds": Thresholds,
}


def _mistakes(error: ValidationError) -> list[str]:
    """Every mistake once: an arm that is not valid is not also an arm too few."""
    inner = {mistake["loc"][:n] for mistake in error.errors() for n in range(1, len(mistake["loc"]))}
    return [_told(mistake) for mistake in error.errors() if mistake["loc"] not in inner]


def _told(mistake: Any) -> str:  # noqa: ANN401 (pydantic's own untyped dictionary)
    """Field, what is wrong with it, what is allowed, what was given."""
    names = [part for part in mistake["loc"] if isinstance(part, str)]
    where = ".".join(str(part) for part in mistake["loc"]) or "the study"
    if mistake["type"] == "extra_forbidden":
        allowed = next((_TABLES[name] for name in reversed(names[:-1]) if name in _TABLES), Study).model_fields
        return f"{where}: no such field; there are {', '.join(allowed)}"
    if mistake["type"] == "missing":
        return f"{where}: is needed and not given"
    given = "" if isinstance(mistake["input"], dict) else f" (given: {mistake['input']!r})"
    return f"{where}: {mistake['msg'].removeprefix('Value error, ')}{given}"
