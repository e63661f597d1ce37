"""What the page has to know of its conditions to filter, group and sort them, and how they are tallied."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from reseed.report.words import counted, strictest_null

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.findings import ConditionFindings

__all__ = ["GROUPS", "choices", "keys", "tally"]

GROUPS = {"outcome": "verdict", "method": "method", "start": "start", "preprocess": "preprocessing"}
"""What conditions can be filtered and grouped by, and how that is called."""


def keys(condition: ConditionFindings) -> dict[str, Any]:
    """One condition as JSON: its name, its groups, and the numbers that it is sorted by; None where there is none."""
    found, null = condition.agreement, strictest_null(condition)
    replicated = condition.measures.get("replicated")
    return {
        "name": condition.name,
        "outcome": str(condition.verdict.outcome),
        "method": condition.kind,
        "start": condition.start_kind,
        "preprocess": condition.preprocess,
        "agreement": _or_none(found.between.last.value) if found else None,
        "null": _or_none(null.value) if null else None,
        "replicated": _or_none(replicated.between.last.value) if replicated else None,
        "r2": _or_none(condition.r2.value),
    }


def choices(conditions: Sequence[ConditionFindings]) -> dict[str, dict[str, int]]:
    """Of every group that conditions differ in, its values in the order of the conditions, and how many have each."""
    every = [keys(each) for each in conditions]
    counts = {group: dict(Counter(each[group] for each in every)) for group in GROUPS}
    return {group: found for group, found in counts.items() if len(found) > 1}


def tally(conditions: Iterable[ConditionFindings]) -> str:
    """`20 conditions: 12 frozen, 8 inherited`, the commonest word first."""
    words = Counter(str(each.verdict.outcome) for each in conditions)
    told = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return f"{counted(words.total(), 'condition')}: {told}"


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
