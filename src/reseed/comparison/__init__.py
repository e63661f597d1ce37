"""Dictionaries that somebody trained already: do they agree, beyond what, and were they born alike?"""

from reseed.comparison.comparing import compare
from reseed.comparison.document import COMPARISON_VERSION, DictionaryComparison

__all__ = ["COMPARISON_VERSION", "DictionaryComparison", "compare"]
