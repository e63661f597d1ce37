"""The barrier between two runs: how much reconstruction is lost on the straight line from one to the other.

barrier(a, b) = max over alpha of loss((1 - alpha) a + alpha P b) - ((1 - alpha) loss(a) + alpha loss(b)), with P the
matching of the atoms (@ainsworth2023git; docs/mathematics.md, eq. 37), or the identity. Two runs without a barrier
lie in one valley: they differ by no more than the order of their atoms and noise.

Measured on the snapshots of the last step and held-out tokens, while those are at hand, and kept with the study.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed import kernels
from reseed.matching import match
from reseed.methods import Method, Parameters, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from reseed.trajectory import Snapshot, StudyFolder, Trajectory

__all__ = ["ALPHAS", "MOST_TOKENS", "alike", "barrier", "loss", "measure_barriers", "permuted", "read_parameters"]

ALPHAS = (0.25, 0.5, 0.75)
"""Where the line is looked at, besides its ends."""

MOST_TOKENS = 1024
"""Held-out tokens that are looked at, at even distances."""


def measure_barriers(
    folder: StudyFolder,
    condition: str,
    heldout: Float[Tensor, "tokens d_model"],
    mean: Float[Tensor, " d_model"],
    pool: Executor,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the barriers between all finished runs of a condition, unless they are written already.

    They are in units of R²: the squared error above the straight line over the squared distance from the mean.

    Args:
        folder: a study whose runs of this condition have ended.
        condition: its name.
        heldout: the held-out tokens as the runs saw them.
        mean: of the training activations, as the runs saw them.
        pool: threads that the pairs are shared out to.
        advance: told how many pairs lie behind.
    """
    runs = [run for run in folder.runs(condition) if run.finished]
    pairs = list(combinations(runs, 2))
    written = folder.compared(condition)
    known = written.barriers()
    ids = [(a.id, b.id) for a, b in pairs]
    if not pairs or (known is not None and list(known.select("run_a", "run_b").iter_rows()) == ids):
        advance(len(pairs))
        return
    rows = _even(heldout, MOST_TOKENS).cpu()
    method = parse(runs[0].record.method)
    variance = method.target(rows - mean.to(rows)).double().square().mean().item()
    scale = 1 / variance if variance else math.nan  # where nothing varies there is no R²

    def last(run: Trajectory) -> Parameters:
        return read_parameters(run.snapshots[run.steps[-1]], method)

    losses = dict(zip(runs, pool.map(lambda run: loss(last(run), method, rows), runs), strict=True))

    def measured(pair: tuple[Trajectory, Trajectory]) -> dict[str, str | float]:
        a, b = last(pair[0]), last(pair[1])
        ends = losses[pair[0]], losses[pair[1]]
        matched = permuted(b, match(a["atoms"], b["atoms"], sign=method.sign).cols, method)
        if method.sign == "abs":  # in either order, an atom and its negative are one
            matched, b = (alike(a, each, method) for each in (matched, b))
        found = {
            "matched": scale * barrier(a, matched, method, rows, ends=ends),
            "unmatched": scale * barrier(a, b, method, rows, ends=ends),
        }
        advance(1)
        return {"run_a": pair[0].id, "run_b": pair[1].id, **found}

    written.write_table("barriers", pl.DataFrame(list(pool.map(measured, pairs))))


def barrier(
    a: Parameters, b: Parameters, method: Method, rows: Float[Tensor, "tokens d_model"], *, ends: tuple[float, float]
) -> float:
    """The largest loss above the straight line between two runs whose atoms stand in the same order: at least 0.

    Args:
        a: one run.
        b: the other.
        method: of both; its rule makes the codes.
        rows: tokens to reconstruct.
        ends: the loss of each.
    """
    heights = [
        loss(_between(a, b, alpha), method, rows) - ((1 - alpha) * ends[0] + alpha * ends[1]) for alpha in ALPHAS
    ]
    return max(0.0, *heights)


def loss(parameters: Parameters, method: Method, rows: Float[Tensor, "tokens d_model"]) -> float:
    """Squared error per token and dimension of a snapshot's reconstruction, in the units of the activations."""
    stack = {name: tensor.unsqueeze(0) for name, tensor in parameters.items()}
    codes = kernels.compress(method.encode(stack, rows.unsqueeze(0)))
    return (method.target(rows) - method.decode(stack, codes)).double().square().mean().item()


def read_parameters(snapshot: Snapshot, method: Method) -> Parameters:
    """What the line between two runs is drawn through: all that codes and reconstructions are made of."""
    return {name: snapshot.tensor(name) for name in (*method.per_atom, *method.for_all_atoms)}


def permuted(parameters: Parameters, order: Int[Tensor, " atoms"], method: Method) -> Parameters:
    """The same run with its atoms in another order: the new atom i is the old atom `order[i]`."""
    return {name: tensor[order] if name in method.per_atom else tensor for name, tensor in parameters.items()}


def alike(a: Parameters, b: Parameters, method: Method) -> Parameters:
    """Run b with those atoms negated that point away from their partners in a, and their codes with them."""
    away = (a["atoms"] * b["atoms"]).sum(dim=1) < 0
    return {name: _negated(tensor, away) if name in method.negated else tensor for name, tensor in b.items()}


def _negated(tensor: Float[Tensor, "atoms ..."], rows: Bool[Tensor, " atoms"]) -> Float[Tensor, "atoms ..."]:
    return torch.where(rows.view(-1, *[1] * (tensor.ndim - 1)), -tensor, tensor)


def _between(a: Parameters, b: Parameters, alpha: float) -> Parameters:
    return {name: torch.lerp(a[name], b[name], alpha) for name in a}


def _even(rows: Float[Tensor, "tokens d_model"], most: int) -> Float[Tensor, "fewer d_model"]:
    count = min(most, len(rows))
    return rows[torch.arange(count, device=rows.device) * len(rows) // count]
