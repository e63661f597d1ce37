"""BatchTopK: a sparse autoencoder that keeps the strongest codes of a batch, k per token on average.

    codes        z = the k x batch largest of relu(E u + b_enc); those above a threshold in evaluation: see `_batch`
    dictionary   D, free or unit atoms                                                (docs/mathematics.md, eq. 4)
    loss         mean((u - z D)^2) + l1 (sum of a token's z) / sqrt(d_model)          (eq. 3), by default with l1 = 0

Source: @bussmann2024batchtopk, whose loss is ours times d_model.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from reseed import kernels
from reseed.methods._batch import BatchCodes

__all__ = ["BatchTopK"]


class BatchTopK(BatchCodes):
    """Sparse autoencoder that keeps the strongest codes of a batch, k per token on average."""

    title: ClassVar[str] = "BatchTopK"

    kind: Literal["batchtopk"] = "batchtopk"

    def forward_backward(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], *, penalty: float
    ) -> kernels.Pass:
        """Through the active atoms of each token only; pre-activations are there for some tokens at a time."""
        weights = (state["encoder"], state["encoder_bias"], state["atoms"])
        return kernels.batchtopk_pass(u, *weights, k=self.k, penalty=penalty)
