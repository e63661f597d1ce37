"""What a run is, told without the names that a study gives to things: its identity, and the id made from it.

An id is `method-start@preprocessing.s0.r1.digest`; a child's says at which step it was spawned. The digest is that of
everything that decides what the run becomes. Names of arms and conditions are labels: they may change.

Ids had another form at first, `condition.s0.r1.digest`, with the names of arm and condition in it and in its digest. A
study folder that was begun then keeps the ids that it has (`RunSpec.kept_in`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from reseed._support.files import canonical_json, sha256_of_text
from reseed._support.settings import Settings
from reseed.dice import DICE, Die, generator, roll
from reseed.spec.arm import AnyMethod, Arm
from reseed.spec.recipe import Dice, Scope, Training
from reseed.starts import Start, start_identity
from reseed.trajectory import RunRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Condition", "Part", "Reads", "RunSpec", "Spawn", "Split"]


class Spawn(Settings):
    """Where a child left its parent (@frankle2020linear)."""

    parent: str
    """The parent's run id."""
    step: int
    """The updates that the child shares with its parent."""
    order: int
    """What the order die shows from then on."""


class Part(Settings):
    """Which of several disjoint parts of the activations a run reads."""

    index: int
    """The part, from 0."""
    of: int
    """How many parts there are, all of one size."""


class Split(Settings):
    """How a study shares out its activations: into a part for each start, or for each run."""

    starts: int
    """Starts per condition."""
    per_start: int
    """Parts for each start: 1, or as many as it has runs."""

    @property
    def n_parts(self) -> int:
        """Parts of one size that the training rows are cut into."""
        return self.starts * self.per_start

    def part(self, scope: Scope, start: int, run: int, *, replicate: int) -> Part:
        """That of run `run` of start `start`: the die `data` rolls which part comes first, which second, and so on."""
        of = self.n_parts
        order = torch.randperm(of, generator=generator(roll("data", replicate)))
        place = {"shared": 0, "start": start * self.per_start, "run": start * self.per_start + run}
        return Part(index=int(order[place[scope]]), of=of)


Reads: TypeAlias = tuple[str, Part | None]
"""The rows that a run reads: a fingerprint of activations, and the part of them; None for all."""


class RunSpec(Settings):
    """Everything that decides what a run becomes, and what it is called."""

    condition: str
    """A label."""
    arm: str
    """A label."""
    preprocess: str
    start_index: int
    run_index: int
    method: AnyMethod
    start: Start
    training: Training
    rolls: dict[Die, int]
    activations: str
    """The fingerprint of the activations, of which it may read a part."""
    part: Part | None = None
    """The part of them that it reads; None for all."""
    spawn: Spawn | None = None
    """Set for a child: it is its parent up to a step, and reads the data in another order from there on."""
    surrogate: str | None = None
    """Set for a run on a surrogate of the activations: its kind."""
    kept: str | None = None
    """The id under which an older study folder holds the run."""
    kept_parent: str | None = None
    """The id under which it holds the parent of a child."""

    @property
    def identity(self) -> dict[str, Any]:
        """As JSON, everything that decides what the run becomes: no label, and no setting that changes no result."""
        return self._identity(start_identity(self.start, self.method))

    def _identity(self, start: dict[str, Any]) -> dict[str, Any]:
        spawn = {} if self.spawn is None else {"spawn": self.spawn.identity}
        surrogate = {} if self.surrogate is None else {"surrogate": self.surrogate}
        part = {} if self.part is None else {"part": self.part.identity}
        return {
            "preprocess": self.preprocess,
            "start_index": self.start_index,
            "run_index": self.run_index,
            "method": self.method.identity,
            "start": start,
            "training": self.training.identity,
            "rolls": dict(self.rolls),
            "activations": self.activations,
            **part,
            **spawn,
            **surrogate,
        }

    @property
    def id(self) -> str:
        """The name of the run's folder."""
        return self.kept or self._id(self.identity)

    def _id(self, identity: dict[str, Any]) -> str:
        return f"{self.method.kind}-{self.start.kind}@{self.preprocess}.{self._place}.{_digest(identity)}"

    @property
    def reads(self) -> Reads:
        """Equal for runs that read the same rows."""
        return self.activations, self.part

    @property
    def first_id(self) -> str:
        """The id that the run would have had at first: whatever is drawn from it stays as it was."""
        return self._first_id(self.identity)

    def _first_id(self, identity: dict[str, Any]) -> str:
        identity = identity | {"condition": self.condition, "arm": self.arm}
        if self.spawn is not None:
            parent = self.model_copy(update={"spawn": None}).first_id
            identity["spawn"] = self.spawn.identity | {"parent": parent}
        return f"{self.condition}.{self._place}.{_digest(identity)}"

    @property
    def earlier_ids(self) -> frozenset[str]:
        """The ids of the run that once had these settings, where that was another run: it can be judged, not continued.

        Empty unless points are less a decoder bias, which they once were not.
        """
        before = self._identity(self.start.identity)
        return frozenset() if before == self.identity else frozenset({self._id(before), self._first_id(before)})

    @property
    def _place(self) -> str:
        spawned = f".spawn{self.spawn.step}" if self.spawn else ""
        surrogate = f"{self.surrogate}." if self.surrogate else ""
        return f"{surrogate}s{self.start_index}.r{self.run_index}{spawned}"

    def kept_in(self, ids: Collection[str]) -> RunSpec:
        """The run under the id that it has among those of a study folder, which may be its first one.

        A child also gets to know the first id of its parent, where that is in the folder.
        """
        kept = self.first_id if self.id not in ids and self.first_id in ids else None
        parent = None if self.spawn is None else self.model_copy(update={"spawn": None}).first_id
        return self.model_copy(update={"kept": kept, "kept_parent": parent if parent in ids else None})

    @property
    def dice(self) -> tuple[Die, ...]:
        """The dice that change anything for this method and start; those of the others may be shared or not."""
        read: set[Die] = set() if self.part is None else {"data"}
        matter = self.method.dice | self.start.dice | read
        return tuple(die for die in DICE if die in matter)

    def record(self, *, points: str | None, about: Mapping[str, Any] | None = None) -> RunRecord:
        """What the study folder says of the run: its identity, and what a reader needs to know of method and start.

        Args:
            points: the name under which the folder keeps the points that the run starts from.
            about: what the activations say about themselves, of which a surrogate's rank and size are told.
        """
        identity = self.identity
        if self.kept_parent is not None:
            identity["spawn"] |= {"parent": self.kept_parent}
        return RunRecord(
            **identity,
            sign=self.method.sign,
            determined=self.method.determined,
            groups=self.method.group_sizes,
            dice=self.dice,
            shared_when_published=self.start.entry.shared_when_published,
            points=points,
            surrogate_rank=(about or {}).get("rank") if self.surrogate else None,
            dimensions_per_token=(about or {}).get("dimensions_per_token") if self.surrogate else None,
        )

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The steps at which it is written down: those of the recipe; on a surrogate the ends are enough."""
        return self.training.snapshots if self.surrogate is None else (0, self.training.steps)

    def order_at(self, step: int) -> int:
        """What the order die shows for update number `step`, from 0."""
        return self.spawn.order if self.spawn and step >= self.spawn.step else self.rolls["order"]


class Condition(Settings):
    """One arm seen through one preprocessing."""

    arm: Arm
    preprocess: str
    dice: Dice
    training: Training
    split: Split | None = None
    """How the study shares out its activations; None where every run reads all of them."""

    @property
    def name(self) -> str:
        """`arm@preprocessing`: a label."""
        return f"{self.arm.name}@{self.preprocess}"

    @property
    def scopes(self) -> dict[Die, Scope]:
        """Who shares each die, some of which a start of this kind has all runs share."""
        same = self.arm.start.entry.same_in_all_runs
        return {die: "shared" if die in same else getattr(self.dice, die) for die in DICE}

    def one_start(self, d_model: int) -> bool:
        """Whether all starts on one sample of activations are born identical, whatever the dice show."""
        written = d_model - (self.arm.method.columns_read or 0)
        deciding = self.arm.start.deciding(self.arm.method.n_atoms, written)
        return self.scopes["data"] == "shared" and all(self.scopes[die] == "shared" for die in deciding)

    def key(self, *, activations: str) -> str:
        """What the condition is on activations with this fingerprint, whatever it is called: equal keys, equal runs."""
        split = {} if self.split is None else {"split": self.split.identity}
        identity = {
            "method": self.arm.method.identity,
            "start": start_identity(self.arm.start, self.arm.method),
            "training": self.training.identity,
            "preprocess": self.preprocess,
            "dice": self.dice.identity,
            "activations": activations,
            **split,
        }
        return f"{self.arm.method.kind}-{self.arm.start.kind}@{self.preprocess}.{_digest(identity)}"

    def run(self, start: int, run: int, *, activations: str) -> RunSpec:
        """Run `run` of start `start`."""
        return RunSpec(
            condition=self.name,
            arm=self.arm.name,
            preprocess=self.preprocess,
            start_index=start,
            run_index=run,
            method=self.arm.method,
            start=self.arm.start,
            training=self.training,
            rolls=self._rolls(start, run),
            activations=activations,
            part=self.split and self.split.part(self.dice.data, start, run, replicate=self.dice.replicate),
        )

    def on_surrogate(self, start: int, *, kind: str, activations: str) -> RunSpec:
        """The run of a start on a surrogate with this fingerprint: the same recipe, by rolls that no other run has.

        It reads the part that the first run of its start reads; with more starts than parts, some read one part.
        """
        rolls = self.dice.surrogate_rolls(start)
        same = self.dice.surrogate_rolls(0)
        rolls |= {die: same[die] for die in self.arm.start.entry.same_in_all_runs}
        spec = self.run(start if self.split is None else start % self.split.starts, 0, activations=activations)
        if spec.part is not None:
            rolls["data"] = roll("data", self.dice.replicate, "surrogate", spec.part.index)
        return spec.model_copy(update={"start_index": start, "surrogate": kind, "rolls": rolls})

    def child(self, parent: RunSpec, step: int) -> RunSpec:
        """The run that leaves a parent after some updates, to read the data in an order of its own."""
        order = roll("order", self.dice.replicate, parent.start_index, parent.run_index, "spawn", step)
        return parent.model_copy(update={"spawn": Spawn(parent=parent.id, step=step, order=order)})

    def _rolls(self, start: int, run: int) -> dict[Die, int]:
        same_part: dict[Die, int] = {"data": roll("data", self.dice.replicate)} if self.split else {}
        scopes = {str(die): scope for die, scope in self.scopes.items()}
        return same_part | self.dice.model_copy(update=scopes).rolls(start, run)


def _digest(identity: dict[str, Any]) -> str:
    return sha256_of_text(canonical_json(identity))[:10]
