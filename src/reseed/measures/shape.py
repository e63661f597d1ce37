"""The shape of one dictionary: how long its atoms are and how many directions they fill."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed._support.reading import Reading

__all__ = ["mean_norm_squared", "stable_rank"]


@guarded()
def mean_norm_squared(atoms: Float[Tensor, "atoms d_model"]) -> float:
    """The mean squared norm of the atoms; nan without atoms."""
    return float(atoms.to(torch.float64).square().sum(dim=1).mean())


@guarded()
def stable_rank(atoms: Float[Tensor, "atoms d_model"]) -> Reading:
    """||D||_F^2 / ||D||_2^2 of the atoms as they are, norms and mean included: from 1 to min(n_atoms, d_model)."""
    gram = atoms.to(torch.float64).T @ atoms.to(torch.float64)
    largest = float(torch.linalg.eigvalsh(gram)[-1])
    return Reading(float(gram.trace()) / largest) if largest > 0 else Reading.undefined("all atoms are zero")
