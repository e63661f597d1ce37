"""Learners whose tokens take atoms by orthogonal matching pursuit.

    codes        at most k atoms per token and the codes that fit best     (docs/mathematics.md, eq. 151)
    dictionary   D, unit atoms
    loss         mean((u - z D)^2), u = x / scale

Codes have both signs unless `positive` says otherwise: an atom and its negative are then one.
"""

from abc import ABC
from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods._alternating import Iterating
from reseed.methods._autoencoder import check_k, unit_rows

__all__ = ["OrthogonalCodes"]


class OrthogonalCodes(Iterating, ABC):
    """A learner with such codes; its leaves say what becomes of the atoms."""

    code_rule: ClassVar[str] = "orthogonal matching pursuit with at most k atoms"

    k: PositiveInt
    """The most active atoms per token."""
    positive: bool = False
    """Whether codes are never negative. False: they have both signs, and an atom and its negative are one."""

    @model_validator(mode="after")
    def _k_fits(self) -> "OrthogonalCodes":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def sign(self) -> Literal["signed", "abs"]:  # pyrefly: ignore[bad-override] (here a setting decides)
        """Abs where codes have both signs."""
        return "signed" if self.positive else "abs"

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms d_model"]:
        """Atoms of length 1."""
        return unit_rows(atoms)

    def codes(
        self, u: Float[Tensor, "runs batch d_model"], atoms: Float[Tensor, "runs atoms d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Those of orthogonal matching pursuit."""
        return kernels.orthogonal_pursuit(u, atoms, k=self.k, positive=self.positive)
