"""How much dictionaries agree: pure functions from matchings, codes and pair matrices to numbers (science §3, §5)."""

from reseed.agreement.codes import code_agreement, code_correlations, r2, standard_correlations, standardise
from reseed.agreement.curves import (
    BORN_IDENTICAL,
    between_start,
    contraction,
    floor_adjusted,
    gain,
    half_life,
    init_memory,
    no_memory_reason,
    within_start,
)
from reseed.agreement.dictionaries import (
    Mmcs,
    alive_only,
    mean_norm_squared,
    mmcs,
    projection_agreement,
    shared_fraction,
    shared_pairs,
    stable_rank,
    subspace_overlap,
    whitened_agreement,
)
from reseed.agreement.reading import Reading
from reseed.agreement.retention import explained_by_retention, persistence, retention

__all__ = [
    "BORN_IDENTICAL",
    "Mmcs",
    "Reading",
    "alive_only",
    "between_start",
    "code_agreement",
    "code_correlations",
    "contraction",
    "explained_by_retention",
    "floor_adjusted",
    "gain",
    "half_life",
    "init_memory",
    "mean_norm_squared",
    "mmcs",
    "no_memory_reason",
    "persistence",
    "projection_agreement",
    "r2",
    "retention",
    "shared_fraction",
    "shared_pairs",
    "stable_rank",
    "standard_correlations",
    "standardise",
    "subspace_overlap",
    "whitened_agreement",
    "within_start",
]
