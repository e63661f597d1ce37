"""What the runs at hand say about runs in general: jackknife, contrasts, equivalence, permutation (science §7)."""

from reseed.inference.contrasts import (
    Attribution,
    Conclusion,
    Equivalence,
    attribution,
    beyond,
    contrast,
    equivalence,
    paired_contrast,
)
from reseed.inference.estimate import Estimate, Unit
from reseed.inference.jackknife import (
    Ends,
    Statistic,
    between,
    between_gain,
    ends,
    jackknife,
    memory,
    over_runs,
    within,
    within_gain,
)
from reseed.inference.permutation import PermutationTest, permutation_test, smallest_p

__all__ = [
    "Attribution",
    "Conclusion",
    "Ends",
    "Equivalence",
    "Estimate",
    "PermutationTest",
    "Statistic",
    "Unit",
    "attribution",
    "between",
    "between_gain",
    "beyond",
    "contrast",
    "ends",
    "equivalence",
    "jackknife",
    "memory",
    "over_runs",
    "paired_contrast",
    "permutation_test",
    "smallest_p",
    "within",
    "within_gain",
]
