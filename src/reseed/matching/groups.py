"""Columns in groups of equal size whose atoms point about the same way, so that one bound for a group is tight."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from reseed._support.jit import compiled
from reseed._support.products import row_products
from reseed.dice import generator

__all__ = ["grouped", "interleaved", "places_of"]

_SKETCH = 32  # dimensions that are enough to tell clusters apart
_POWERS = 4


def grouped(unit: Float32[Tensor, "atoms d_model"], n_groups: int) -> Int[np.ndarray, " atoms"]:
    """The atoms group after group; the first groups have one atom more where the sizes do not come out even.

    By bisection along the direction in which the atoms of a part vary most.
    """
    order = np.arange(len(unit))
    if n_groups == len(unit):
        return order
    chance = generator(0, "sketch")  # any sketch does that is always the same
    sketch = torch.randn(_SKETCH, unit.shape[1], generator=chance).to(unit.device)
    _bisect(row_products(unit, sketch).cpu().numpy(), order, n_groups)
    return order


def interleaved(order: Int[np.ndarray, " atoms"], n_groups: int) -> Int[np.ndarray, " atoms"]:
    """The grouped atoms, one of each group in turn: every n_groups-th is of the same group.

    So the maxima of all groups are elementwise maxima of contiguous stretches of a row of cosines.
    """
    places = places_of(order, n_groups).T.flatten()
    return places[places >= 0]


def places_of(order: Int[np.ndarray, " atoms"], n_groups: int) -> Int[np.ndarray, "groups depth"]:
    """The atoms of each group; -1 at the end of a group that has one less."""
    sizes = np.full(n_groups, len(order) // n_groups)
    sizes[: len(order) % n_groups] += 1
    places = np.full((n_groups, sizes.max()), -1)
    places[np.arange(sizes.max()) < sizes[:, None]] = order
    return places


@compiled
def _bisect(points: np.ndarray, order: np.ndarray, n_groups: int) -> None:
    n = len(order)
    depth, full = n // n_groups, n % n_groups
    stack = [(0, n_groups)]
    while stack:
        low, high = stack.pop()
        if high - low == 1:
            continue
        middle = (low + high) // 2
        begin, end = low * depth + min(low, full), high * depth + min(high, full)
        part = order[begin:end]
        along = _along_widest(points, part)
        order[begin:end] = part[np.argsort(along, kind="mergesort")]
        stack.append((low, middle))
        stack.append((middle, high))


@compiled
def _along_widest(points: np.ndarray, part: np.ndarray) -> np.ndarray:
    d = points.shape[1]
    mean = np.zeros(d, np.float32)
    for i in part:
        mean += points[i]
    mean /= len(part)
    far, direction = np.float32(-1.0), np.zeros(d, np.float32)
    for i in part:
        off = points[i] - mean
        length = (off * off).sum()
        if length > far:
            far, direction = length, off
    along = np.zeros(len(part), np.float32)
    # power iteration for the first principal component, from the atom that is furthest from the mean
    for _ in range(_POWERS):
        following = np.zeros(d, np.float32)
        for k in range(len(part)):
            row = points[part[k]]
            total = np.float32(0.0)
            for m in range(d):
                total += (row[m] - mean[m]) * direction[m]
            along[k] = total
            for m in range(d):
                following[m] += total * (row[m] - mean[m])
        length = np.sqrt((following * following).sum())
        if length > 0:
            direction = following / length
    return along
