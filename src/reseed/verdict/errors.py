"""At how small an error a claim would still be made."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from reseed.statistics import Estimate
from reseed.verdict.outcome import CLAIMS
from reseed.verdict.rules import judge

if TYPE_CHECKING:
    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence

__all__ = ["at_level", "claim_error"]

_LEAST = 1e-12  # an interval with more confidence would be wider than any spread that was measured can tell
_HALVINGS = 40


def claim_error(evidence: Evidence, limits: Limits, *, most: float) -> float:
    """The smallest error at which a word that claims something is still claimed; nan where none is at `most`.

    The p-value of the claim (docs/mathematics.md, eq. 67): every interval that the word rests on has a confidence of
    1 - error, and with a smaller error each of them is wider. In [1e-12, most].
    """

    def claimed(error: float) -> bool:
        return judge(at_level(evidence, 1 - error), limits).outcome in CLAIMS

    if not claimed(most):
        return math.nan
    if claimed(_LEAST):
        return _LEAST
    low, high = math.log(_LEAST), math.log(most)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if claimed(math.exp(middle)) else (middle, high)
    return math.exp(high)


def at_level(evidence: Any, level: float) -> Any:  # noqa: ANN401 (evidence, or any part of it)
    """The same evidence with every interval at another level in (0, 1)."""
    if isinstance(evidence, Estimate):
        return evidence.at(level)
    if isinstance(evidence, tuple):
        return tuple(at_level(each, level) for each in evidence)
    if is_dataclass(evidence) and not isinstance(evidence, type):
        return replace(
            evidence, **{each.name: at_level(getattr(evidence, each.name), level) for each in fields(evidence)}
        )
    return evidence
