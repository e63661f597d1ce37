"""The one loop: the runs of a condition, trained side by side on one pass over the activations.

On a GPU the runs are one stack, `(runs, atoms, d_model)`, and every kernel is launched once. On the CPU each run is a
stack of its own width and only the batches are shared, so that a run trained in company is bit-identical to the same
run alone: no kernel ever sees its companions.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from reseed.activations import batch_rows
from reseed.dice import generator
from reseed.files import HEADER, write_tensors
from reseed.optimiser import Adam, learning_rate
from reseed.starts import draw
from reseed.trajectory import StudyFolder, Trajectory, pack_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jaxtyping import Float, Int
    from torch import Tensor

    from reseed.activations import View
    from reseed.methods import Method, State
    from reseed.spec import RunSpec

__all__ = ["Interrupted", "train"]

CHECKPOINT_SECONDS = 30.0
EVALUATION_CHUNK = 1024  # held-out tokens whose dense codes are in memory at a time

Row = dict[str, float | int]


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop; every run is saved at `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}; the same command goes on from there")


@dataclass
class _Stack:
    """Runs in lockstep: all tensors have a leading `runs` axis."""

    specs: list[RunSpec]
    step: int
    state: State
    adam: Adam
    born: Float[Tensor, "runs atoms d_model"]
    idle: Int[Tensor, "runs atoms"]
    loss_sum: Float[Tensor, "runs"]
    loss_count: int = 0
    rows: list[list[Row]] = field(default_factory=list)

    @property
    def method(self) -> Method:
        return self.specs[0].method


def train(
    specs: Sequence[RunSpec],
    view: View,
    folder: StudyFolder,
    *,
    device: torch.device,
    advance: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train the runs of one condition that are not done yet, from where each of them was left.

    Args:
        specs: the runs; they share method and training and may differ in their rolls.
        view: the activations, preprocessed.
        folder: the study that the trajectories are written to.
        device: where to train.
        advance: told how many run-steps were made.
        stop: asked after every step; a true answer saves all runs and raises.

    Raises:
        Interrupted: `stop` said so.
    """
    heldout = view.heldout.to(device)
    stacks = _stacks(specs, view, folder, device)
    for stack in stacks:
        if stack.step == 0:
            _record(stack, view, heldout, folder)
    saved = time.monotonic()
    training = specs[0].training
    for step in range(min((stack.step for stack in stacks), default=training.steps), training.steps):
        due = [stack for stack in stacks if stack.step == step]
        for stack, x in zip(due, _batches(due, view, device), strict=True):
            finite = _advance(stack, x, view)
            stacks = _without_diverged(stacks, stack, finite, x, folder)
            advance(len(stack.specs))
            if stack.specs and stack.step in training.snapshots:
                _record(stack, view, heldout, folder)
        interrupted = stop()
        if interrupted or time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(stacks, folder)
            saved = time.monotonic()
        if interrupted:
            raise Interrupted(step + 1)
    for stack in stacks:
        _finish(stack, folder)


def _stacks(specs: Sequence[RunSpec], view: View, folder: StudyFolder, device: torch.device) -> list[_Stack]:
    pending = [spec for spec in specs if folder.run(spec.id).done is None]
    alone = [_resumed(spec, folder, device) or _born(spec, view, folder, device) for spec in pending]
    return alone if device.type == "cpu" else _merged(alone)


def _born(spec: RunSpec, view: View, folder: StudyFolder, device: torch.device) -> _Stack:
    """One run at step 0."""
    point = draw(spec.start, spec.method, view, spec.rolls)
    state = spec.method.initialise(point, spec.rolls["encoder"])
    state = {name: tensor.to(device) for name, tensor in state.items()}
    spec.method.project(state)
    folder.run(spec.id).write_spec(spec.model_dump(mode="json"))
    return _stack(spec, state, folder)


def _stack(spec: RunSpec, state: State, folder: StudyFolder) -> _Stack:
    born = spec.method.dictionary(state).clone()
    return _Stack(
        specs=[spec],
        step=0,
        state=state,
        adam=Adam.start(state, spec.method.trained),
        born=born,
        idle=torch.zeros(born.shape[:2], dtype=torch.int64, device=born.device),
        loss_sum=torch.zeros(1, dtype=torch.float64, device=born.device),
        rows=[[]],
    )


def _batches(
    stacks: Iterable[_Stack], view: View, device: torch.device
) -> Iterator[Float[Tensor, "runs batch d_model"]]:
    """The batch of every stack at its step; runs whose order dice agree read it once."""
    read: dict[int, Tensor] = {}
    for stack in stacks:
        for spec in stack.specs:
            order = spec.rolls["order"]
            if order not in read:
                index = batch_rows(view.n_tokens, spec.training.batch_size, stack.step, roll=order)
                read[order] = view.rows(index).to(device)
        yield torch.stack([read[spec.rolls["order"]] for spec in stack.specs])


def _advance(stack: _Stack, x: Float[Tensor, "runs batch d_model"], view: View) -> list[bool]:
    """One update; which runs came out of it finite."""
    training = stack.specs[0].training
    gradients, outcome = stack.method.gradients(stack.state, x)
    rate = stack.method.learning_rate * learning_rate(
        stack.step, training.steps, warmup_steps=training.warmup_steps, decay=training.decay
    )
    stack.adam.update(stack.state, gradients, learning_rate=rate)
    stack.method.project(stack.state)
    stack.step += 1
    stack.idle = torch.where(outcome.fired, 0, stack.idle + 1)
    stack.loss_sum += outcome.loss.double()
    stack.loss_count += 1
    _resample(stack, view)
    return [math.isfinite(loss) for loss in outcome.loss.tolist()]


def _resample(stack: _Stack, view: View) -> None:
    """Replace atoms that have not fired for `resample_every` steps by activations, where the method asks for it."""
    every = stack.method.resample_every
    if every is None or stack.step % every or stack.step == stack.specs[0].training.steps:
        return
    dead = stack.idle >= every
    for run, spec in enumerate(stack.specs):
        (atoms,) = dead[run].nonzero(as_tuple=True)
        if len(atoms) == 0:
            continue
        drawn = torch.randint(view.n_tokens, (len(atoms),), generator=generator(spec.rolls["resample"], stack.step))
        rows = view.rows(drawn).to(stack.idle.device)
        changed = stack.method.resample(stack.state, run, atoms, rows)
        stack.adam.forget(changed, run, atoms)
        stack.idle[run, atoms] = 0


def _without_diverged(
    stacks: list[_Stack], stack: _Stack, finite: list[bool], x: Tensor, folder: StudyFolder
) -> list[_Stack]:
    """The stacks without the runs of `stack` whose loss is no longer finite; those are ended with a remedy."""
    if all(finite):
        return stacks
    for run, spec in enumerate(stack.specs):
        if not finite[run]:
            norm = x[run].norm(dim=-1).max().item()
            trajectory = folder.run(spec.id)
            trajectory.finish(
                stack.rows[run], status="diverged", step=stack.step, batch=stack.step - 1, remedy=_remedy(spec, norm)
            )
            (trajectory.folder / "state.safetensors").unlink(missing_ok=True)
    _keep(stack, [run for run, fine in enumerate(finite) if fine])
    return [each for each in stacks if each.specs]


def _remedy(spec: RunSpec, norm: float) -> str:
    return (
        f"the loss is not finite: lower learning_rate of {spec.method.kind} (now {spec.method.learning_rate:g}), or look at "
        f"the activations of this batch (largest norm {norm:.3g}; preprocessing {spec.preprocess})"
    )


def _keep(stack: _Stack, runs: list[int]) -> None:
    index = torch.tensor(runs, dtype=torch.int64, device=stack.idle.device)
    stack.specs = [stack.specs[run] for run in runs]
    stack.rows = [stack.rows[run] for run in runs]
    stack.state = {name: tensor[index] for name, tensor in stack.state.items()}
    stack.adam = stack.adam.of_runs(index)
    stack.born, stack.idle, stack.loss_sum = stack.born[index], stack.idle[index], stack.loss_sum[index]


# A snapshot and the metrics that go with it.


def _record(stack: _Stack, view: View, heldout: Float[Tensor, "tokens d_model"], folder: StudyFolder) -> None:
    """Write the snapshot of every run at this step and remember its metrics."""
    method, state = stack.method, stack.state
    codes, squared_error = _evaluate(method, state, heldout)
    total = (heldout - view.moments.mean.to(heldout)).double().square().sum().item()
    retention = torch.cosine_similarity(method.dictionary(state), stack.born, dim=-1).mean(dim=-1)
    diagnostics = method.diagnostics(state)
    tensors = method.snapshot(state)
    for run, spec in enumerate(stack.specs):
        packed = pack_codes(codes[run])
        folder.run(spec.id).write_snapshot(stack.step, {name: t[run] for name, t in tensors.items()} | packed)
        stack.rows[run].append(
            {
                "step": stack.step,
                "tokens": stack.step * spec.training.batch_size,
                "training_loss": stack.loss_sum[run].item() / stack.loss_count if stack.loss_count else math.nan,
                "loss": squared_error[run].item() / heldout.numel(),
                "r2": 1.0 - squared_error[run].item() / total,
                "l0": len(packed["codes.values"]) / len(heldout),
                "alive": codes[run].any(dim=0).double().mean().item(),
                "retention": retention[run].item(),
                **{name: value[run].item() for name, value in diagnostics.items()},
            }
        )
    stack.loss_sum.zero_()
    stack.loss_count = 0


def _evaluate(
    method: Method, state: State, heldout: Float[Tensor, "tokens d_model"]
) -> tuple[Float[Tensor, "runs tokens atoms"], Float[Tensor, "runs"]]:
    """Codes of the held-out tokens, and the squared error summed over tokens and dimensions."""
    n_runs = len(next(iter(state.values())))
    codes, squared_error = [], torch.zeros(n_runs, dtype=torch.float64, device=heldout.device)
    for rows in heldout.split(EVALUATION_CHUNK):
        x = rows.expand(n_runs, -1, -1)
        z = method.encode(state, x)
        squared_error += (x - method.decode(state, z)).double().square().sum(dim=(1, 2))
        codes.append(z)
    return torch.cat(codes, dim=1), squared_error


def _finish(stack: _Stack, folder: StudyFolder) -> None:
    for run, spec in enumerate(stack.specs):
        trajectory = folder.run(spec.id)
        trajectory.finish(stack.rows[run], status="finished", step=stack.step)
        (trajectory.folder / "state.safetensors").unlink(missing_ok=True)


# The resume point: everything that the next step depends on.


def _save(stacks: Iterable[_Stack], folder: StudyFolder) -> None:
    for stack in stacks:
        for run, spec in enumerate(stack.specs):
            header = {"step": stack.step, "loss_count": stack.loss_count, "rows": stack.rows[run]}
            write_tensors(folder.run(spec.id).folder / "state.safetensors", _resume_tensors(stack, run), header)


def _resume_tensors(stack: _Stack, run: int) -> dict[str, Tensor]:
    kept = {"born": stack.born, "idle": stack.idle, "loss_sum": stack.loss_sum}
    kept |= {f"state.{name}": tensor for name, tensor in stack.state.items()}
    kept |= {f"first.{name}": tensor for name, tensor in stack.adam.first.items()}
    kept |= {f"second.{name}": tensor for name, tensor in stack.adam.second.items()}
    return {name: tensor[run : run + 1] for name, tensor in kept.items()}


def _resumed(spec: RunSpec, folder: StudyFolder, device: torch.device) -> _Stack | None:
    """One run as it was left, or None when it never reached a resume point."""
    path = folder.run(spec.id).folder / "state.safetensors"
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        header: dict[str, Any] = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name).clone().to(device) for name in file.keys()}  # noqa: SIM118
    parts = {
        part: {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}
        for part in ("state", "first", "second")
    }
    return _Stack(
        specs=[spec],
        step=header["step"],
        state=parts["state"],
        adam=Adam(first=parts["first"], second=parts["second"], steps=header["step"]),
        born=tensors["born"],
        idle=tensors["idle"],
        loss_sum=tensors["loss_sum"],
        loss_count=header["loss_count"],
        rows=[header["rows"]],
    )


def _merged(stacks: Iterable[_Stack]) -> list[_Stack]:
    """Runs that stand at the same step, as one stack."""
    by_step: dict[int, list[_Stack]] = {}
    for stack in stacks:
        by_step.setdefault(stack.step, []).append(stack)
    return [_joined(group) for group in by_step.values()]


def _joined(group: list[_Stack]) -> _Stack:
    def cat(part: Callable[[_Stack], dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.cat([part(stack)[name] for stack in group]) for name in part(group[0])}

    return _Stack(
        specs=[spec for stack in group for spec in stack.specs],
        step=group[0].step,
        state=cat(lambda stack: stack.state),
        adam=Adam(first=cat(lambda s: s.adam.first), second=cat(lambda s: s.adam.second), steps=group[0].step),
        born=torch.cat([stack.born for stack in group]),
        idle=torch.cat([stack.idle for stack in group]),
        loss_sum=torch.cat([stack.loss_sum for stack in group]),
        loss_count=group[0].loss_count,
        rows=[rows for stack in group for rows in stack.rows],
    )
