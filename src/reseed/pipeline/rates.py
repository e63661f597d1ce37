"""How fast this machine is at what a study does: a few seconds of the real thing, at its shapes, on its activations.

Each kind of work is made by as many threads at once as the study will use, for they share the machine's memory. What
would take long at full size is measured on a part of it: k-means on fewer activations, which count in proportion, and
matching on fewer atoms, which count by their square.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, SupportsFloat

import torch

from reseed import measures
from reseed.activations import batch_rows
from reseed.analysis.pairs import compared, ready
from reseed.matching import match
from reseed.measures import Matchings, activation_covariance
from reseed.pipeline.barriers import ALPHAS, MOST_TOKENS, loss, read_parameters
from reseed.starts import draw
from reseed.starts.lloyd import lloyd
from reseed.starts.nearby import nearby
from reseed.training import Context, stack
from reseed.training.loop import batches_of, stepped, write_down
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from torch import Tensor

    from reseed.activations import Preprocessed
    from reseed.analysis.pairs import Ready
    from reseed.measures import ActivationCovariance
    from reseed.pipeline.needs import OfCondition
    from reseed.spec import RunSpec
    from reseed.training.stack import Stack
    from reseed.trajectory import Snapshot, Trajectory

__all__ = ["Rate", "Rates", "measure_rates"]

_FIRST, _LAST = 300, 400  # between two snapshots of a training of a thousand steps with one evenly spaced one
_SECONDS = 1.0  # that each kind of work is repeated for
_LEAST, _MOST = 2, 10  # times that a call is measured, the first of which may compile
_MOST_ATOMS = 4096  # of dictionaries that are compared
_ROW_PRODUCTS = 2**33  # multiplications in a measured step of k-means
_ITERATIONS = 5  # of the k-means reference, about, until it settles


@dataclass(frozen=True)
class Rate:
    """Seconds that one piece of work adds to a study, with all threads at it."""

    wall: float = 0.0
    cpu: float = 0.0

    def times(self, count: SupportsFloat) -> Rate:
        """So many pieces."""
        return Rate(self.wall * float(count), self.cpu * float(count))

    def plus(self, *others: Rate) -> Rate:
        """This and others."""
        each = (self, *others)
        return Rate(math.fsum(one.wall for one in each), math.fsum(one.cpu for one in each))


@dataclass(frozen=True)
class Rates:
    """Of one condition; seconds of one piece of work each."""

    step: Rate
    """An update of one run."""
    snapshot: Rate
    """A snapshot of one run, with its held-out codes."""
    clustered: Rate
    """One activation held against one point in one step of k-means."""
    settled: Rate
    """One activation held against one point of the k-means reference, all iterations together."""
    read: Rate
    """One activation read at random."""
    see: Rate
    """A run made ready for its pairs, at one snapshot."""
    match: Rate
    """Two dictionaries matched."""
    compare: Rate
    """Two runs matched and measured, at one snapshot."""
    loss: Rate
    """Reconstructing the tokens that a barrier is measured on, once."""

    @property
    def barrier(self) -> Rate:
        """That of two runs: a matching, and reconstructions on two lines."""
        return self.match.plus(self.loss.times(2 * len(ALPHAS)))


def measure_rates(each: OfCondition, seen: Preprocessed, device: torch.device, pool: Executor, threads: int) -> Rates:
    """A few updates of its runs, and what is done with them later.

    Args:
        each: the condition.
        seen: its activations.
        device: that it will be trained on.
        pool: as many threads as it will be trained by.
        threads: how many these are.
    """
    with TemporaryDirectory(prefix="reseed-plan-") as folder:
        context = Context.of_one(seen, StudyFolder(Path(folder)), device, pool)
        stacks = _born(each, seen, context, threads)
        n_runs = sum(len(one) for one in stacks)
        recorded = _each(stacks, lambda one: write_down(one, context), pool, n_runs)
        step = _trained(stacks, context, n_runs)
        for one in stacks:
            one.step = 1
            write_down(one, context)
        runs = [context.folder.run(spec.id) for one in stacks for spec in one.specs][:2]
        lasts = [_finite(run) for run in runs]
        share = min(1.0, _MOST_ATOMS / each.shape.n_atoms)
        written = seen.written(each.condition.arm.method.columns_read)
        activations = activation_covariance(written.moments.covariance, each.shape.n_atoms)
        see, readies = _seen(lasts, activations, pool, threads)
        sign = each.condition.arm.method.sign
        a, b = readies[0], readies[-1]
        matched = match(a.of.atoms, b.of.atoms, sign=sign)
        matching = _times(lambda: match(a.of.atoms, b.of.atoms, sign=sign), pool, threads)
        comparing = _times(lambda: compared(Matchings(matched, matched, matched), a, b), pool, threads)
        rows = seen.heldout.rows[:MOST_TOKENS]
        method = each.condition.arm.method
        parameters = read_parameters(lasts[0], method)
        return Rates(
            step=step,
            snapshot=recorded,
            clustered=_clustered(each, seen, device, pool, threads),
            settled=_settled(each, seen, pool, threads),
            read=_read(seen, pool, threads),
            see=see.times(1 / share),
            match=matching.times(1 / share**2),
            compare=matching.times(1 / share**2).plus(comparing.times(1 / share)),
            loss=_times(lambda: loss(parameters, method, rows), pool, threads),
        )


def _finite(run: Trajectory) -> Snapshot:
    """The run after its updates; as it was born where they led to numbers that are not finite."""
    return run.snapshot(1 if run.snapshot(1).atoms.isfinite().all() else 0)


def _born(each: OfCondition, seen: Preprocessed, context: Context, threads: int) -> list[Stack]:
    """As many runs as will be at work at once: on a GPU all of them, as one stack; two at least, for a pair."""
    on_cpu = context.device.type == "cpu"
    count = min(each.every, threads) if on_cpu else each.every
    condition = each.condition
    training = condition.training.model_copy(update={"steps": 1000, "evenly": 1})
    condition = condition.model_copy(update={"training": training, "split": None})  # parts are read as fast as all
    specs = [condition.run(number, 0, activations=seen.activations.fingerprint) for number in range(max(2, count))]
    alone = list(context.workers.map(lambda spec: _begun(spec, seen, context.device), specs))
    return alone if on_cpu else [stack.join(alone)]


def _begun(spec: RunSpec, seen: Preprocessed, device: torch.device) -> Stack:
    """A run whose points, where it has some, are activations: to find centroids would take as long as in the study."""
    count = spec.start.points_for(spec.method)
    points = None
    if spec.start.entry.makes_points:
        points = seen.written(spec.method.columns_read).sample(count, rolled=spec.rolls["points"])
    point = draw(spec.start, spec.method, seen, spec.rolls, points=points)
    state = spec.method.initialise(point, spec.rolls["encoder"])
    return stack.begin(spec, {name: tensor.to(device) for name, tensor in state.items()})


def _trained(stacks: list[Stack], context: Context, n_runs: int) -> Rate:
    """Updates of all stacks, in a stretch without snapshots."""
    batches = batches_of(stacks[0].specs, context)
    for one in stacks:
        one.step = _FIRST
    rounds: list[Rate] = []
    for step in range(_FIRST, _LAST):
        begun = _now(context.device)
        left = list(context.workers.map(lambda one: stepped(one, step, batches, context), stacks))  # noqa: B023 (used up here)
        rounds.append(_since(begun, context.device))
        if not all(len(one) for one in left) or (len(rounds) > 3 and sum(one.wall for one in rounds) > 2 * _SECONDS):  # noqa: PLR2004 (rounds, two of which compile)
            break
    return _mean(rounds[2:] or rounds[-1:]).times(1 / n_runs)


def _seen(
    snapshots: Sequence[Snapshot], activations: ActivationCovariance, pool: Executor, threads: int
) -> tuple[Rate, list[Ready]]:
    """Two runs made ready for their pairs, or the first thousands of their atoms."""

    def see(snapshot: Snapshot) -> Ready:
        tokens, atoms, values = snapshot.active
        few = atoms < _MOST_ATOMS
        dictionary = snapshot.atoms[:_MOST_ATOMS]
        codes = measures.standardise_active(
            tokens[few], atoms[few], values[few], n_tokens=snapshot.n_tokens, n_atoms=len(dictionary)
        )
        encoder, alive = snapshot.encoder[:_MOST_ATOMS], snapshot.alive[:_MOST_ATOMS]
        of = measures.dictionary(dictionary, activations, encoder=encoder, codes=codes, alive=alive, born=dictionary)
        return ready(of)

    readies = [see(snapshot) for snapshot in snapshots]
    return _times(lambda: see(snapshots[0]), pool, threads), readies


def _clustered(each: OfCondition, seen: Preprocessed, device: torch.device, pool: Executor, threads: int) -> Rate:
    """Seconds of one activation and one point in one step of k-means."""
    rows, points = (part.to(device) for part in _to_cluster(each.shape.n_points or each.shape.n_atoms, seen))
    at_once = threads if device.type == "cpu" else 1
    taken = _times(lambda: lloyd(rows, points, steps=1), pool, at_once, device)
    return taken.times(1 / (len(rows) * len(points)))


def _settled(each: OfCondition, seen: Preprocessed, pool: Executor, threads: int) -> Rate:
    """Seconds of one activation and one point in all iterations of the k-means reference."""
    rows, points = _to_cluster(each.shape.n_atoms, seen)
    taken = _times(lambda: nearby(rows, points, steps=_ITERATIONS, settled=0.0), pool, threads)
    return taken.times(1 / (len(rows) * len(points)))


def _to_cluster(count: int, seen: Preprocessed) -> tuple[Tensor, Tensor]:
    """Activations in proportion to what there will be, and as many of them as there are points."""
    n_rows = min(seen.n_tokens, max(count, 1024), max(256, _ROW_PRODUCTS // (count * seen.d_model)))
    rows, points = (torch.arange(number) * seen.n_tokens // number for number in (n_rows, count))
    return seen.rows(rows), seen.rows(points)


def _read(seen: Preprocessed, pool: Executor, threads: int) -> Rate:
    wanted = batch_rows(seen.n_tokens, min(seen.n_tokens, 4096), 0, roll=0)
    return _times(lambda: seen.rows(wanted), pool, threads).times(1 / len(wanted))


def _each(stacks: list[Stack], call: Callable[[Stack], object], pool: Executor, n_runs: int) -> Rate:
    """Seconds of one run's share of a call for every stack: the second one, for the first may compile."""
    device = stacks[0].idle.device
    taken = []
    for _ in range(2):
        begun = _now(device)
        list(pool.map(call, stacks))
        taken.append(_since(begun, device))
    return taken[-1].times(1 / n_runs)


def _times(call: Callable[[], object], pool: Executor, threads: int, device: torch.device | None = None) -> Rate:
    """Seconds that one call adds while as many threads as there are make such calls: the mean, after a first one."""
    where = device or torch.device("cpu")
    taken: list[Rate] = []
    while len(taken) < _LEAST or (len(taken) < _MOST and sum(one.wall for one in taken) < _SECONDS / 2):
        begun = _now(where)
        list(pool.map(lambda _: call(), range(threads)))
        taken.append(_since(begun, where))
    return _mean(taken[1:]).times(1 / threads)


def _mean(rates: Sequence[Rate]) -> Rate:
    """Of a machine that does other things too, waits included: a median would leave them out."""
    return Rate(statistics.fmean(one.wall for one in rates), statistics.fmean(one.cpu for one in rates))


def _now(device: torch.device) -> Rate:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Rate(time.perf_counter(), time.process_time())


def _since(begun: Rate, device: torch.device) -> Rate:
    now = _now(device)
    return Rate(now.wall - begun.wall, now.cpu - begun.cpu)
