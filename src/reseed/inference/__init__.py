"""What the runs at hand say about runs in general: jackknife, contrasts, equivalence, permutation (science §7)."""

from reseed.inference.contrasts import Conclusion, Equivalence, contrast, equivalence, paired_contrast
from reseed.inference.estimate import Estimate, Unit
from reseed.inference.jackknife import (
    Statistic,
    between,
    between_gain,
    jackknife,
    memory,
    over_runs,
    within,
    within_gain,
)
from reseed.inference.permutation import PermutationTest, permutation_test, smallest_p

__all__ = [
    "Conclusion",
    "Equivalence",
    "Estimate",
    "PermutationTest",
    "Statistic",
    "Unit",
    "between",
    "between_gain",
    "contrast",
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
