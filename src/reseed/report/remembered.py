"""What is left of the start, in a sentence: memory is never told without identity beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import percent, rounded, steps

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings

__all__ = ["remembered"]

_NOTHING = 0.1  # memory up to here is what noise of the curves leaves of it
_MOST = 0.5


def remembered(condition: ConditionFindings) -> str:
    """Whether the start still decides which dictionary comes out, and who is who in it; empty where nobody can say.

    The two are different questions: runs of one start may agree no more than others do, and still have many of their
    atoms where these were born. Without its first capital letter and its full stop.
    """
    parts = (_which(condition), _who(condition))
    return "; ".join(part for part in parts if part)


def _which(condition: ConditionFindings) -> str:
    """Init memory: W - B, as a share of what it was at step 0."""
    memory = condition.memory.value[-1] if condition.memory else math.nan
    if math.isnan(memory):
        return ""
    told = f"(memory {rounded(memory)}{_half(condition.half_life)})"
    if round(memory, 2) > 1:
        return f"the difference between starts has grown {told}"
    how_much = "still depends" if memory >= _MOST else "depends less" if memory > _NOTHING else "no longer depends"
    return f"which dictionary comes out {how_much} on the start {told}"


def _who(condition: ConditionFindings) -> str:
    """Identity: atoms that go with the partner that they were born with."""
    share = condition.identity.value[-1] if condition.identity else math.nan
    if math.isnan(share):
        return ""
    who = f"{percent(share)} of the atoms" if share > 0 else "no more atoms than by chance"
    where = "go with their birth partner" if "permuted" in condition.start_kind else "sit at their birth index"
    return f"{who} still {where}" + _in_brackets(condition.identity_half_life)


def _half(life: float) -> str:
    return f", half-life {steps(life)}" if math.isfinite(life) else ""


def _in_brackets(life: float) -> str:
    return f" (half-life {steps(life)})" if math.isfinite(life) else ""
