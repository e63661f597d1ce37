"""Match persistence: how many matched pairs were partners at the snapshot before (docs/mathematics.md, eq. 34)."""

import torch

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Matchings, Measure, untouched

__all__ = ["PERSISTENCE", "persistence"]


@guarded()
def persistence(earlier: Matching, later: Matching) -> float:
    """The fraction of an earlier snapshot's matched pairs that are still matched later: in [0, 1]; churn is the rest.

    Raises ValueError if the two matchings are of dictionaries of different sizes.
    """
    if (earlier.n_rows, earlier.n_cols) != (later.n_rows, later.n_cols):
        raise ValueError(
            f"one matching is of {earlier.n_rows} with {earlier.n_cols} atoms, "
            f"the other of {later.n_rows} with {later.n_cols}"
        )
    partner = torch.full((later.n_rows,), -1)
    partner[later.rows] = later.cols
    return float((partner[earlier.rows] == earlier.cols).to(torch.float64).mean())


def _since_before(matchings: Matchings, _a: None, _b: None) -> float:
    return persistence(matchings.before, matchings.now) if matchings.before else float("nan")


PERSISTENCE = Measure(
    name="persistence",
    title="match persistence",
    meaning="share of the matched pairs that were partners at the snapshot before",
    low=0.0,
    high=1.0,
    prepare=untouched,
    compare=_since_before,
    needs=("the snapshot before",),
    role="mechanism",
    short="persistence",
)
