"""Principal component analysis: the directions in which what was read varies most.

    dictionary   the eigenvectors of C with the largest eigenvalues, orthonormal rows     (docs/mathematics.md, eq. 162)
    codes        projections, (u - m) D'                                                  (eq. 160)

Source: @pearson1901lines. There is nothing to begin from: the first update forgets the start, and what is learnt
depends on the activations alone. Where eigenvalues are equal, or nearly, the space that their directions span is
determined and the directions are not: another sample of activations turns them within it.
"""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from reseed.methods._base import State
from reseed.methods._linear import Linear, covariance, principal_axes

__all__ = ["PCA"]


class PCA(Linear):
    """Principal components: exact, ordered by variance, and the same from every start."""

    title: ClassVar[str] = "PCA"
    determined: ClassVar[bool] = True

    kind: Literal["pca"] = "pca"

    def fit(self, state: State, u: Float[Tensor, "runs batch d_model"]) -> None:
        """Eq. 162."""
        del u  # the statistics have it
        _, state["atoms"] = principal_axes(covariance(state), self.n_atoms)
        state["encoder"] = state["atoms"].clone()
