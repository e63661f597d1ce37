"""How much agreement there is beyond what retention explains: convergence (docs/mathematics.md, eq. 33)."""

from reseed.measures._base import Measure
from reseed.measures.explained import EXPLAINED, prepared_retention

__all__ = ["EXCESS"]


EXCESS = Measure(
    name="excess",
    title="agreement beyond retention",
    meaning="matched agreement less what retention explains of it",
    low=-2.0,
    high=2.0,
    prepare=prepared_retention,
    compare=lambda matchings, a, b: matchings.now.agreement - EXPLAINED.compare(matchings, a, b),
    needs=("step 0",),
    role="mechanism",
    short="beyond it",
)
