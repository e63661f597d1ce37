"""Many tests at once: p-values by Holm (docs/mathematics.md, eq. 65)."""

import math
from collections.abc import Sequence

from reseed._support.guard import guarded

__all__ = ["holm"]


@guarded(numbers="nan")
def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p-value as it counts among all of them: below alpha for any true null at most alpha of the time.

    The k-th smallest of m is multiplied by m - k + 1, never ends below a smaller one, and at most at 1
    (@holm1979simple). What could not be tested is nan, stays so and counts for nothing.
    """
    order = sorted((k for k, p in enumerate(p_values) if not math.isnan(p)), key=lambda k: p_values[k])
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[k]))
        adjusted[k] = largest
    return tuple(adjusted)
