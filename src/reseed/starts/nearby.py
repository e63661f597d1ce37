"""k-means whose rows look at all centroids once, and from then on among those that were nearest.

An iteration of Lloyd's takes every row to every centroid, though hardly any row changes over to one that was not among
its nearest before. So a row keeps a list of these. No iteration raises the inertia, as none of Lloyd's does; only where
a centroid moved past all that are listed is it overlooked (docs/mathematics.md, section 3). What is listed need not be
exact either: products are of integers, or in bfloat16, where the processor has instructions for them. Distances to
listed centroids are in float32.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int8
from torch import Tensor

from reseed._support import stopping
from reseed._support.products import HAS_INT8, integer_row_products, rough_row_products, row_products
from reseed.starts.lloyd import KMeans, centroids

__all__ = ["by_integers", "nearby"]

_KEPT, _MOST = 8, 16  # centroids that a row keeps, and with those that bfloat16 does not tell from them
_GROUPS = 64  # see _loops.list_largest
_INTEGERS = 127  # from 0, to which the largest number of a row is scaled
_EVEN = 8.0  # times their root mean square: where a number is larger, integers say too little of the others
_MOST_ROWS = 0.5  # of a block: few rows that do not find their nearest do no harm
_SHORT = 1e-6  # of the longest: a row that is shorter has no direction worth a step of its own
_ROWS = 256  # that look at all centroids at a time: enough for a fast product, few enough for the cache


def nearby(
    rows: Float[Tensor, "tokens d_model"], points: Float[Tensor, "points d_model"], *, steps: int, settled: float
) -> KMeans:
    """At most `steps` iterations from these points, in float32 on the CPU.

    It ends where an iteration lowers the inertia by less than the share `settled` of it.
    """
    listed, squares = _listed(rows, points), torch.cat([block.square().sum(1) for block in rows.split(_ROWS)])
    found = KMeans(points, math.inf, 0)
    while found.steps < steps:
        labels, distances = _nearest(rows, squares, found.points, listed)
        before, inertia = found.inertia, distances.double().mean().item()
        moved = centroids(rows, labels, distances, n_points=len(points))
        found = KMeans(moved, inertia, found.steps + 1)
        if before - inertia < settled * before:
            break
    return found


def _listed(
    rows: Float[Tensor, "tokens d_model"], points: Float[Tensor, "points d_model"]
) -> Int[Tensor, "tokens most"]:
    """The centroids that are nearest to each row."""
    from reseed.starts._loops import list_largest  # noqa: PLC0415 (a finished study, which draws none, starts sooner)

    most = min(_MOST, len(points))
    listed = torch.empty(len(rows), most, dtype=torch.int32)
    if len(points) == most:
        return listed.copy_(torch.arange(most))
    middle = points.mean(0)  # about which products are small, and so the errors of rough ones
    around = points - middle
    half = around.square().sum(1) / -2
    integers = by_integers(around, half) if HAS_INT8 and _is_even(around) else None
    maxima = np.empty(min(_GROUPS, len(points)), np.int32)
    for block, into in zip(rows.split(_ROWS), listed.split(_ROWS), strict=True):
        stopping.check()  # all blocks together take minutes
        moved = block - middle
        if integers is not None and _is_even(moved):
            rough = integers(moved)
        else:
            rough = rough_row_products(moved, around, bias=half)
        if list_largest(_bits(rough), _KEPT, maxima, into.numpy()):
            list_largest(_bits(row_products(moved, around, bias=half)), _KEPT, maxima, into.numpy())
    return listed


def _is_even(rows: Float[Tensor, "rows d_model"]) -> bool:
    """Whether in most rows no number is much larger than the others."""
    return (rows.abs().amax(1) <= _EVEN * rows.square().mean(1).sqrt()).double().mean().item() > _MOST_ROWS


def by_integers(
    points: Float[Tensor, "points d_model"], half: Float[Tensor, " points"]
) -> Callable[[Float[Tensor, "rows d_model"]], Float32[Tensor, "rows points"]]:
    """What gives row . point + half of some rows, each row in a unit of its own, off by about a hundredth."""
    from reseed.starts._loops import to_scores  # noqa: PLC0415 (as above)

    numbers, steps = _integers(points)
    scores = torch.empty(_ROWS, len(points))

    def scored(rows: Float[Tensor, "rows d_model"]) -> Float32[Tensor, "rows points"]:
        own, own_steps = _integers(rows)
        products = integer_row_products(own, numbers)
        to_scores(*(each.numpy() for each in (products, steps, half, own_steps, scores)))
        return scores[: len(rows)]

    return scored


def _integers(
    rows: Float[Tensor, "rows d_model"],
) -> tuple[Int8[Tensor, "rows d_model"], Float32[Tensor, " rows"]]:
    """Each row in whole steps of its own, from -127 to 127, and its step."""
    largest = rows.abs().amax(1)
    steps = largest.clamp(min=max(float(largest.max()) * _SHORT, torch.finfo(torch.float32).tiny)) / _INTEGERS
    return (rows / steps[:, None]).round_().to(torch.int8), steps


def _bits(scores: Float[Tensor, "rows points"]) -> np.ndarray:
    return scores.view(torch.int16 if scores.dtype == torch.bfloat16 else torch.int32).numpy()


def _nearest(
    rows: Float[Tensor, "tokens d_model"],
    squares: Float[Tensor, " tokens"],
    points: Float[Tensor, "points d_model"],
    listed: Int[Tensor, "tokens most"],
) -> tuple[Int[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Index of the nearest listed centroid of each row, and the squared distance to it."""
    from reseed.starts._loops import nearest_listed  # noqa: PLC0415 (as above)

    half = points.square().sum(1) / -2
    labels, scores = torch.empty(len(rows), dtype=torch.int64), torch.empty(len(rows))
    for parts in zip(*(each.split(_ROWS) for each in (rows, listed, labels, scores)), strict=True):
        stopping.check()
        block, near, label, score = (part.numpy() for part in parts)
        nearest_listed(block, points.numpy(), half.numpy(), near, label, score)
    return labels, (squares - 2 * scores).clamp(min=0)
