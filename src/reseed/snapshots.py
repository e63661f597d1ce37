"""What is written down about a run at a snapshot: its tensors, its held-out codes and its metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.trajectory import pack_codes

if TYPE_CHECKING:
    from reseed.activations import View
    from reseed.methods import Method, State
    from reseed.stack import Row, Stack
    from reseed.trajectory import StudyFolder

__all__ = ["record"]

CHUNK = 1024  # held-out tokens whose dense codes are in memory at a time


def record(stack: Stack, view: View, heldout: Float[Tensor, "tokens d_model"], folder: StudyFolder) -> None:
    """Write a snapshot of every run of the stack, and add its metrics to the stack's rows.

    The metrics are `step`, `tokens`, `training_loss` (mean of the batches since the snapshot before), and on the
    held-out tokens `loss` (squared error per token and dimension), `r2` (against the per-dimension training mean; nan
    where nothing varies), `l0` (active atoms per token) and `alive` (fraction of atoms that fire); then `retention`
    (mean cosine of the atoms with their own step 0, by index) and the method's own diagnostics.
    """
    method, state = stack.method, stack.state
    codes, squared_error = _evaluated(method, state, heldout)
    total = (heldout - view.moments.mean.to(heldout)).double().square().sum().item()
    diagnostics, tensors = method.diagnostics(state), method.snapshot(state)
    for run, spec in enumerate(stack.specs):
        packed = pack_codes(codes[run])
        trajectory = folder.run(spec.id)
        trajectory.write_snapshot(stack.step, {name: tensor[run] for name, tensor in tensors.items()} | packed)
        row: Row = {
            "step": stack.step,
            "tokens": stack.step * spec.training.batch_size,
            "training_loss": stack.loss_sum[run].item() / stack.loss_count if stack.loss_count else math.nan,
            "loss": squared_error[run].item() / heldout.numel(),
            "r2": 1.0 - squared_error[run].item() / total if total else math.nan,
            "l0": len(packed["codes.values"]) / len(heldout),
            "alive": codes[run].any(dim=0).double().mean().item(),
            "retention": _retention(tensors["atoms"][run], trajectory.snapshot(0).atoms),
        }
        stack.rows[run].append(row | {name: value[run].item() for name, value in diagnostics.items()})
    stack.loss_sum.zero_()
    stack.loss_count = 0


def _evaluated(
    method: Method, state: State, heldout: Float[Tensor, "tokens d_model"]
) -> tuple[Float[Tensor, "runs tokens atoms"], Float[Tensor, " runs"]]:
    """The codes of the held-out tokens, and their squared error summed over tokens and dimensions."""
    n_runs = len(state["encoder"])
    squared_error = torch.zeros(n_runs, dtype=torch.float64, device=heldout.device)
    codes = []
    for rows in heldout.split(CHUNK):
        x = rows.expand(n_runs, -1, -1)
        z = method.encode(state, x)
        squared_error += (x - method.decode(state, z)).double().square().sum(dim=(1, 2))
        codes.append(z)
    return torch.cat(codes, dim=1), squared_error


def _retention(atoms: Float[Tensor, "atoms d_model"], born: Float[Tensor, "atoms d_model"]) -> float:
    """R(t): a zero atom retains nothing."""
    return torch.cosine_similarity(atoms.cpu().double(), born.double(), dim=-1).mean().item()
