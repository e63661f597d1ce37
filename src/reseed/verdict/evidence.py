"""What a verdict is found from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.statistics import Estimate

__all__ = ["Evidence", "MeasureEvidence"]


@dataclass(frozen=True)
class Evidence:
    """What is known about one condition. Estimates of pairs that do not exist are nan."""

    n_runs: int
    """Runs that finished."""
    init_groups: int
    r2: float
    """Held-out R² of the worst run."""
    within: Estimate
    """W(T), over runs born identical."""
    between_first: Estimate
    """B(0), over runs from different init groups."""
    between: Estimate
    """B(T)."""
    gain: Estimate
    """B(T) - B(0)."""
    floor: float
    """The largest applicable floor of the agreement."""
    floor_name: str
    """How it is called in `the ... floor is`: `k-means`, `random-direction`, `step-0`, …"""
    floor_error: float
    """Standard error of the floor: 0 where it is exact."""
    adjusted: Estimate
    """B(T), floor-adjusted; its interval holds the error of the floor as well as that of the runs."""
    adjusted_gain: Estimate
    """The gain in units of 1 - floor: near the margin an error of the floor hardly counts, so it is taken as known."""
    retention: float
    """Mean cosine of the final atoms with their own step 0."""
    memory: float
    """Init memory at the last step."""

    @property
    def apart(self) -> bool:
        """Whether there are pairs that started apart, with a spread."""
        return self.init_groups > 1 and self.between.defined

    @property
    def many_starts(self) -> bool:
        """Whether the spread is over starts, as stabilize and converge need; of two starts none can be left out."""
        return self.apart and self.between.unit == "start"


@dataclass(frozen=True)
class MeasureEvidence:
    """What one measure says about runs that started apart."""

    title: str
    """How it is called in sentences."""
    between: Estimate
    """B(T)."""
    gain: Estimate
    """B(T) - B(0)."""
    floors: Mapping[str, float]
    """By how they are called in `the ... floor is`."""
