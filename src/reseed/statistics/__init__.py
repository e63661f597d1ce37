"""What the runs at hand say about runs in general: errors, contrasts and tests (docs/mathematics.md, section 6)."""

from reseed.statistics.birth import SHARED_INDICES, BirthTest, birth_test
from reseed.statistics.contrasts import Conclusion, Equivalence, beyond, contrast, equivalence, paired_contrast
from reseed.statistics.curves import (
    BORN_IDENTICAL,
    LEVEL,
    at_r2,
    between_start,
    contraction_ratio,
    floor_adjusted,
    gain,
    half_life,
    init_memory,
    no_memory_reason,
    per_doubling,
    within_start,
)
from reseed.statistics.estimate import Estimate, Unit
from reseed.statistics.jackknife import (
    Ends,
    Statistic,
    between,
    contraction,
    ends,
    jackknife,
    memory,
    over_runs,
    widened,
    within,
)
from reseed.statistics.multiple import holm
from reseed.statistics.permutation import PermutationTest, permutation_test, smallest_p
from reseed.statistics.recapture import LEAST_COVERAGE, Ranged, Recapture, Saturation, recapture

__all__ = [
    "BORN_IDENTICAL",
    "LEAST_COVERAGE",
    "LEVEL",
    "SHARED_INDICES",
    "BirthTest",
    "Conclusion",
    "Ends",
    "Equivalence",
    "Estimate",
    "PermutationTest",
    "Ranged",
    "Recapture",
    "Saturation",
    "Statistic",
    "Unit",
    "at_r2",
    "between",
    "between_start",
    "beyond",
    "birth_test",
    "contraction",
    "contraction_ratio",
    "contrast",
    "ends",
    "equivalence",
    "floor_adjusted",
    "gain",
    "half_life",
    "holm",
    "init_memory",
    "jackknife",
    "memory",
    "no_memory_reason",
    "over_runs",
    "paired_contrast",
    "per_doubling",
    "permutation_test",
    "recapture",
    "smallest_p",
    "widened",
    "within",
    "within_start",
]
