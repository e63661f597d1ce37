"""Activations drawn at random, taken for atoms."""

from jaxtyping import Float
from torch import Tensor

from reseed.floors._base import FloorKind, Source

__all__ = ["DATA"]


def _sampled(source: Source, n_atoms: int, draw: int) -> Float[Tensor, "atoms d_model"]:
    return source.sample(n_atoms, "data", draw)


DATA = FloorKind(
    name="data",
    title="activations",
    gives="activations drawn at random",
    meaning="what having activations for atoms would give",
    policy="activations drawn at random, n_atoms of them for each dictionary",
    role="reference",
    draw=_sampled,
)
