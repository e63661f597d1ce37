"""TopK: a sparse autoencoder that keeps the k strongest atoms of each token.

    codes        z = the k largest of relu(E u + b_enc)                          (docs/mathematics.md, eq. 2)
    dictionary   D, free or unit atoms                                           (eq. 4)
    loss         mean((u - z D)^2) + l1 (sum of a token's z) / sqrt(d_model)     (eq. 3), by default with l1 = 0

Source: @gao2024scaling. One published form pays for its codes as well (@song2025position).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed._support.settings import NEUTRAL
from reseed.methods._autoencoder import check_k, encode_topk
from reseed.methods._auxk import AuxK

__all__ = ["TopK"]


class TopK(AuxK):
    """Sparse autoencoder that keeps the k strongest atoms of each token."""

    title: ClassVar[str] = "TopK"

    kind: Literal["topk"] = "topk"
    learning_rate: PositiveFloat = 1e-3
    k: PositiveInt
    """Active atoms per token."""
    l1: Annotated[NonNegativeFloat, NEUTRAL] = 0.0
    norm: Literal["unit", "free"] = "unit"
    """`unit`: atoms are divided by their norm after each update; `free`: they keep the norm that training gave them."""

    @model_validator(mode="after")
    def _k_fits(self) -> "TopK":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def unit(self) -> bool:
        """As `norm` says."""
        return self.norm == "unit"

    @property
    def most_active(self) -> int:
        """The setting `k`."""
        return self.k

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """At most k positive codes per token."""
        return encode_topk(parameters, x, k=self.k)

    def forward_backward(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], *, penalty: float
    ) -> kernels.Pass:
        """Through the k active atoms of each token only: nothing as large as tokens x atoms but the pre-activations."""
        weights = (state["encoder"], state["encoder_bias"], state["atoms"])
        return kernels.topk_pass(u, *weights, k=self.k, penalty=penalty)
