"""Random mixtures of the points that archetypal runs mix, with the weights they ended with."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.dice import generator
from reseed.floors._base import Ended, FloorKind

__all__ = ["HULL", "hull_atoms"]

_AT_A_TIME = 2**20  # weights whose new places are in memory, in eight bytes each


@guarded()
def hull_atoms(
    points: Float[Tensor, "points d_model"], weights: Float[Tensor, "atoms points"], *, rolled: int
) -> Float[Tensor, "atoms d_model"]:
    """Random mixtures of the same points: each atom keeps its weights, and so their entropy, but on random points."""
    chance, moved = generator(rolled, "hull"), torch.empty_like(weights)
    at_a_time = max(1, _AT_A_TIME // max(1, weights.shape[1]))
    for some, to in zip(weights.split(at_a_time), moved.split(at_a_time), strict=True):
        rolls = torch.rand(some.shape, generator=chance).to(weights.device)  # row after row, as for all rows at once
        torch.gather(some, 1, rolls.argsort(dim=1), out=to)
    return moved @ points


def _mixed(ended: Ended) -> Float[Tensor, "atoms d_model"] | None:
    weights = ended.parameters.get("weights")
    return None if weights is None or ended.points is None else hull_atoms(ended.points, weights, rolled=ended.rolled)


HULL = FloorKind(
    name="hull",
    title="hull",
    gives="mixtures of the points",
    meaning="what mixing points in the way that was learnt would give, without learning which",
    policy="random mixtures of each start's own points, with the weights that training ended with",
    role="reference",
    of_run=_mixed,
)
