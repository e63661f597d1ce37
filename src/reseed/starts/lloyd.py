"""k-means: Lloyd's iterations from random rows, in a fixed order of sums (@lloyd1982least)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import kernels
from reseed._support import stopping
from reseed.dice import generator

__all__ = ["KMeans", "centroids", "drawn_rows", "kmeans", "lloyd"]

_ROWS = 256  # that look for their point between two questions whether to stop


@dataclass(frozen=True)
class KMeans:
    """Centroids, and how well they fit."""

    points: Float[Tensor, "points d_model"]
    """The centroids, in no particular order."""
    inertia: float
    """Mean over rows of the squared distance to the nearest centroid of the last assignment."""
    steps: int
    """Iterations made; fewer than asked for when the assignment stopped changing."""


def kmeans(rows: Float[Tensor, "tokens d_model"], n_points: int, *, steps: int, rolled: int) -> KMeans:
    """At most `steps` iterations of Lloyd's algorithm from `n_points` different rows drawn with `rolled`.

    A centroid that loses all its rows is moved to one of the rows farthest from their own centroids.

    Raises:
        ValueError: fewer rows than points, or nothing to do.
    """
    if steps < 1:
        raise ValueError(f"k-means in {steps} steps: it needs at least one")
    return lloyd(rows, drawn_rows(rows, n_points, rolled=rolled), steps=steps)


def drawn_rows(rows: Float[Tensor, "tokens d_model"], n_points: int, *, rolled: int) -> Float[Tensor, "points d_model"]:
    """Different rows drawn with `rolled`, where k-means starts.

    Raises:
        ValueError: fewer rows than points, or no points.
    """
    if not 1 <= n_points <= len(rows):
        raise ValueError(
            f"k-means of {len(rows)} rows into {n_points} points: "
            "it needs at least one point, and as many rows as points"
        )
    start = torch.randperm(len(rows), generator=generator(rolled))[:n_points]
    return rows[start.to(rows.device)]


def lloyd(rows: Float[Tensor, "tokens d_model"], points: Float[Tensor, "points d_model"], *, steps: int) -> KMeans:
    """At most `steps` iterations of Lloyd's algorithm from these points."""
    n_points = len(points)
    labels, distances = _nearest(rows, points)
    for step in range(1, steps):
        points, previous = centroids(rows, labels, distances, n_points=n_points), labels
        labels, distances = _nearest(rows, points)
        if torch.equal(labels, previous):
            return KMeans(points, distances.double().mean().item(), step)
    points = centroids(rows, labels, distances, n_points=n_points)
    return KMeans(points, distances.double().mean().item(), steps)


def _nearest(
    rows: Float[Tensor, "tokens d_model"], points: Float[Tensor, "points d_model"]
) -> tuple[Int[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Index of each row's nearest point, and the squared distance to it."""
    half = points.square().sum(1) / -2
    best = [_nearest_in(block, points, half) for block in rows.split(_ROWS)]
    values, labels = torch.cat([found.scores[0] for found in best]), torch.cat([found.labels[0] for found in best])
    squares = torch.cat([block.square().sum(1) for block in rows.split(_ROWS)])  # of all rows at once: as large as they
    return labels, (squares - 2 * values).clamp(min=0)


def _nearest_in(
    block: Float[Tensor, "rows d_model"], points: Float[Tensor, "points d_model"], half: Tensor
) -> kernels.Nearest:
    stopping.check()  # all blocks together take minutes
    return kernels.nearest(block.unsqueeze(0), points.unsqueeze(0), bias=half.unsqueeze(0))


def centroids(
    rows: Float[Tensor, "tokens d_model"],
    labels: Int[Tensor, " tokens"],
    distances: Float[Tensor, " tokens"],
    *,
    n_points: int,
) -> Float[Tensor, "points d_model"]:
    """Mean row of each label; a label without rows takes over the farthest row, the next one the second farthest."""
    ones = torch.ones(1, len(rows), 1, dtype=rows.dtype, device=rows.device)
    codes = kernels.Codes(ones, labels.view(1, -1, 1))
    sums = kernels.row_gradients(codes, ones, rows.unsqueeze(0), n_atoms=n_points)[0]
    counts = torch.bincount(labels, minlength=n_points)
    empty = (counts == 0).nonzero().flatten()
    points = sums / counts.clamp(min=1).unsqueeze(1)
    points[empty] = rows[distances.sort(descending=True, stable=True).indices[: len(empty)]]
    return points
