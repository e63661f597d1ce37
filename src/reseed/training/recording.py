"""What is written down about a run at a snapshot: its tensors, its held-out codes and its metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed import kernels
from reseed.training.fit import r2_errors
from reseed.trajectory import join_codes, pack_codes

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.methods import Method, Parameters
    from reseed.training.stack import Row, Stack
    from reseed.trajectory import StudyFolder

__all__ = ["record"]

_AT_A_TIME = 2**20  # a run's dense codes (tokens x atoms) that are in memory at a time: as many as stay in the cache
_AT_A_TIME_ON_GPU = 2**25
_ROWS = 1024  # atoms that are in memory in double precision


def record(stack: Stack, seen: Preprocessed, heldout: Float[Tensor, "tokens d_model"], folder: StudyFolder) -> None:
    """Write a snapshot of every run of the stack, and add its metrics to the stack's rows.

    The metrics are `step`, `tokens`, `training_loss` (mean of the batches since the snapshot before), and on the
    held-out tokens, encoded and decoded by what the snapshot holds, `loss` (squared error per token and dimension),
    `r2` (against the per-dimension training mean; nan where nothing varies), `r2_error` (its standard error over
    windows of text, or over the held-out blocks of a matrix), `l0` (active atoms per token) and `alive` (fraction of
    atoms that fire); then `retention` (mean cosine of the atoms with their own step 0, by index; of absolute ones where
    the sign of an atom is open) and the method's own diagnostics.
    """
    method = stack.method
    diagnostics, parameters = method.diagnostics(stack.state), method.parameters(stack.state)
    packed, lost = _evaluated(method, parameters, heldout)
    squared_error = sum((part.sum(dim=-1) for part in lost), start=torch.zeros_like(lost[0][:, 0]))
    target = method.target(heldout - seen.moments.mean.to(heldout))
    there = _squared(target)
    total = there.sum().item()
    r2_error = r2_errors(torch.cat(lost, dim=-1), there, seen.heldout.windows)
    for run, spec in enumerate(stack.specs):
        trajectory = folder.run(spec.id)
        trajectory.write_snapshot(stack.step, {name: tensor[run] for name, tensor in parameters.items()} | packed[run])
        row: Row = {
            "step": stack.step,
            "tokens": stack.step * spec.training.batch_size,
            "training_loss": stack.loss_sum[run].item() / stack.loss_count if stack.loss_count else math.nan,
            "loss": squared_error[run].item() / target.numel(),
            "r2": 1.0 - squared_error[run].item() / total if total else math.nan,
            "r2_error": r2_error[run].item(),
            "l0": len(packed[run]["codes.values"]) / len(heldout),
            "alive": len(packed[run]["codes.atoms"].unique()) / method.n_atoms,
            "retention": _retention(parameters["atoms"][run], trajectory.snapshot(0).atoms, method.sign),
        }
        stack.rows[run].append(row | {name: value[run].item() for name, value in diagnostics.items()})
    stack.loss_sum.zero_()
    stack.loss_count = 0


def _evaluated(
    method: Method, parameters: Parameters, heldout: Float[Tensor, "tokens d_model"]
) -> tuple[list[dict[str, Tensor]], list[Float64[Tensor, "runs part"]]]:
    """Each run's packed codes of the held-out tokens, and the squared error of every token, in parts."""
    n_runs = len(parameters["atoms"])
    packed: list[list[dict[str, Tensor]]] = []
    lost: list[Float64[Tensor, "runs part"]] = []
    at_a_time = _AT_A_TIME if heldout.device.type == "cpu" else _AT_A_TIME_ON_GPU
    for rows in heldout.split(max(1, at_a_time // method.n_atoms)):
        x = rows.expand(n_runs, -1, -1)
        codes = kernels.compress(method.encode(parameters, x))
        lost.append(_squared(method.target(x) - method.decode(parameters, codes)))
        packed.append([pack_codes(*run) for run in zip(*codes, strict=True)])
    return [join_codes(parts) for parts in zip(*packed, strict=True)], lost


def _squared(rows: Float[Tensor, "*runs tokens d_model"]) -> Float64[Tensor, "*runs tokens"]:
    """The squared length of each token, in single precision; what is summed over tokens is summed in double."""
    return rows.square().sum(dim=-1).double()


def _retention(
    atoms: Float[Tensor, "atoms d_model"], born: Float[Tensor, "atoms d_model"], sign: Literal["signed", "abs"]
) -> float:
    """R(t): a zero atom retains nothing. In double precision, and so in parts: this is where a run's memory peaks."""
    parts = zip(atoms.cpu().split(_ROWS), born.split(_ROWS), strict=True)
    cosines = [torch.cosine_similarity(now.double(), first.double(), dim=-1).clamp(-1, 1) for now, first in parts]
    kept = torch.cat(cosines)
    return (kept.abs() if sign == "abs" else kept).mean().item()
