"""Two dictionaries, atom by atom: which atom of one goes with which atom of the other."""

from reseed.matching.kept import KeptMatching
from reseed.matching.matching import Matching, match
from reseed.matching.similarity import Sign, cosines, row_cosines, unit_rows, zero_atoms

__all__ = ["KeptMatching", "Matching", "Sign", "cosines", "match", "row_cosines", "unit_rows", "zero_atoms"]
