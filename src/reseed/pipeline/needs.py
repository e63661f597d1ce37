"""What a study will need, by arithmetic alone: runs, pairs, memory, files.

Nothing is drawn or opened for it, and nothing here takes longer for a larger study. Bytes of memory are those of the
process's own numbers: pages of mapped activations come on top as far as there is room, and go when something else needs
it. Each phase says what it holds for certain (`least`) and what it takes at its peak (`most`), temporary copies
included, which depend on how many threads are at work at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reseed.floors import FLOORS
from reseed.pipeline.shapes import Shape, shape_of
from reseed.starts import points_identity
from reseed.training.batches import share_of
from reseed.training.untrained import kmeans_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.activations import Sizes
    from reseed.dice import Die
    from reseed.spec import Condition, Study, Training

__all__ = ["Needs", "OfCondition", "Phase", "count_snapshots", "needs_of"]

LIBRARIES = 260 * 2**20  # what torch, numba and the others hold before anything is done
KEPT = 80 * 2**20  # what they may hold more once they have worked
SLACK = 1.4  # of temporary memory: what an allocator keeps of earlier phases without needing it
_GPU_ONCE = 2**28
_AT_A_TIME, _AT_A_TIME_ON_GPU = 2**20, 2**25  # dense held-out codes of a run: see training.recording
_PLANNED = 12_000  # bytes in memory for each run of a plan
_PER_ROW = 1500  # bytes in memory for each row of a table that is being made


class Phase(NamedTuple):
    """One part of the work, and the memory that it takes."""

    name: str
    least: int
    """Bytes that it holds for certain."""
    most: int
    """Bytes at its peak."""
    advice: str
    """What to reduce."""


class OfCondition(NamedTuple):
    """What one condition counts."""

    condition: Condition
    shape: Shape
    starts: int
    runs: int
    children: int
    surrogates: int
    """Runs on the surrogate that no condition before it has, too."""
    beside: bool
    """Whether it has runs on the surrogate, of its own or with another condition."""
    snapshots: int
    """Of each run and child; those on the surrogate have two."""

    @property
    def every(self) -> int:
        """Runs, children and runs on the surrogate."""
        return self.runs + self.children + self.surrogates

    @property
    def written(self) -> int:
        """Snapshots of all of them."""
        return (self.runs + self.children) * self.snapshots + 2 * self.surrogates

    @property
    def pairs(self) -> int:
        """Of runs."""
        return math.comb(self.runs, 2)


@dataclass(frozen=True)
class Needs:
    """What a study needs, by arithmetic."""

    conditions: tuple[OfCondition, ...]
    draws: tuple[tuple[str, int, str], ...]
    """Untrained dictionaries of activations, each to be drawn `floors.draws` times: preprocessing, atoms, floor."""
    points: dict[tuple[object, ...], tuple[OfCondition, int]]
    """Sets of points that starts are made from: by what decides them, for which condition, and how many."""
    memory: tuple[Phase, ...]
    """Of the process, by phase."""
    gpu: tuple[Phase, ...]
    """Of a GPU; none where there is none to be used."""
    disk: dict[str, int]
    """Bytes that are there in the end, by kind of file."""
    disk_least: int
    """Bytes that are there in the end for certain."""
    while_training: int
    """Bytes on top of that while conditions are trained: resume points, and the rows of the surrogate."""
    files: int
    """Files in the end, folders not counted."""

    @property
    def runs(self) -> int:
        """Of all conditions."""
        return sum(each.runs for each in self.conditions)

    @property
    def children(self) -> int:
        """Of all conditions."""
        return sum(each.children for each in self.conditions)

    @property
    def surrogates(self) -> int:
        """Of all conditions."""
        return sum(each.surrogates for each in self.conditions)

    @property
    def snapshots(self) -> int:
        """Of all of them."""
        return sum(each.written for each in self.conditions)

    @property
    def pairs(self) -> int:
        """Of runs of one condition, each compared at every snapshot."""
        return sum(each.pairs for each in self.conditions)


def needs_of(study: Study, sizes: Sizes, *, device: str, threads: int, gpu: int | None = None) -> Needs:
    """What a study needs on activations of these sizes, on a device, with so many threads.

    Args:
        study: the study.
        sizes: of its activations.
        device: `cpu` or `cuda`.
        threads: that share the work.
        gpu: bytes of the GPU's memory; None where there is none, or nobody knows.

    Raises:
        SpecError: what a method or a start refuses.
    """
    conditions = _counted(study, sizes)
    drawn = [floor.name for floor in FLOORS.values() if floor.draw is not None]
    n_atoms = sorted({arm.method.n_atoms for arm in study.arms})
    draws = tuple((seen, n, floor) for seen in study.preprocess for n in n_atoms for floor in drawn)
    points = _points(study, conditions)
    disk, least, files = _disk(study, sizes, conditions, draws, points)
    held = _always(study, sizes, conditions)
    memory = [_drawing(study, sizes, held, threads)]
    for each in conditions:
        memory += _training(each, sizes, points, held, threads=threads, on_gpu=device == "cuda")
        memory += [
            _comparing(each, sizes, held, threads),
            _comparing_floors(each, study.floors.draws, held, threads),
        ]
    return Needs(
        conditions=conditions,
        draws=draws,
        points=points,
        memory=tuple(phase._replace(most=phase.most + KEPT) for phase in memory),
        gpu=tuple(_on_gpu(each, sizes, gpu) for each in conditions) if device == "cuda" else (),
        disk=disk,
        disk_least=least,
        while_training=max(each.every * (each.shape.state + 4096) + each.shape.state for each in conditions)
        + 4 * sizes.n_tokens * sizes.d_model * any(each.surrogates for each in conditions),
        files=files,
    )


def count_snapshots(training: Training) -> int:
    """How many steps `training.snapshots` has, counted without a list of them."""
    later = min(training.evenly, training.steps)
    first = max(1, round(training.steps / training.evenly)) if training.evenly < training.steps else 1
    early = sum(m * 10**e < first for e in range(len(str(training.steps))) for m in (1, 2, 5))
    return 1 + later + (0 if first == 1 else max(1, early))


def _counted(study: Study, sizes: Sizes) -> tuple[OfCondition, ...]:
    """Every condition; those with one recipe share their runs on the surrogate, which the first of them trains."""
    found: list[OfCondition] = []
    known: set[str] = set()
    for condition in study.conditions:
        beside = {spec.id for spec in study.surrogates_of(condition, activations="")}
        counted = OfCondition(
            condition,
            shape_of(condition.arm.method, condition.arm.start, sizes.d_model),
            starts=study.starts,
            runs=study.starts * study.runs_per_start,
            children=study.starts * len(study.spawn_at),
            surrogates=len(beside - known),
            beside=bool(beside),
            snapshots=count_snapshots(study.training),
        )
        known |= beside
        found.append(counted)
    return tuple(found)


def _points(study: Study, conditions: Iterable[OfCondition]) -> dict[tuple[object, ...], tuple[OfCondition, int]]:
    """Runs that share the dice of their points share the points; so do arms that start alike."""
    times = {"shared": 1, "start": study.starts, "run": study.starts * study.runs_per_start}
    found: dict[tuple[object, ...], tuple[OfCondition, int]] = {}
    for each in conditions:
        start, method = each.condition.arm.start, each.condition.arm.method
        if not start.entry.makes_points:
            continue
        dice = [die for die in start.entry.dice if die != "init"]
        scope = each.condition.scopes
        shown: dict[Die, int] = {die: list(times).index(scope[die]) for die in dice}
        identity = (each.condition.preprocess, scope["data"], *points_identity(start, method, shown))
        found[identity] = (each, max(times[scope[die]] for die in dice))
        if each.surrogates:
            recipe = ("surrogate", each.condition.preprocess, scope["data"], start.model_dump_json(), method.n_atoms)
            found[recipe] = (each, 1 if start.entry.same_in_all_runs else each.surrogates)
    return found


def _codes(shape: Shape, sizes: Sizes) -> int:
    """Bytes of a snapshot's held-out codes."""
    return sizes.n_heldout * (4 + 8 * shape.active)


def _disk(
    study: Study,
    sizes: Sizes,
    conditions: tuple[OfCondition, ...],
    draws: tuple[tuple[str, int, str], ...],
    points: dict[tuple[object, ...], tuple[OfCondition, int]],
) -> tuple[dict[str, int], int, int]:
    """Bytes in the end by kind of file, bytes that are certain, and how many files."""
    d, header = sizes.d_model, 900
    n_draws, groups = study.floors.draws, study.starts
    hulls = [each for each in conditions if each.condition.arm.method.mixes_points]
    snapshots = sum(each.written * (each.shape.snapshot + header) for each in conditions)
    codes = sum(each.written * _codes(each.shape, sizes) for each in conditions)
    certain = sum(each.written * _codes(each.shape, sizes) for each in conditions if each.shape.is_sparse)
    pairs = sum(
        130 * (each.pairs * each.snapshots + each.children)
        + (each.pairs + each.children) * (14 * each.shape.n_atoms + 200)
        for each in conditions
    )
    disk = {
        "snapshots": snapshots + codes,
        "report": 2_100_000,
        "records": sum(6400 * each.every + 160 * each.written for each in conditions),
        "points": sum(count * (4 * each.shape.n_points * d + header) for each, count in points.values()),
        "floors": n_draws * sum(4 * n * d + header for _, n, _ in draws)
        + sum(groups * (each.shape.dictionary + header) for each in hulls),
        "moments": len(study.preprocess) * (8 * d * d + 12 * d + (4 * d * d if "whiten" in study.preprocess else 0)),
        "comparisons": pairs + 12_000 * len(conditions) + 200 * math.comb(n_draws, 2) * len(draws),
        "features": sum(groups * each.shape.n_atoms * (50 + 20 * (groups - 1)) for each in conditions) * (groups > 1),
        "findings": 40_000 + sum(20_000 + 6_000 * each.snapshots + 250 * each.pairs for each in conditions),
    }
    files = sum(4 * each.every + each.written + 6 + each.beside for each in conditions)
    files += sum(count for _, count in points.values()) + n_draws * len(draws) + groups * len(hulls)
    files += len(study.preprocess) + 6 + (len(study.arms) > 1) + (groups > 1)
    least = snapshots + certain + disk["points"] + n_draws * sum(4 * n * d for _, n, _ in draws)
    return disk, least, files


def _always(study: Study, sizes: Sizes, conditions: tuple[OfCondition, ...]) -> int:
    """What is in memory all the time: libraries, held-out rows and moments under every preprocessing, the plan."""
    rows, moments = 4 * sizes.n_heldout * sizes.d_model, 8 * sizes.d_model**2
    whitening = 4 * sizes.d_model**2 * ("whiten" in study.preprocess)
    planned = sum(each.every for each in conditions)
    return LIBRARIES + (1 + len(study.preprocess)) * (rows + moments) + whitening + _PLANNED * planned


def _sampled(tokens: int, sizes: Sizes, *, whiten: bool) -> int:
    """Bytes while so many activations are drawn and held."""
    rows = 4 * tokens * sizes.d_model
    return rows * (2 if whiten else 1) + max(8 * sizes.n_tokens + 24 * tokens, rows // 8)


def _clustering(tokens: int, n_points: int, sizes: Sizes, *, whiten: bool) -> int:
    """Bytes while so many activations become so many centroids."""
    work = 3 * 4 * n_points * sizes.d_model + 48 * tokens + 8 * 256 * n_points
    return max(_sampled(tokens, sizes, whiten=whiten), 4 * tokens * sizes.d_model + work)


def _drawing(study: Study, sizes: Sizes, held: int, threads: int) -> Phase:
    """The floors of activations, as many at a time as there are threads."""
    seen = study.training.steps * study.training.batch_size
    n = max(arm.method.n_atoms for arm in study.arms)
    tokens = kmeans_tokens(sizes.n_tokens, sizes.d_model, n, seen=seen)
    at_once = min(threads, study.floors.draws)
    whiten = "whiten" in study.preprocess
    one = max(_clustering(tokens, n, sizes, whiten=whiten), _sampled(min(n, sizes.n_tokens), sizes, whiten=whiten))
    wanted = 200 * study.floors.draws * len(study.preprocess)
    return Phase(
        f"drawing the floors: k-means of {tokens:,} activations, {at_once} times at once",
        held + 4 * tokens * sizes.d_model + wanted,
        held + wanted + round(SLACK * at_once * one),
        "n_atoms or training.threads",
    )


def _training(
    each: OfCondition,
    sizes: Sizes,
    points: dict[tuple[object, ...], tuple[OfCondition, int]],
    held: int,
    *,
    threads: int,
    on_gpu: bool,
) -> list[Phase]:
    """The points of its starts; then all runs of a condition, side by side."""
    shape, name = each.shape, each.condition.name
    found = []
    for of, count in points.values():
        if of.condition.name != name or of.condition.arm.start.entry.name == "data":
            continue
        start = of.condition.arm.start
        tokens = start.tokens_for(shape.n_points, sizes.n_tokens)
        whiten = each.condition.preprocess == "whiten"
        one = _clustering(tokens, shape.n_points, sizes, whiten=whiten)
        at_once, search = min(threads, count), "k-means" if "kmeans" in start.entry.dice else start.kind
        found.append(
            Phase(
                f"starting {name}: {search} of {tokens:,} activations, {at_once} times at once",
                held + 4 * tokens * sizes.d_model,
                held + round(SLACK * at_once * one),
                "start.points_tokens, n_points or training.threads",
            )
        )
    at_once = 1 if on_gpu else min(threads, each.every)
    states = 0 if on_gpu else each.every * shape.state
    advice = "starts, runs_per_start, n_atoms, n_points or training.batch_size"
    said = f"training {name}: {each.every:,} runs of {shape.n_atoms:,} atoms side by side"
    batch = 4 * each.condition.training.batch_size * sizes.d_model
    batches = each.every * batch
    work = at_once * max(_step(shape, each.condition.training.batch_size), _snapshot(shape, sizes))
    most = held + batches + states + round(SLACK * (work + shape.state))
    return [*found, Phase(said, held + states + at_once * batch, most, advice)]


def _step(shape: Shape, batch_size: int) -> int:
    """Bytes of one run beyond its state, while it learns from a batch."""
    rows = 4 * batch_size * shape.d_model
    if shape.is_sparse:
        codes = 48 * batch_size * shape.active
    else:  # dense, in parts of 512 tokens
        codes = 4 * 4 * min(batch_size, 512) * shape.n_atoms + 24 * batch_size * (shape.n_atoms // 8)
    mixing = 2 * shape.n_atoms * shape.n_points if shape.state > shape.n_atoms * shape.n_points else 0
    return 2 * shape.snapshot + (5 + shape.groups) * rows + codes + 4 * 256 * shape.n_atoms + mixing


def _snapshot(shape: Shape, sizes: Sizes) -> int:
    """Bytes of one run beyond its state, while a snapshot of it is made: its tensors, twice, codes, and step 0."""
    at_a_time = min(sizes.n_heldout, max(1, _AT_A_TIME // shape.n_atoms))
    dense = 16 * at_a_time * shape.n_atoms + 12 * at_a_time * shape.d_model
    return 3 * shape.snapshot + 2 * shape.dictionary + dense + 3 * _codes(shape, sizes)


def _on_gpu(each: OfCondition, sizes: Sizes, memory: int | None) -> Phase:
    """All runs of a condition are one stack, beside the activations where these have room.

    While the runs are joined one entry of them is there twice.
    """
    shape, training = each.shape, each.condition.training
    states = each.every * shape.state
    batch = 4 * training.batch_size * sizes.d_model
    dense = 12 * min(sizes.n_heldout * shape.n_atoms, _AT_A_TIME_ON_GPU)
    codes = 40 * training.batch_size * shape.active
    work = each.every * max(2 * shape.snapshot + 6 * batch + codes + shape.dictionary // 2, shape.snapshot + dense)
    held = 4 * sizes.n_heldout * sizes.d_model
    rows = 4 * sizes.n_tokens * sizes.d_model
    near = rows if memory is None or rows <= share_of(memory) else 0
    return Phase(
        f"training {each.condition.name}: {each.every:,} runs of {shape.n_atoms:,} atoms as one stack",
        states + held,
        states + held + near + work + _GPU_ONCE,
        "starts, runs_per_start, n_atoms, n_points or training.batch_size",
    )


def _comparing(each: OfCondition, sizes: Sizes, held: int, threads: int) -> Phase:
    """All runs at one snapshot and at step 0, and as many pairs at a time as there are threads."""
    shape = each.shape
    codes = 16 * sizes.n_heldout * shape.active
    rows = each.pairs * each.snapshots + each.children
    kept = each.runs * (9 * shape.dictionary + codes) + 120 * each.pairs * shape.n_atoms + _PER_ROW * rows
    seeing = min(threads, each.runs) * (6 * shape.dictionary + 2 * codes)
    at_once = min(threads, max(1, each.pairs + each.children))
    children = 18 * shape.dictionary + 2 * codes if each.children else 0
    barriers = 8 * shape.dictionary + 12 * 1024 * shape.n_atoms
    work = at_once * max(children + _matching(shape), 8 * shape.dictionary, barriers)
    return Phase(
        f"comparing {each.condition.name}: {each.pairs:,} pairs of runs of {shape.n_atoms:,} atoms at "
        f"{each.snapshots:,} snapshots",
        held + each.runs * 4 * shape.dictionary + _PER_ROW * rows,
        held + kept + round(SLACK * max(seeing, work)),
        "starts, runs_per_start, n_atoms or training.evenly",
    )


def _comparing_floors(each: OfCondition, draws: int, held: int, threads: int) -> Phase:
    """All draws of one floor, and as many pairs of them at a time as there are threads."""
    shape, pairs = each.shape, math.comb(draws, 2)
    work = min(threads, pairs) * max(_matching(shape), 8 * shape.dictionary)
    return Phase(
        f"comparing the floors of {each.condition.name}: {pairs:,} pairs of {draws:,} draws of {shape.n_atoms:,} atoms",
        held + draws * 4 * shape.dictionary + _PER_ROW * pairs,
        held + draws * 8 * shape.dictionary + _PER_ROW * pairs + round(SLACK * work),
        "floors.draws or n_atoms",
    )


def _matching(shape: Shape) -> int:
    """Bytes while two dictionaries are matched: lists, bounds and pages grow with the atoms, not with their square."""
    groups = min(shape.n_atoms, 1024)
    return shape.n_atoms * (1700 + 12 * groups + 20 * shape.d_model) + 2**24
