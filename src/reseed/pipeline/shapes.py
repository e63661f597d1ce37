"""How many bytes a run of a method is made of, found from the method itself at a size of nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from reseed.methods import Reading, StartPoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from reseed.methods import Method
    from reseed.starts import Start

__all__ = ["Shape", "shape_of"]

_ATOMS, _POINTS, _DIMENSIONS, _TOKENS, _READ = 5, 11, 7, 3, 13  # all different: an axis is known by its length


class Shape(NamedTuple):
    """The sizes of a run; bytes are of one run."""

    n_atoms: int
    n_points: int
    """That its start is made from; 0 where it has none."""
    d_model: int
    """Of an atom: all columns, or those that are written."""
    active: int
    """The most atoms of a token, or as many as it has on average: k, all of them, or half under a penalty for codes."""
    is_sparse: bool
    """Whether a k says so."""
    groups: int
    """Residuals of a batch beside that of the whole dictionary: one for each dictionary within another."""
    state: int
    """What training holds and a resume point keeps."""
    snapshot: int
    """The tensors of a snapshot, without its codes."""

    @property
    def dictionary(self) -> int:
        """The atoms, in float32."""
        return 4 * self.n_atoms * self.d_model


def shape_of(method: Method, start: Start, d_model: int) -> Shape:
    """The sizes of this method from this start; whatever its state and snapshots hold, tables know nothing of it."""
    n_points = start.points_for(method) if start.entry.makes_points else 0
    reads = method.columns_read or 0
    sizes = {_ATOMS: method.n_atoms, _POINTS: n_points, _DIMENSIONS: d_model - reads, _READ: reads}
    sizes[2 * _DIMENSIONS] = 2 * (d_model - reads)  # of a method with a positive and a negative half
    state, parameters = _tiny(method)
    k = getattr(method, "k", None)
    return Shape(
        n_atoms=method.n_atoms,
        n_points=n_points,
        d_model=d_model - reads,
        active=k or (method.n_atoms if method.all_active else max(1, method.n_atoms // 2)),
        is_sparse=k is not None,
        groups=len(method.group_sizes),
        state=_bytes(state, sizes) + 8 * method.n_atoms,
        snapshot=_bytes(parameters, sizes),
    )


def _tiny(method: Method) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """The state and the parameters of one run with a handful of atoms."""
    few = {"n_atoms": _ATOMS, "k": 1, "reads": _READ}
    small = method.model_copy(update={name: few[name] for name in few if hasattr(method, name)})
    rows = (
        torch.arange(_POINTS * _DIMENSIONS, dtype=torch.float32).view(_POINTS, _DIMENSIONS).cos().abs()
    )  # some methods refuse negative entries
    mixes, reads = small.mixes_points, small.columns_read is not None
    reading = Reading(mean=torch.zeros(_READ), scale=1.0, to_written=torch.ones(_READ, _DIMENSIONS))
    point = StartPoint(
        atoms=rows[:_ATOMS],
        points=rows if mixes else None,
        weights=torch.eye(_ATOMS, _POINTS) if mixes else None,
        mean=rows.mean(0),
        scale=1.0,
        sample=torch.ones(_TOKENS, _READ + _DIMENSIONS) if reads else rows[:_TOKENS],
        reading=reading if reads else None,
    )
    state = small.initialise(point, 0)
    return state, small.parameters(state)


def _bytes(tensors: Mapping[str, Tensor], sizes: Mapping[int, int]) -> int:
    """Of one run, with every axis at its real length."""
    return sum(
        tensor.element_size() * math.prod(sizes.get(length, length) for length in tensor.shape[1:])
        for tensor in tensors.values()
    )
