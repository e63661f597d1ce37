"""A study: arms x preprocessings, each trained G starts x R runs per start; from TOML, and to it.

An arm seen through one preprocessing is a condition. Nothing here is called a seed: `Dice` says which of the seven dice
each run rolls for itself, which it shares with the other runs of its start, and which all runs share.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from reseed._support.brief import brief_fields
from reseed._support.documents import UnreadableError, read_toml
from reseed._support.files import canonical_json, sha256_of_text, write_text
from reseed._support.kinds import is_known, what_is
from reseed._support.mistakes import did_you_mean, mistakes, shown
from reseed._support.settings import NEUTRAL, NO_RESULT, Settings
from reseed.activations import KEEP_SIGNS, MIX_COLUMNS, PREPROCESSINGS
from reseed.errors import SpecError
from reseed.spec.arm import Arm
from reseed.spec.recipe import MOST_SURROGATE_STARTS, Dice, FeatureRule, Floors, Scope, Thresholds, Training
from reseed.spec.runs import Condition, RunSpec, Split

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_RUNS", "Study"]

_SCOPES = get_args(Scope)  # from all runs to one

MOST_RUNS = 10_000
"""Runs and children of one condition: 50 million pairs to compare at every snapshot."""


class Study(Settings):
    """Arms x preprocessings, each trained from several starts and several times from each start."""

    name: str = Field(default="study", max_length=1000)
    """The title of the report."""
    activations: str
    """An activation store, a `.npy`, `.safetensors` or `.pt` matrix, or a folder of matrices; relative to the
    study.toml."""
    tensor: Annotated[str | None, NEUTRAL] = None
    """The name of the tensor to read, where a file of activations holds several."""
    transpose: Annotated[bool, NEUTRAL] = False
    """Whether the columns of a matrix of activations are the tokens."""
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
    reference: Annotated[str | None, NO_RESULT] = None
    """The arm that every other one is compared with, or `"*"`: every two, which grows with the square of the arms.
    Where nothing is said, every two of up to three arms are compared, and of more each with the first."""
    compare: Annotated[tuple[tuple[str, str], ...], NO_RESULT] = ()
    """Which arms are compared instead: pairs of names, the first less the second, such as `[["ra-topk", "topk"]]`."""
    training: Training = Training()
    """The recipe."""
    dice: Dice = Dice()
    """Who shares which roll."""
    floors: Floors = Floors()
    """How the measured floors are drawn."""
    thresholds: Thresholds = Thresholds()
    """What the words of the verdict mean."""
    features: Annotated[FeatureRule, NO_RESULT] = FeatureRule()
    """When a feature of a run comes back in another one."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        return brief_fields(self)

    @field_validator("activations")
    @classmethod
    def _is_a_path(cls, activations: str) -> str:
        if not activations.strip() or "\0" in activations:
            raise ValueError("is no path: name a store, a matrix or a folder of matrices")
        try:
            Path(activations).expanduser()
        except RuntimeError as error:  # ~somebody, whom nobody knows here
            raise ValueError(f"begins with a home folder that is not known here ({error}): write it out") from error
        return activations

    @field_validator("tensor")
    @classmethod
    def _is_a_name(cls, tensor: str | None) -> str | None:
        if tensor is not None and not tensor.strip():
            raise ValueError("is no name: name a tensor of the file, or leave it out where there is one only")
        return tensor

    @field_validator("compare", mode="before")
    @classmethod
    def _are_pairs(cls, compare: object) -> object:
        if isinstance(compare, (list, tuple)):
            return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in compare)
        return compare

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        """What no field can say alone; all of it at once."""
        complaints = (
            *self._of_names(),
            *self._of_comparisons(),
            *self._of_children(),
            *self._of_runs(),
            *self._of_parts(),
            *self._of_looks(),
            *self._of_tokens(),
            *self._of_columns(),
            *self._of_signs(),
        )
        if complaints:
            raise SpecError("; ".join(complaints))
        return self

    def _of_names(self) -> Iterator[str]:
        unknown = [name for name in self.preprocess if name not in PREPROCESSINGS]
        if unknown or not self.preprocess:
            near = did_you_mean(unknown[0], PREPROCESSINGS) if unknown else ""
            yield f"preprocess = {shown(list(self.preprocess))}: choose from {', '.join(PREPROCESSINGS)}{near}"
        for what, names in (("arms", [arm.name for arm in self.arms]), ("preprocess", list(self.preprocess))):
            if len(set(names)) < len(names):
                yield f"{what} {shown(names)} repeat a name: give each one its own"

    def _of_comparisons(self) -> Iterator[str]:
        names = [arm.name for arm in self.arms]
        if self.reference is not None and self.compare:
            yield "reference and compare both say which arms are compared: leave out one of them"
        if self.reference not in {None, "*", *names}:
            near = did_you_mean(str(self.reference), names)
            yield f"reference = {shown(self.reference)} is no arm: choose from {', '.join(names)}, or *{near}"
        for first, second in self.compare:
            if first == second or not {first, second} <= {*names}:
                yield f"compare has {shown([first, second])}: name two arms of {', '.join(names)}"

    def _of_children(self) -> Iterator[str]:
        given = list(self.spawn_at)
        if any(not 0 <= step < self.training.steps for step in given) or len(set(given)) < len(given):
            yield (
                f"spawn_at = {shown(given)}: each step once, from 0 to {self.training.steps - 1}, before the last of "
                f"{self.training.steps} updates"
            )

    def _of_runs(self) -> Iterator[str]:
        runs, children = self.starts * self.runs_per_start, self.starts * len(self.spawn_at)
        if runs + children > MOST_RUNS:
            conditions = len(self.arms) * len(self.preprocess)
            spawned = f" and {children:,} children" if children else ""
            yield (
                f"starts = {self.starts:,} and runs_per_start = {self.runs_per_start:,} are {runs:,} runs{spawned} per "
                f"condition, {conditions * (runs + children):,} in all, and {runs * (runs - 1) // 2:,} pairs per "
                f"condition to compare at every snapshot: at most {MOST_RUNS:,} runs per condition"
            )

    def _of_parts(self) -> Iterator[str]:
        for condition in self.conditions[:: len(self.preprocess) or 1]:
            scopes, arm = condition.scopes, condition.arm
            if "points" in arm.start.entry.dice and _SCOPES.index(scopes["points"]) < _SCOPES.index(scopes["data"]):
                if "points" in arm.start.entry.same_in_all_runs:
                    remedy = (
                        f'dice = {{ data = "shared" }} for this arm, since all runs of {arm.start.kind} share points'
                    )
                else:
                    remedy = f'points = "{scopes["data"]}" as well, or data = "{scopes["points"]}"'
                yield (
                    f'{arm.name}: with data = "{scopes["data"]}" its runs read different activations, so its points '
                    f'cannot be those of points = "{scopes["points"]}": use {remedy}'
                )

    def _of_tokens(self) -> Iterator[str]:
        steps, batch_size = self.training.steps, self.training.batch_size
        for arm in self.arms:
            if (mistake := arm.method.mistake_for(steps * batch_size)) is not None:
                yield f"{arm.name}: in {steps:,} steps of {batch_size:,} tokens, {mistake}"

    def _of_columns(self) -> Iterator[str]:
        reads = {arm.name: arm.method.columns_read for arm in self.arms}
        if len(set(reads.values())) > 1:
            told = ", ".join(f"{name} reads {'all' if columns is None else columns}" for name, columns in reads.items())
            yield f"{told} columns of a row: one study is about one space of atoms, so make a study of each"
        mixed = sorted(MIX_COLUMNS.intersection(self.preprocess)) if any(reads.values()) else []
        if mixed:
            yield (
                f"preprocess has {', '.join(mixed)}, which mixes what a transcoder reads with what it writes: use "
                f"{', '.join(name for name in PREPROCESSINGS if name not in MIX_COLUMNS)}"
            )

    def _of_signs(self) -> Iterator[str]:
        centred = [name for name in self.preprocess if name not in KEEP_SIGNS]
        for name in (arm.name for arm in self.arms if arm.method.non_negative):
            remedy = "or let its method split them: signs = 'split'"
            if centred:
                yield (
                    f"{name} refuses negative entries, and {', '.join(centred)} makes some: preprocess by "
                    f"{' or '.join(KEEP_SIGNS)}, {remedy}"
                )
            if self.floors.surrogate != "off":
                yield (
                    f"{name} refuses negative entries, and the rows of a surrogate have some: leave this null out with "
                    f"floors.surrogate = 'off', {remedy}"
                )

    def _of_looks(self) -> Iterator[str]:
        planned = [look.starts for look in self.thresholds.looks]
        if planned and self.starts not in planned:
            yield (
                f"starts = {self.starts}: the looks that thresholds.looks plans are at {', '.join(map(str, planned))} "
                "starts, and a study is judged at these alone; leave out thresholds.looks, or take one of them"
            )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The study in a TOML file; a relative `activations` path is resolved against the file's folder.

        Raises:
            SpecError: the file is missing or no TOML, or asks for what is not allowed; one line per mistake.
        """
        path = Path(path)
        if not path.exists():
            raise SpecError(f"{path} does not exist: write one with  reseed init {path}")
        if path.is_dir() or is_known(path):
            raise SpecError(f"{path} is {what_is(path)}, not a study.toml: {_toml_near(path)}")
        try:
            table = read_toml(path)
        except UnreadableError as error:
            raise SpecError(f"{path} cannot be read as TOML: {error}") from error
        study = cls.parse(table, origin=str(path))
        return study.model_copy(update={"activations": str(path.parent / Path(study.activations).expanduser())})

    @classmethod
    def parse(cls, table: dict[str, Any], *, origin: str = "study") -> Self:
        """The study in a table, with mistakes told as a `SpecError` that names the field."""
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            told = [f"{origin}: {mistake}" for mistake in mistakes(error, cls, whole="")]
            hides = any(mistake["loc"] for mistake in error.errors(include_url=False))  # what no field can say alone
            more = " (more may follow)" if hides else ""
            raise SpecError("\n".join(told) + more) from error

    def to_toml(self) -> str:
        """The study as TOML, every field written out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def write(self, path: str | Path) -> None:
        """Write `to_toml()` to a file."""
        write_text(Path(path), self.to_toml())

    @property
    def digest(self) -> str:
        """SHA-256 of the study, without the path of its activations and without what changes no result."""
        known = dict.fromkeys({"activations", *self.outside_identity}, True)
        outside = {
            **known,
            "training": self.training.outside_identity,
            "dice": self.dice.outside_identity,
            "floors": self.floors.outside_identity,
        }
        return sha256_of_text(canonical_json(self.model_dump(mode="json", exclude=outside)))

    @property
    def columns_read(self) -> int | None:
        """How many columns of a row its methods read that write the others; None where they write what they read."""
        return self.arms[0].method.columns_read

    @property
    def split(self) -> Split | None:
        """How the activations are shared out; None where every run of every arm reads all of them."""
        scopes = {arm.dice.get("data", self.dice.data) for arm in self.arms}
        if scopes == {"shared"}:
            return None
        most = max([self.starts, *(look.starts for look in self.thresholds.looks)])  # each start keeps its part
        return Split(starts=most, per_start=self.runs_per_start if "run" in scopes else 1)

    def grown(self, starts: int) -> Self:
        """The same study from so many starts, with as many on the surrogate, unless it has more."""
        beside = max(self.floors.surrogate_starts, min(starts, MOST_SURROGATE_STARTS))
        floors = self.floors.model_copy(update={"surrogate_starts": beside})
        return type(self).parse(self.model_copy(update={"starts": starts, "floors": floors}).model_dump(mode="json"))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every arm under every preprocessing."""
        return tuple(
            Condition(
                arm=arm,
                preprocess=preprocess,
                dice=self.dice.model_copy(update={**arm.dice}),
                training=self.training,
                split=self.split,
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

    def surrogates_of(self, condition: Condition, *, activations: str) -> tuple[RunSpec, ...]:
        """The runs of one condition on a surrogate with this fingerprint, one for each of its starts.

        None where the study has no surrogate, or has no two runs that could agree.
        """
        kind = self.floors.surrogate
        if kind == "off" or self.starts * self.runs_per_start < 2:  # noqa: PLR2004 (a pair)
            return ()
        starts = range(self.floors.surrogate_starts)
        return tuple(condition.on_surrogate(start, kind=kind, activations=activations) for start in starts)


def _toml_near(path: Path) -> str:
    """What to give instead of `path`."""
    near = path / "study.toml"
    return f"give the file, such as {near}" if near.is_file() else "write one with  reseed init study.toml"
