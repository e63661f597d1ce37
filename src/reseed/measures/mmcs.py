"""MMCS: mean best cosine, where several atoms may choose the same one (docs/mathematics.md, eq. 13)."""

from typing import NamedTuple

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Matchings, Measure, untouched

__all__ = ["MMCS", "Mmcs", "mmcs"]


class Mmcs(NamedTuple):
    """Mean max cosine similarity, each way; nan if a dictionary has no atoms."""

    forward: float
    """Mean over the first dictionary's atoms of the best cosine in the second."""
    backward: float
    """Mean over the second dictionary's atoms of the best cosine in the first."""


@guarded()
def mmcs(matching: Matching) -> Mmcs:
    """Mean over atoms of the best cosine in the other dictionary (@sharkey2022superposition): in [-1, 1].

    For equal sizes neither way is below the matched agreement; what it is above shows atoms that were split or merged,
    as one atom may be the best for many. Its floor is `floors.isotropic`.
    """
    return Mmcs(float(matching.best_rows.mean()), float(matching.best_cols.mean()))


def _both_ways(matchings: Matchings, _a: None, _b: None) -> float:
    best = mmcs(matchings.now)
    return (best.forward + best.backward) / 2


MMCS = Measure(
    name="mmcs",
    title="best cosine (MMCS)",
    meaning="each atom's best cosine in the other dictionary, several may choose the same one",
    low=-1.0,
    high=1.0,
    prepare=untouched,
    compare=_both_ways,
    untrained=True,
)
