"""Matched agreement: the mean cosine of atoms matched one to one (docs/mathematics.md, eq. 11)."""

from reseed.measures._base import Measure, untouched

__all__ = ["AGREEMENT"]


AGREEMENT = Measure(
    name="agreement",
    title="matched agreement",
    meaning="mean cosine of atoms matched one to one",
    low=-1.0,
    high=1.0,
    prepare=untouched,
    compare=lambda matchings, _a, _b: matchings.now.agreement,
    role="agreement",
    untrained=True,
)
