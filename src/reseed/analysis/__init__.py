"""From the runs of a study folder to its findings: comparing writes tables, judging reads them."""

from reseed.analysis.across import compare_across, forget_unfinished_across
from reseed.analysis.compare import FloorTables, compare_floors, compare_runs, forget_unfinished, is_compared
from reseed.analysis.judge import judge_study

__all__ = [
    "FloorTables",
    "compare_across",
    "compare_floors",
    "compare_runs",
    "forget_unfinished",
    "forget_unfinished_across",
    "is_compared",
    "judge_study",
]
