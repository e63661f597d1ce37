"""The nearest point of every row: what an iteration of k-means asks for.

||x - c||^2 / 2 = ||x||^2 / 2 - (x . c - ||c||^2 / 2): the nearest point has the largest score x . c + b, with b half of
-||c||^2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support.products import row_products

__all__ = ["Nearest", "nearest"]

_ROWS = 256  # that look for their point at a time: see kernels.cpu


class Nearest(NamedTuple):
    """What each row has found."""

    labels: Int[Tensor, "runs rows"]
    """The point with the largest score; of equals the lowest index."""
    scores: Float[Tensor, "runs rows"]
    """That score."""


def nearest(
    rows: Float[Tensor, "runs rows d_model"],
    points: Float[Tensor, "runs points d_model"],
    *,
    bias: Float[Tensor, "runs points"],
) -> Nearest:
    """For each row the point with the largest row . point + bias."""
    if rows.device.type != "cpu":
        return _everywhere(rows, points, bias)
    found = [_of_a_run(*run) for run in zip(rows, points, bias, strict=True)]
    labels, scores = (torch.stack(part) for part in zip(*found, strict=True))
    return Nearest(labels, scores)


def _of_a_run(rows: Tensor, points: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    # on a CPU a maximum is the first of several
    best = [row_products(block, points, bias=bias).max(1) for block in rows.split(_ROWS)]
    return torch.cat([found.indices for found in best]), torch.cat([found.values for found in best])


def _everywhere(rows: Tensor, points: Tensor, bias: Tensor) -> Nearest:
    """In operations that torch has everywhere."""
    all_scores, places = torch.baddbmm(bias.unsqueeze(1), rows, points.mT), torch.arange(points.shape[1])
    scores = all_scores.amax(-1)
    last = points.shape[1] - 1  # also for a row of NaN, which is equal to nothing
    reached = all_scores == scores.unsqueeze(-1)
    return Nearest(torch.where(reached, places.to(rows.device), last).amin(-1), scores)
