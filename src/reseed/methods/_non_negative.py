"""Learners whose codes are non-negative least squares, and whose atoms have length 1.

    codes    z = argmin_(z >= 0) 1/2 ||u - z D||^2 + (l1 sqrt(d_model) / 2) sum(z)       (docs/mathematics.md, eq. 158)
    loss     mean((u - z D)^2) + l1 (sum of a token's z) / sqrt(d_model)                 (eq. 3)

What a new atom has in length goes to the statistics, as if its codes had been so much larger: z D stays what it was.
"""

from abc import ABC
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from reseed import kernels
from reseed._support.products import product
from reseed.methods._alternating import Alternating
from reseed.methods._base import State

__all__ = ["NonNegative", "to_unit_atoms"]


class NonNegative(Alternating, ABC):
    """A learner of the form above: its leaves say which dictionary fits."""

    code_rule: ClassVar[str] = "non-negative least squares"
    penalty: ClassVar[str | None] = "l1"

    memory: Annotated[float, Field(ge=0, le=1)] = 0.9
    l1: NonNegativeFloat = 0.1
    """Penalty for codes, in the units of the method relu. 0: published form, for at most as many atoms as columns."""

    def codes(
        self, u: Float[Tensor, "runs batch columns"], atoms: Float[Tensor, "runs atoms columns"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Non-negative, and as many as the data ask for."""
        per_code = self.l1 * (u.shape[2] / self.halves) ** 0.5 / 2
        products, gram = product(u, atoms.mT), product(atoms, atoms.mT)
        return kernels.coordinate_codes(products, gram, l1=per_code, positive=True)

    @property
    def halves(self) -> int:
        """Columns that each dimension of an activation is coded in: 1 by default."""
        return 1

    def misfit(self, d_model: int) -> str | None:
        """Without a penalty, more atoms than columns: codes are then not determined."""
        columns = self.halves * d_model
        if self.l1 > 0 or self.n_atoms <= columns:
            return None
        return (
            f"with n_atoms = {self.n_atoms} in {columns} columns, {self.kind} explains an activation in many ways: set "
            f"l1 above 0, or use at most {columns} atoms"
        )

    def code_penalty(self, z: Float[Tensor, "runs batch atoms"], d_model: int) -> Float[Tensor, " runs"]:
        """The mean over tokens of what l1 says."""
        return self.l1 * z.sum((1, 2)) / (z.shape[1] * d_model**0.5)


def to_unit_atoms(state: State) -> None:
    """Divide atoms by their length, and multiply with it what statistics know of their codes; in place."""
    lengths = state["atoms"].norm(dim=-1)
    lengths = lengths.where(lengths > 0, torch.ones_like(lengths))
    state["atoms"] /= lengths.unsqueeze(-1)
    state["sums"] *= lengths.unsqueeze(-1)
    state["products"] *= lengths.unsqueeze(-1) * lengths.unsqueeze(-2)
