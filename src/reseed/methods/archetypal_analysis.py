"""Archetypal analysis: tokens are mixtures of atoms, and atoms are mixtures of points.

    codes        z >= 0, sum z = 1, with the least ||u - z D||^2      (docs/mathematics.md, eq. 165 and 166)
    dictionary   D = W P, rows of W >= 0 with sum 1                   (eq. 167)

Source: @cutler1994archetypal, with the start of @morup2012archetypal. There the points are all tokens; here they are as
many as the start draws, activations or centroids. Both steps are exact to a stated gap, so that with `memory` 0 and all
tokens as a batch the error falls at every iteration. Codes stay as they are where all activations move by one vector.
"""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from reseed import kernels
from reseed.methods._mixtures import Mixtures

__all__ = ["ArchetypalAnalysis"]


class ArchetypalAnalysis(Mixtures):
    """Archetypal analysis: tokens as mixtures of atoms that are themselves mixtures of activations."""

    title: ClassVar[str] = "Archetypal analysis"
    code_rule: ClassVar[str] = "weights of a mixture: not negative, with sum 1"
    published_start: ClassVar[str] = "furthest-sum"

    kind: Literal["archetypal-analysis"] = "archetypal-analysis"

    def best_codes(
        self, products: Float[Tensor, "runs batch atoms"], gram: Float[Tensor, "runs atoms atoms"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """On the simplex."""
        return kernels.simplex_codes(products, gram)

    def better_weights(
        self,
        products: Float[Tensor, "runs 1 points"],
        gram: Float[Tensor, "runs points points"],
        weights: Float[Tensor, "runs 1 points"],
    ) -> Float[Tensor, "runs 1 points"]:
        """The best ones on the simplex."""
        return kernels.simplex_codes(products, gram, start=weights)

    def origin(self, rows: Float[Tensor, "runs rows d_model"]) -> Float[Tensor, "runs 1 d_model"]:
        """The middle of the rows."""
        return rows.mean(1, keepdim=True)
