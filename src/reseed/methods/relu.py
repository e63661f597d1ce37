"""ReLU: a sparse autoencoder that pays for its codes.

    codes        z = relu(E u + b_enc)                                           (docs/mathematics.md, eq. 2)
    dictionary   D, unit atoms                                                   (eq. 4)
    loss         mean((u - z D)^2) + l1 (sum of a token's z) / sqrt(d_model)     (eq. 3)

Source: @bricken2023monosemanticity.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from reseed import kernels
from reseed.methods._free import FreeDictionary

__all__ = ["ReLU"]


class ReLU(FreeDictionary):
    """Sparse autoencoder with unit atoms and an L1 penalty on its codes."""

    title: ClassVar[str] = "ReLU"
    penalty: ClassVar[str | None] = "l1"

    kind: Literal["relu"] = "relu"
    learning_rate: PositiveFloat = 1e-3
    l1: NonNegativeFloat = 0.1

    @property
    def unit(self) -> bool:
        """Always: with free atoms, long ones and small codes would make any penalty cheap."""
        return True

    @property
    def most_active(self) -> int:
        """All of them."""
        return self.n_atoms

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes that are not negative, as many as there are."""
        return kernels.encode_relu(x, parameters["encoder"], parameters["encoder_bias"])

    def forward_backward(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], *, penalty: float
    ) -> kernels.Pass:
        """Dense while most codes are positive, as at step 0; through the positive ones when they have become few."""
        return kernels.relu_pass(u, state["encoder"], state["encoder_bias"], state["atoms"], penalty=penalty)
