"""Convex non-negative matrix factorisation: atoms are non-negative sums of points, and tokens of atoms.

    codes        z >= 0 with the least ||u - z D||^2                  (docs/mathematics.md, eq. 169)
    dictionary   D = W P, W >= 0, atoms of length 1                   (eq. 167 and 168)

Source: @ding2010convex. There the points are all tokens, and both factors move by multiplicative updates; here points
are as many as the start draws, activations or centroids. Codes are those of least squares, nearly, and each row of W
makes one sweep of coordinate descent from where it was. Neither activations nor points need be positive. W has no sum
of its own: a length that is taken off an atom goes to its codes.

Points that surround the origin, as many of centred activations do, make every vector: W >= 0 then binds nothing.
"""

from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor

from reseed import kernels
from reseed._support.settings import AtMost
from reseed.methods._mixtures import Mixtures

__all__ = ["ConvexNMF"]


class ConvexNMF(Mixtures):
    """Convex NMF: tokens as non-negative sums of atoms that are non-negative sums of activations."""

    title: ClassVar[str] = "Convex NMF"
    code_rule: ClassVar[str] = "non-negative least squares"
    published_start: ClassVar[str] = "kmeans"
    points_per_atom: ClassVar[int] = 2

    kind: Literal["convex-nmf"] = "convex-nmf"
    rounds: Annotated[PositiveInt, AtMost(100_000, lambda n: f"codes have settled long before {n:,} rounds")] = 50
    """Rounds in which codes come near to least squares: after 50 the error is a thousandth of the variance too large at
    most, as a rule."""

    def best_codes(
        self, products: Float[Tensor, "runs batch atoms"], gram: Float[Tensor, "runs atoms atoms"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Non-negative least squares."""
        return kernels.nonnegative_codes(products, gram, rounds=self.rounds)

    def better_weights(
        self,
        products: Float[Tensor, "runs 1 points"],
        gram: Float[Tensor, "runs points points"],
        weights: Float[Tensor, "runs 1 points"],
    ) -> Float[Tensor, "runs 1 points"]:
        """Each weight in turn at its best, and none below 0."""
        return kernels.coordinate_codes(products, gram, positive=True, start=weights, tolerance=0.0, sweeps=1)

    def lengths(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms"]:
        """Their norms."""
        return atoms.norm(dim=-1)
