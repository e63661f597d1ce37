"""The one loop: the runs of a condition, or of a grid, trained side by side on one pass over the activations.

On a GPU the runs are one stack, `(runs, atoms, d_model)`, and every kernel is launched once. On the CPU each run is a
stack of its own, stepped by one worker thread whose kernels use no further threads: the cores are shared out among the
runs, which wastes less than sharing out each small product, and a run trained in company is bit-identical to the same
run alone, on any number of cores, because no kernel ever sees its companions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support import stopping
from reseed._support.stopping import Interrupted
from reseed.dice import generator
from reseed.methods import Resamples, Schedule
from reseed.starts import draw, draw_points, points_identity
from reseed.training import stack
from reseed.training.batches import Batches, near_to
from reseed.training.recording import record
from reseed.trajectory import RunEnd, points_name

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.activations import Preprocessed
    from reseed.spec import Reads, RunSpec
    from reseed.training.stack import Stack
    from reseed.trajectory import StudyFolder

__all__ = ["Context", "Interrupted", "Seen", "batches_of", "stepped", "train", "write_down"]


@dataclass(frozen=True)
class Seen:
    """What a run reads."""

    activations: Preprocessed
    """The activations, preprocessed."""
    heldout: Float[Tensor, "tokens d_model"]
    """The held-out activations, preprocessed, on the device."""


@dataclass(frozen=True)
class Context:
    """Where training happens: what it reads, where it writes, on which device."""

    sources: Mapping[str, Seen]
    """What there is to read, by the fingerprint of the activations before preprocessing."""
    folder: StudyFolder
    device: torch.device
    workers: Executor
    """Threads that step the stacks."""

    @classmethod
    def of_one(cls, seen: Preprocessed, folder: StudyFolder, device: torch.device, workers: Executor) -> Context:
        """Where all runs read the same activations."""
        source = Seen(seen, seen.heldout.rows.to(device))
        return cls({seen.activations.fingerprint: source}, folder, device, workers)

    def beside(self, seen: Preprocessed) -> Context:
        """The same place, where some runs read other activations."""
        source = Seen(seen, seen.heldout.rows.to(self.device))
        return replace(self, sources={**self.sources, seen.activations.fingerprint: source})

    def seen(self, spec: RunSpec) -> Seen:
        """What a run reads: all of its activations, or its part of them."""
        source = self.sources[spec.activations]
        return replace(source, activations=_read_by(spec, source.activations))


def _read_by(spec: RunSpec, activations: Preprocessed) -> Preprocessed:
    """All of the activations, or the run's part of them."""
    return activations if spec.part is None else activations.part(spec.part.index, spec.part.of)


def train(
    specs: Sequence[RunSpec],
    context: Context,
    *,
    advance: Callable[[int], None] = lambda _: None,
    stop: Callable[[], object] = stopping.asked,
) -> None:
    """Train the runs that are not done yet, from where each of them was left.

    Args:
        specs: the runs, such as those of one condition; they share preprocessing and training.
        context: what they read and where they write.
        advance: told how many run-steps lie behind, as they are made or found done.
        stop: asked after every step; at a true answer all runs are saved. By default whether a signal has come.

    Raises:
        Interrupted: `stop` said so, or a signal came before the first step.
    """
    steps, checkpoint_seconds = specs[0].training.steps, specs[0].training.checkpoint_seconds
    stacks = _stacks(specs, context)
    advance(len(specs) * steps - sum(len(each) * (steps - each.step) for each in stacks))
    saved = time.monotonic()
    batches = batches_of(specs, context)
    for step in range(min((each.step for each in stacks), default=steps), steps):
        with stopping.held():
            advance(sum(len(each) for each in stacks if each.step == step))
            after = context.workers.map(lambda each: stepped(each, step, batches, context), stacks)  # noqa: B023 (used up here)
            stacks = [each for each in after if len(each)]
            interrupted = stop()
            if interrupted or time.monotonic() - saved > checkpoint_seconds:
                for each in stacks:
                    stack.save(each, context.folder)
                saved = time.monotonic()
            if interrupted:
                raise Interrupted
    with stopping.held():
        for each in stacks:
            _end(each, range(len(each)), context.folder, RunEnd(status="finished", step=each.step))


def _stacks(specs: Sequence[RunSpec], context: Context) -> list[Stack]:
    """The runs that have not ended, where each was left: alone on the CPU, elsewhere joined by step and method."""
    pending = [spec for spec in specs if context.folder.run(spec.id).done is None]
    from_points = [spec for spec in specs if spec.start.entry.makes_points]  # of runs that ended, too: floors need them
    firsts = {_points_identity(spec, context): spec for spec in reversed(from_points)}  # one run for each set of points
    list(context.workers.map(lambda spec: _points(spec, context), firsts.values()))
    alone = list(context.workers.map(lambda spec: _resumed(spec, context) or _born(spec, context), pending))
    if context.device.type == "cpu":
        return alone
    alike = groupby(sorted(alone, key=_pace), key=_pace)
    return [stack.join(list(group)) for _, group in alike]


def _pace(each: Stack) -> tuple[int, str, str]:
    """What the runs of one stack have in common."""
    return each.step, each.method.model_dump_json(), each.specs[0].activations


def batches_of(specs: Sequence[RunSpec], context: Context) -> dict[Reads, Batches]:
    """The batches of everything that the runs read."""
    training = specs[0].training
    names = {spec.activations for spec in specs}
    near = {name: near_to(context.sources[name].activations, context.device) for name in names}
    read = {spec.reads: _read_by(spec, near[spec.activations]) for spec in specs}
    return {
        rows: Batches(seen, context.device, batch_size=training.batch_size, steps=training.steps)
        for rows, seen in read.items()
    }


def _resumed(spec: RunSpec, context: Context) -> Stack | None:
    path = context.folder.run(spec.id).resume_point
    return stack.resume(spec, path, context.device) if path.exists() else None


def _born(spec: RunSpec, context: Context) -> Stack:
    """One run at step 0, with its first snapshot written before any update."""
    method = spec.method
    point = draw(spec.start, method, context.seen(spec).activations, spec.rolls, points=_points(spec, context))
    state = {
        name: tensor.to(context.device) for name, tensor in method.initialise(point, spec.rolls["encoder"]).items()
    }
    points = points_name(_points_identity(spec, context)) if spec.start.entry.makes_points else None
    about = context.seen(spec).activations.activations.about
    context.folder.run(spec.id).write_record(spec.record(points=points, about=about))
    born = stack.begin(spec, state)
    write_down(born, context)
    return born


def _points(spec: RunSpec, context: Context) -> Float[Tensor, "points d_model"] | None:
    """The points of the run's start, made once for all runs that share them and kept with the study."""
    if not spec.start.entry.makes_points:
        return None
    return context.folder.remember_points(
        _points_identity(spec, context),
        lambda: draw_points(spec.start, spec.method, context.seen(spec).activations, spec.rolls, device=context.device),
    )


def _points_identity(spec: RunSpec, context: Context) -> tuple[object, ...]:
    return (context.seen(spec).activations.fingerprint, *points_identity(spec.start, spec.method, spec.rolls))


def stepped(each: Stack, step: int, batches: Mapping[Reads, Batches], context: Context) -> Stack:
    """The stack after the update at `step`, without the runs that diverged in it."""
    if each.step != step:
        return each
    training = each.specs[0].training
    x = torch.stack([batches[spec.reads].batch(spec.order_at(step), step) for spec in each.specs])
    schedule = Schedule(each.step, training.steps, warmup_steps=training.warmup_steps, decay=training.decay)
    outcome = each.method.update(each.state, x, schedule)
    each.step += 1
    each.idle.add_(1).masked_fill_(outcome.fired, 0)
    each.loss_sum += outcome.loss
    each.loss_count += 1
    _resample(each, context)
    due = each.step in each.specs[0].snapshots
    fine = outcome.loss.isfinite() & (stack.finite(each) if due else True)
    each = _without_diverged(each, fine.tolist(), x, context.folder)
    if due and len(each):
        write_down(each, context)
    return each


def write_down(each: Stack, context: Context) -> None:
    """Write a snapshot of every run of a stack, evaluated on the held-out tokens of what they read."""
    seen = context.seen(each.specs[0])
    record(each, seen.activations, seen.heldout, context.folder)


def _resample(each: Stack, context: Context) -> None:
    """Replace the atoms that did not fire for `resample_every` steps by activations, where the method asks for it."""
    method = each.method
    every: int | None = getattr(method, "resample_every", None)
    if every is None or each.step % every or not isinstance(method, Resamples):
        return
    if each.step == each.specs[0].training.steps:  # nothing could be learnt about what is replaced now
        return
    dead = each.idle >= every
    rows = torch.stack([_replacements(spec, each.step, dead.shape[1], context) for spec in each.specs])
    method.resample(each.state, dead, rows)
    each.idle = each.idle.masked_fill(dead, 0)


def _replacements(spec: RunSpec, step: int, n_atoms: int, context: Context) -> Float[Tensor, "atoms d_model"]:
    seen = context.seen(spec).activations
    drawn = torch.randint(seen.n_tokens, (n_atoms,), generator=generator(spec.rolls["resample"], step))
    return seen.rows(drawn).to(context.device)


def _without_diverged(each: Stack, fine: Sequence[bool], x: Tensor, folder: StudyFolder) -> Stack:
    """The stack without the runs that are no longer finite; those end here, with a remedy."""
    if all(fine):
        return each
    for run in (run for run, ok in enumerate(fine) if not ok):
        remedy = _remedy(each.specs[run], each.step, largest=x[run].norm(dim=-1).max().item())
        _end(each, [run], folder, RunEnd(status="diverged", step=each.step, batch=each.step - 1, remedy=remedy))
    return stack.keep(each, [run for run, ok in enumerate(fine) if ok])


def _remedy(spec: RunSpec, step: int, *, largest: float) -> str:
    rate = spec.method.peak_rate
    lower = "" if rate is None else f"lower the learning_rate of {spec.arm} (now {rate:g}), or "
    return (
        f"not finite at step {step}, after batch {step - 1}: {lower}look for extreme activations (largest norm in this "
        f"batch {largest:.3g}, preprocessing {spec.preprocess})"
    )


def _end(each: Stack, runs: Iterable[int], folder: StudyFolder, end: RunEnd) -> None:
    for run in runs:
        folder.run(each.specs[run].id).finish(each.rows[run], end)
