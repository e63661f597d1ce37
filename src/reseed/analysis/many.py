"""Claims about one condition among many: Holm over a study (docs/mathematics.md, eq. 68)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from reseed import statistics
from reseed._support.numbers import rounded
from reseed.verdict import CLAIMS, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.analysis.conditions import Analysed
    from reseed.findings import ConditionFindings, Verdict

__all__ = ["among_many"]


def among_many(judged: Sequence[Analysed], *, error: float) -> list[Analysed]:
    """The conditions with those claims alone that hold among all of them, at an error of the whole study.

    Counted are the conditions of which something could be claimed: those with an interval between starts, but for
    methods with one solution.
    """
    p_values = [_p_value(each.findings) for each in judged]
    counted = sum(not math.isnan(p) for p in p_values)
    held = []
    for each, alone, together in zip(judged, p_values, statistics.holm(p_values), strict=True):
        verdict = each.findings.verdict
        if verdict.outcome in CLAIMS and together > error:
            told = _withheld(verdict, alone, together, counted, error)
            held.append(replace(each, findings=each.findings.model_copy(update={"verdict": told})))
        else:
            held.append(each)
    return held


def _p_value(condition: ConditionFindings) -> float:
    """Of its claim: 1 where none is made, nan where none could be."""
    if condition.one_solution:
        return math.nan
    if condition.agreement is None or math.isnan(condition.agreement.between.last.low):
        return math.nan
    return 1.0 if math.isnan(condition.verdict.error) else condition.verdict.error


def _withheld(verdict: Verdict, alone: float, together: float, counted: int, error: float) -> Verdict:
    sentence = (
        f"By itself it would be called {verdict.outcome} (p {rounded(alone)}), but not among the {counted} conditions "
        f"of this study, which are together at an error of {rounded(error)} (Holm: p {rounded(together)}). "
        f"What would be said of it alone: {verdict.sentence}"
    )
    return verdict.model_copy(
        update={
            "outcome": Outcome.INCONCLUSIVE,
            "because": Reason.AMONG_MANY,
            "sentence": sentence,
            "would_change": "More starts; or fewer conditions, chosen before they are trained.",
        }
    )
