"""Semi-NMF: codes are not negative, atoms have any sign.

    codes        z = argmin_(z >= 0) ||u - z D||^2, or with a penalty          (docs/mathematics.md, eq. 158)
    statistics   A, B of z and u                                               (eq. 145)
    dictionary   D <- the least squares D of A D = B that moves least, unit    (eq. 159b)

Source: @ding2010convex. There codes take one multiplicative step from those of the iteration before, and here they are
the best that there are: a token has the same whether it was read before or not.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.methods._autoencoder import unit_rows
from reseed.methods._base import State
from reseed.methods._non_negative import NonNegative, to_unit_atoms

__all__ = ["SemiNMF"]


class SemiNMF(NonNegative):
    """Matrix factorisation with codes that are not negative, and atoms of any sign."""

    title: ClassVar[str] = "Semi-NMF"
    published_start: ClassVar[str] = "kmeans"

    kind: Literal["semi-nmf"] = "semi-nmf"

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms d_model"]:
        """Of length 1."""
        return unit_rows(atoms)

    def fit(self, state: State) -> None:
        """Least squares; an atom without codes stays, and of equally good dictionaries the nearest is taken.

        Near is what is little in sum over atoms of A_ii ||change of D_i||^2: an atom counts as its codes do, so that
        lengths do not matter.
        """
        a, b, atoms = state["products"], state["sums"], state["atoms"]
        squares = a.diagonal(dim1=1, dim2=2).double()
        # as much as rounding makes of a singular matrix, and only for the change: where nothing changes it says nothing
        ridge = self.n_atoms * torch.finfo(a.dtype).eps * squares
        system = a.double() + torch.diag_embed(ridge.where(squares > 0, torch.ones_like(ridge)))
        missing = b.double() - a.double() @ atoms.double()
        atoms += torch.linalg.solve_ex(system, missing).result.to(atoms.dtype)
        to_unit_atoms(state)
