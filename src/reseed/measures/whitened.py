"""Whitened agreement: cosines where the activations vary alike in all directions (docs/mathematics.md, eq. 17)."""

from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Dictionary, Measure
from reseed.measures.covariance import Projections, projections_along, shrunk_inverse
from reseed.measures.projection import mean_correlation, projection_agreement

__all__ = ["WHITENED", "whitened_agreement"]


@guarded(shrinkage=(0, 1))
def whitened_agreement(
    matching: Matching,
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    covariance: Float[Tensor, "d_model d_model"],
    *,
    shrinkage: float = 0.1,
) -> float:
    """Mean over matched pairs of the cosine after whitening, that is under S^-1: in [-1, 1].

    S is the covariance of the activations, shrunk as `shrunk_inverse` says.
    """
    return projection_agreement(matching, a, b, shrunk_inverse(covariance, shrinkage=shrinkage))


def _whitened(of: Dictionary) -> Projections:
    return projections_along(of.directions, of.activations.whitening)


WHITENED = Measure(
    name="whitened",
    title="whitened agreement",
    meaning="cosine of matched atoms in a space where the activations vary alike in all directions",
    low=-1.0,
    high=1.0,
    prepare=_whitened,
    compare=mean_correlation,
    needs=("activation covariance",),
    untrained=True,
    contradicts=True,
)
