"""What the runs at hand say about runs in general: jackknife, contrasts, equivalence, permutation (science §7)."""

from reseed.inference.contrasts import (
    Conclusion,
    Equivalence,
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
    ends,
    jackknife,
    memory,
    over_runs,
    within,
)
from reseed.inference.permutation import PermutationTest, permutation_test, smallest_p

__all__ = [
    "Conclusion",
    "Ends",
    "Equivalence",
    "Estimate",
    "PermutationTest",
    "Statistic",
    "Unit",
    "between",
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
]
