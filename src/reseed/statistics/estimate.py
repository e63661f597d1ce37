"""An estimate with its standard error, its interval and what it counts as one observation."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from scipy.special import stdtrit

__all__ = ["Estimate", "Unit"]

Unit = Literal["run", "start"]


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs with its jackknife standard error and Student-t interval (docs/mathematics.md, eq. 40)."""

    value: float
    standard_error: float
    """nan where too few runs leave it undefined; `value` is still the mean over the pairs that exist."""
    degrees: float
    """Degrees of freedom of the t distribution: units - 1, or Welch-Satterthwaite's for a contrast."""
    n_units: int
    """How many runs or starts were left out in turn; per arm for a contrast, in the smaller arm."""
    unit: Unit
    """What was left out. With unit "run" the interval says nothing about other starts: for them it is too short."""
    level: float = 0.95
    reason: str = ""
    """Why there is no value or no interval, or why the unit is not the start; else empty."""

    @property
    def low(self) -> float:
        """The lower end of the interval at `level`."""
        return self.value - self._half_width

    @property
    def high(self) -> float:
        """The upper end of the interval at `level`."""
        return self.value + self._half_width

    @property
    def defined(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.standard_error)

    def at(self, level: float) -> "Estimate":
        """The same estimate with its interval at another level in (0, 1)."""
        return replace(self, level=level)

    @property
    def _half_width(self) -> float:
        return _quantile(self.level, self.degrees) * self.standard_error if self.defined else math.nan


@lru_cache(maxsize=4096)
def _quantile(level: float, degrees: float) -> float:
    """Of Student's t, two-sided."""
    return float(stdtrit(degrees, (1 + level) / 2))  # as scipy.stats.t.ppf, which takes half a second to import
