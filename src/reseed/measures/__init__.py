"""How much two dictionaries agree: a measure per file, one line in `MEASURES` (docs/mathematics.md, section 2)."""

from typing import Any

from reseed.measures._base import Dictionary, Matchings, Measure, Need, dictionary
from reseed.measures.agreement import AGREEMENT
from reseed.measures.alive import ALIVE, alive_cosines
from reseed.measures.code import CODE, code_agreement, code_correlations
from reseed.measures.codes import StandardCodes, r2, standard_correlations, standardise, standardise_active
from reseed.measures.covariance import (
    ActivationCovariance,
    Projections,
    activation_covariance,
    carrying_rank,
    projection_correlations,
    projections,
    projections_along,
    shrunk_inverse,
)
from reseed.measures.excess import EXCESS
from reseed.measures.explained import EXPLAINED, explained_by_retention, retention
from reseed.measures.identity import IDENTITY, identity
from reseed.measures.mass import MASS, firing_mass, mass_weighted_agreement
from reseed.measures.mmcs import MMCS, Mmcs, mmcs
from reseed.measures.persistence import PERSISTENCE, persistence
from reseed.measures.projection import PROJECTION, projection_agreement
from reseed.measures.replicated import REPLICATED, isotropic_beyond, replicated_share
from reseed.measures.shape import mean_norm_squared, stable_rank
from reseed.measures.shared import SHARED, shared_fraction, shared_pairs
from reseed.measures.subspace import SUBSPACE, leading_directions, overlap, subspace_overlap
from reseed.measures.whitened import WHITENED, whitened_agreement

__all__ = [
    "MEASURES",
    "ActivationCovariance",
    "Dictionary",
    "Matchings",
    "Measure",
    "Mmcs",
    "Need",
    "Projections",
    "StandardCodes",
    "activation_covariance",
    "alive_cosines",
    "carrying_rank",
    "code_agreement",
    "code_correlations",
    "dictionary",
    "explained_by_retention",
    "firing_mass",
    "identity",
    "isotropic_beyond",
    "leading_directions",
    "mass_weighted_agreement",
    "mean_norm_squared",
    "mmcs",
    "overlap",
    "persistence",
    "projection_agreement",
    "projection_correlations",
    "projections",
    "projections_along",
    "r2",
    "replicated_share",
    "retention",
    "shared_fraction",
    "shared_pairs",
    "shrunk_inverse",
    "stable_rank",
    "standard_correlations",
    "standardise",
    "standardise_active",
    "subspace_overlap",
    "whitened_agreement",
]

_EVERY: tuple[Measure[Any], ...] = (
    AGREEMENT,
    REPLICATED,
    CODE,
    MMCS,
    SHARED,
    PROJECTION,
    WHITENED,
    SUBSPACE,
    ALIVE,
    MASS,
    EXPLAINED,
    EXCESS,
    PERSISTENCE,
    IDENTITY,
)

MEASURES: dict[str, Measure[Any]] = {measure.name: measure for measure in _EVERY}
"""By name, in the order of tables and figures."""
