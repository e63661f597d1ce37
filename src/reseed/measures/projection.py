"""Projection agreement: what matched atoms read from the activations (docs/mathematics.md, eq. 16)."""

from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.matching.similarity import check_dictionaries
from reseed.measures._base import Dictionary, Matchings, Measure
from reseed.measures._fits import check_fits
from reseed.measures.covariance import Projections, projection_correlations, projections, projections_along

__all__ = ["PROJECTION", "mean_correlation", "projection_agreement"]


@guarded()
def projection_agreement(
    matching: Matching,
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    covariance: Float[Tensor, "d_model d_model"],
) -> float:
    """The mean over matched pairs of `projection_correlations`: in [-1, 1]."""
    check_dictionaries(a, b)
    check_fits(matching, a, b)
    return float(projection_correlations(matching, projections(a, covariance), projections(b, covariance)).mean())


def _projections(of: Dictionary) -> Projections:
    return projections_along(of.directions, of.activations.covariance)


def mean_correlation(matchings: Matchings, a: Projections, b: Projections) -> float:
    """The mean over matched pairs of `projection_correlations`, whatever S the two were prepared with."""
    return projection_correlations(matchings.now, a, b).mean().item()


PROJECTION = Measure(
    name="projection",
    title="projection agreement",
    meaning="correlation of what matched atoms read from the activations",
    low=-1.0,
    high=1.0,
    prepare=_projections,
    compare=mean_correlation,
    needs=("activation covariance",),
    untrained=True,
    contradicts=True,
)
