"""Atoms at length 1, and their cosines in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from reseed._support.threads import workers
from reseed.matching.similarity import is_zero, norms_of

__all__ = ["Directions", "ParallelMap", "directions", "parallel_map", "rounding"]

ParallelMap = Callable[..., Iterator[Any]]

_CHUNK = 128  # rows that are normalised at a time on a GPU, in float64
_HALF_ULP = {"highest": 0.0, "high": 2.0**-11, "medium": 2.0**-8}  # to what torch may round the factors of a product


@dataclass(frozen=True)
class Directions:
    """The atoms of a dictionary as they were given, and at length 1."""

    atoms: Float[Tensor, "atoms d_model"]
    """In float32, or in float64 at length 1; on the CPU."""
    scale: Float64[Tensor, " atoms"]
    """1 / norm of `atoms`, and 0 for a zero atom; on the CPU."""
    unit: Float32[Tensor, "atoms d_model"]
    """Where the dictionary was given."""

    def __len__(self) -> int:
        return len(self.atoms)


def directions(given: Float[Tensor, "atoms d_model"]) -> Directions:
    """The directions of a dictionary's atoms; zero atoms have none."""
    where = given.device if given.is_cuda else "cpu"  # elsewhere there may be no float64
    atoms = given.detach().to(where, given.dtype if given.dtype == torch.float64 else torch.float32).contiguous()
    norms = norms_of(atoms)
    scale = norms.reciprocal().masked_fill(is_zero(norms), 0.0)
    if atoms.dtype == torch.float64:  # products of long or short atoms might leave the range of float64
        atoms, scale = (atoms / norms[:, None]).masked_fill(scale[:, None] == 0, 0.0), (scale > 0).to(torch.float64)
    return Directions(atoms.cpu(), scale.cpu(), _scaled(atoms, scale).to(given.device))


def _scaled(
    atoms: Float[Tensor, "atoms d_model"], scale: Float64[Tensor, " atoms"]
) -> Float32[Tensor, "atoms d_model"]:
    unit = torch.empty(atoms.shape, dtype=torch.float32, device=atoms.device)
    if atoms.is_cuda:
        for begin in range(0, len(atoms), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            unit[part] = atoms[part] * scale[part, None]
    else:
        from reseed.matching._loops import scale_rows  # noqa: PLC0415 (judging, which matches nothing, starts sooner)

        scale_rows(atoms.numpy(), scale.numpy(), unit.numpy())
    return unit


def rounding(d_model: int) -> float:
    """How far a float32 product of unit rows can be from the cosine, in whatever order it is summed."""
    return (d_model + 8) * 2.0**-24 + 4 * _HALF_ULP[torch.get_float32_matmul_precision()]


@contextmanager
def parallel_map() -> Iterator[ParallelMap]:
    """A `map` whose calls run on as many threads as torch has; see `threads.workers`."""
    if torch.get_num_threads() == 1:
        yield map
        return
    with workers() as pool:
        yield pool.map
