"""How much dictionaries agree: pure functions from matchings, codes and pair matrices to numbers (science §3, §5)."""

from reseed.agreement.curves import (
    between_start,
    contraction,
    floor_adjusted,
    gain,
    half_life,
    init_memory,
    no_memory_reason,
    within_start,
)
from reseed.agreement.reading import Reading

__all__ = [
    "Reading",
    "between_start",
    "contraction",
    "floor_adjusted",
    "gain",
    "half_life",
    "init_memory",
    "no_memory_reason",
    "within_start",
]
