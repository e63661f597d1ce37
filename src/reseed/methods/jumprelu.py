"""JumpReLU: a sparse autoencoder whose atoms have thresholds, and pay for being active instead of for how much.

    codes, loss  as in every method with thresholds: see `_jump`
    dictionary   D, unit or free atoms                            (docs/mathematics.md, eq. 4)

Source: @rajamanoharan2024jumprelu.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from reseed.methods._free import FreeAtoms
from reseed.methods._jump import JumpCodes

__all__ = ["JumpReLU"]


class JumpReLU(JumpCodes, FreeAtoms):
    """Sparse autoencoder with a threshold for each atom and a penalty for each that is active."""

    title: ClassVar[str] = "JumpReLU"

    kind: Literal["jumprelu"] = "jumprelu"
    learning_rate: PositiveFloat = 1e-3
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Adam's memory of gradients, as published for this method: 0, none."""

    norm: Literal["unit", "free"] = "unit"
    """`unit`: atoms are divided by their norm after each update; `free`: they keep the norm that training gave them."""

    @property
    def unit(self) -> bool:
        """As `norm` says."""
        return self.norm == "unit"
