"""How much dictionaries agree, from matchings, codes and pair matrices (docs/mathematics.md, sections 2 and 4)."""

from reseed.measures.codes import (
    StandardCodes,
    code_agreement,
    code_correlations,
    r2,
    standard_correlations,
    standardise,
    standardise_active,
)
from reseed.measures.dictionaries import (
    Mmcs,
    Projections,
    alive_only,
    mean_norm_squared,
    mmcs,
    projection_agreement,
    projection_correlations,
    projections,
    projections_along,
    shared_fraction,
    shared_pairs,
    shrunk_inverse,
    stable_rank,
    whitened_agreement,
)
from reseed.measures.firing import firing_mass, mass_weighted_agreement
from reseed.measures.retention import explained_by_retention, persistence, retention
from reseed.measures.subspaces import carrying_rank, leading_directions, overlap, subspace_overlap

__all__ = [
    "Mmcs",
    "Projections",
    "StandardCodes",
    "alive_only",
    "carrying_rank",
    "code_agreement",
    "code_correlations",
    "explained_by_retention",
    "firing_mass",
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
