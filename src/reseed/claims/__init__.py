"""A claim that others can check: passports of features, and whether a document still follows from its files."""

from reseed.claims.document import VERIFIED_VERSION, Difference, Part, State, Verified
from reseed.claims.making import passport
from reseed.claims.verifying import verify

__all__ = ["VERIFIED_VERSION", "Difference", "Part", "State", "Verified", "passport", "verify"]
