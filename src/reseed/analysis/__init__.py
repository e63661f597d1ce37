"""From a study folder to its findings: compare, judge."""

from reseed.analysis.study import NOTHING, analyse, compare, known_pairs

__all__ = ["NOTHING", "analyse", "compare", "known_pairs"]
