"""Some of many steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["spread"]


def spread(steps: Sequence[int], most: int) -> tuple[int, ...]:
    """At most so many (two or more) of ascending steps, the first and the last among them, even in log(1 + step)."""
    if len(steps) <= most:
        return tuple(steps)
    low, high = (math.log1p(step) for step in (steps[0], steps[-1]))
    wanted = (low + (high - low) * i / (most - 1) for i in range(most))
    nearest = {min(steps, key=lambda step: abs(math.log1p(step) - log)) for log in wanted}
    return tuple(sorted({steps[0], *nearest, steps[-1]}))
