"""Atoms on the unit sphere: what keeps them there, in operations that torch has everywhere."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["normalise", "without_parallel"]


def normalise(rows: Float[Tensor, "*stack d_model"]) -> None:
    """Divide rows by their norm, in place; a zero row stays zero. The 1e-8 is overcomplete's."""
    rows.div_(rows.norm(dim=-1, keepdim=True) + 1e-8)


def without_parallel(
    gradients: Float[Tensor, "runs atoms d_model"], atoms: Float[Tensor, "runs atoms d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """Gradients for unit atoms without the component along the atom."""
    return gradients - (gradients * atoms).sum(-1, keepdim=True) * atoms
