"""The principal directions in which activations vary, and rows as coordinates along them with variance 1.

A direction that holds less than `NEGLIGIBLE` of the average variance is none: it is left over from rounding.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.products import row_products
from reseed.activations.moments import Moments

__all__ = ["NEGLIGIBLE", "Principal", "principal"]

NEGLIGIBLE = 1e-6
"""Of tr Σ / d: what a direction's variance has to exceed. Rounding to bfloat16 leaves about as much."""

_CONSTANT = 1e-12  # of tr Σ / d: a column that varies less is constant up to rounding


@dataclass(frozen=True)
class Principal:
    """x = μ + w Λ^½ Uᵀ (docs/mathematics.md, eq. 50): the q principal directions U and their variances Λ."""

    mean: Float64[Tensor, "d_model"]
    whitening: Float32[Tensor, "rank d_model"]
    """Λ^-½ Uᵀ."""
    colouring: Float32[Tensor, "d_model rank"]
    """U Λ^½, with 0 for columns that are constant: they come out as their mean to the bit."""

    __repr__ = brief_repr

    @property
    def rank(self) -> int:
        """q, the number of principal directions."""
        return len(self.whitening)

    def whitened(self, rows: Float[Tensor, "rows d_model"]) -> Float32[Tensor, "rows rank"]:
        """Coordinates along the principal directions: over the training rows of mean 0, variance 1, uncorrelated.

        The mean is subtracted in float64, and what is left multiplied in float32: a coordinate has an error of at most
        some 1e-4 of the row's length in units of the average variance, in directions that hold a millionth of it.
        """
        return row_products((rows.cpu() - self.mean).float(), self.whitening)

    def coloured(self, coordinates: Float32[Tensor, "rows rank"]) -> Float32[Tensor, "rows d_model"]:
        """The rows that have these coordinates and lie in the span of the principal directions, from μ on."""
        return row_products(coordinates, self.colouring, bias=self.mean.float())


def principal(moments: Moments) -> Principal:
    """The principal directions of rows with these moments, that of the largest variance last."""
    variances, directions = torch.linalg.eigh(moments.covariance)
    counts = variances > NEGLIGIBLE * moments.total_variance / moments.d_model
    scales, directions = variances[counts].sqrt(), directions[:, counts]
    own = moments.covariance.diagonal()
    varies = own > _CONSTANT * own.mean()
    whitening = (directions / scales).T.float().contiguous()
    return Principal(moments.mean, whitening, (directions * scales * varies[:, None]).float())
