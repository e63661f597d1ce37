"""Runs in lockstep, and the point they are resumed from.

All tensors have a leading `runs` axis. What a stack needs to go on is written as one file per run, so that runs that
were stopped at different steps can be joined again in any company. A file of another version is ignored: the run begins
anew, and ends with the same bytes.

RESUME_VERSION history
  1  Adam's moments beside the state (unnumbered)
  2  one state, with whatever a method keeps in it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed.trajectory import opened, read_header

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.methods import Method, State
    from reseed.spec import RunSpec
    from reseed.trajectory import StudyFolder

__all__ = ["Row", "Stack", "begin", "finite", "join", "keep", "resume", "save"]

RESUME_VERSION = 2

Row = dict[str, float | int]
"""The metrics of one run at one snapshot."""

_STATE = "state."


@dataclass
class Stack:
    """Runs that stand at the same step."""

    specs: list[RunSpec]
    step: int
    """Updates made so far."""
    state: State
    idle: Int[Tensor, "runs atoms"]
    """Steps since each atom last fired."""
    loss_sum: Float[Tensor, " runs"]
    """Sum of the training losses since the last snapshot."""
    loss_count: int
    rows: list[list[Row]]
    """Metrics of each run's snapshots."""

    @property
    def method(self) -> Method:
        """The method, which all runs share."""
        return self.specs[0].method

    def __len__(self) -> int:
        return len(self.specs)


def begin(spec: RunSpec, state: State) -> Stack:
    """One run at step 0."""
    n_atoms, device = spec.method.n_atoms, next(iter(state.values())).device
    return Stack(
        specs=[spec],
        step=0,
        state=state,
        idle=torch.zeros(1, n_atoms, dtype=torch.int64, device=device),
        loss_sum=torch.zeros(1, dtype=torch.float64, device=device),
        loss_count=0,
        rows=[[]],
    )


def save(stack: Stack, folder: StudyFolder) -> None:
    """Write the resume point of every run."""
    for run, spec in enumerate(stack.specs):
        header = {
            "format_version": RESUME_VERSION,
            "step": stack.step,
            "loss_count": stack.loss_count,
            "rows": stack.rows[run],
        }
        tensors = {name: tensor[run : run + 1] for name, tensor in _tensors(stack).items()}
        folder.run(spec.id).write_resume_point(tensors, header)


def resume(spec: RunSpec, path: Path, device: torch.device) -> Stack | None:
    """One run as `save` left it; None where another version did."""
    with opened(path) as file:
        header = read_header(path)
        if header.get("format_version") != RESUME_VERSION:
            return None
        tensors = {name: file.get_tensor(name).clone().to(device) for name in file.keys()}  # noqa: SIM118 (no mapping)
    counters = {name: header[name] for name in ("step", "loss_count")}
    return _from_tensors(tensors, specs=[spec], rows=[header["rows"]], **counters)


def join(stacks: Sequence[Stack]) -> Stack:
    """Stacks at the same step as one stack, which takes over their states: they are empty afterwards.

    So a GPU holds the runs once, and of one entry of their states a second copy while they are joined.
    """
    first = stacks[0]
    state = {name: torch.cat([stack.state.pop(name) for stack in stacks]) for name in list(first.state)}
    return Stack(
        state=state,
        idle=torch.cat([stack.idle for stack in stacks]),
        loss_sum=torch.cat([stack.loss_sum for stack in stacks]),
        specs=[spec for stack in stacks for spec in stack.specs],
        rows=[rows for stack in stacks for rows in stack.rows],
        step=first.step,
        loss_count=first.loss_count,
    )


def keep(stack: Stack, runs: Sequence[int]) -> Stack:
    """The stack with only some of its runs."""
    index = torch.tensor(runs, dtype=torch.int64, device=stack.idle.device)
    return _from_tensors(
        {name: tensor[index] for name, tensor in _tensors(stack).items()},
        specs=[stack.specs[run] for run in runs],
        rows=[stack.rows[run] for run in runs],
        step=stack.step,
        loss_count=stack.loss_count,
    )


def finite(stack: Stack) -> Bool[Tensor, " runs"]:
    """Which runs are made of finite numbers throughout; an overflow in Adam's moments would freeze what it touches."""
    flat = [tensor.reshape(len(stack), -1) for tensor in _tensors(stack).values()]
    sums = torch.stack([rows.sum(dim=1) for rows in flat]).isfinite().all(dim=0)  # a finite sum proves finite numbers
    return sums if sums.all() else torch.stack([rows.isfinite().all(dim=1) for rows in flat]).all(dim=0)


def _tensors(stack: Stack) -> dict[str, Tensor]:
    """Everything with a `runs` axis, by a name that says where it belongs."""
    state = {f"{_STATE}{name}": tensor for name, tensor in stack.state.items()}
    return {"idle": stack.idle, "loss_sum": stack.loss_sum, **state}


def _from_tensors(tensors: dict[str, Tensor], **rest: Any) -> Stack:  # noqa: ANN401 (the fields that are no tensors)
    state = {name.removeprefix(_STATE): each for name, each in tensors.items() if name.startswith(_STATE)}
    return Stack(state=state, idle=tensors["idle"], loss_sum=tensors["loss_sum"], **rest)
