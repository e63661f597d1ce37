"""What a verdict is found from (docs/mathematics.md, section 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from reseed.statistics import Estimate

__all__ = ["SURROGATE", "Evidence", "MeasureEvidence", "Null", "Peak"]

SURROGATE = "surrogate"
"""The null that the words *stabilizing* and *convergent* cannot do without."""

_UNMOVED = 1 - 1e-6  # what cosines of float32 atoms with themselves reach


@dataclass(frozen=True)
class Null:
    """What a measure would be without any structure beyond the moments and lengths of the activations."""

    name: str
    """As in the findings: `isotropic`, `surrogate`."""
    gives: str
    """Who gives it, in `what ... give`: a noun in the plural, such as `random directions`."""
    value: float
    standard_error: float
    """0 where it is exact."""
    adjusted: Estimate
    """(B(T) - null) / (1 - null), with the errors of both."""
    born: Estimate
    """(B(0) - null) / (1 - null), likewise."""
    contraction: float = math.nan
    """kappa of the null's own runs; nan where it has none."""
    slower: Estimate | None = None
    """kappa of the runs less that of the null's runs, with the errors of both (eq. 52); None without runs."""


@dataclass(frozen=True)
class Peak:
    """Where the curve between starts is highest, if that is neither at step 0 nor at the last step."""

    step: int
    value: float
    rise: Estimate
    """B(peak) - B(0)."""
    fall: Estimate
    """B(peak) - B(T)."""


@dataclass(frozen=True)
class MeasureEvidence:
    """What one measure says about runs that were born identical, and about runs that started apart.

    Estimates of pairs that do not exist are nan.
    """

    title: str
    """How it is called in sentences."""
    within: Estimate
    """W(T), over runs born identical."""
    first: Estimate
    """B(0), over runs that started apart."""
    between: Estimate
    """B(T)."""
    gain: Estimate
    """B(T) - B(0)."""
    contraction: Estimate
    """kappa = (1 - B(T)) / (1 - B(0))."""
    memory: float
    """Init memory at the last step."""
    halfway: int
    """The last snapshot in the first half of the training."""
    late: Estimate
    """B(T) - B(halfway)."""
    late_within: Estimate
    """W(T) - W(halfway)."""
    nulls: tuple[Null, ...] = ()
    """Those that are defined."""
    peak: Peak | None = None

    @property
    def strictest(self) -> Null | None:
        """The largest null; None where there is none."""
        return max(self.nulls, key=lambda null: null.value, default=None)

    @property
    def surrogate(self) -> Null | None:
        """The same recipe on rows without structure; None where the study has none."""
        return next((null for null in self.nulls if null.name == SURROGATE), None)

    def turned(self, margin: float) -> Peak | None:
        """Where the curve between starts rose and fell again, surely and by more than the margin; else None (eq. 53).

        The peak is the largest of many values, and so a little too high: that its fall is not 0 would be too little.
        """
        peak = self.peak
        return peak if peak is not None and peak.rise.low > 0 and peak.fall.low > margin else None

    def remembers(self, memory: float) -> bool:
        """Whether runs of one start end closer than others, by this share of the difference at step 0 or more."""
        return self.memory >= memory and self.within.low > self.between.high


@dataclass(frozen=True)
class Evidence:
    """What is known about one condition."""

    n_runs: int
    """Runs that finished."""
    init_groups: int
    r2: float
    """Held-out R² of the worst run."""
    retention: float
    """Mean cosine of the final atoms with their own step 0."""
    agreement: MeasureEvidence
    """The matched agreement of all atoms."""
    alive: MeasureEvidence | None = None
    """That of the atoms that fire, which decides where it is defined: a dead atom keeps its birth."""
    code: MeasureEvidence | None = None
    """Code agreement; None where it was not measured."""
    kmeans: float = math.nan
    """What k-means dictionaries of the same activations agree: shown, and nothing more."""
    has_rate: bool = True
    """Whether the method has a learning rate: another one is advised only then."""
    samples: Literal["one", "several"] = "one"
    """Whether all runs read one sample of activations, or those that started apart read disjoint ones."""
    determined: bool = False
    """Whether what the method learns depends on the activations alone, and on no start."""

    @property
    def unmoved(self) -> bool:
        """Whether no atom has moved at all, up to rounding: *frozen*, however little the runs reconstruct.

        Not where a method has one solution: a start may be just that.
        """
        return not self.determined and self.retention >= _UNMOVED

    @property
    def deciding(self) -> MeasureEvidence:
        """What the word is found from."""
        return self.agreement if self.alive is None else self.alive

    def start_remembered(self, memory: float) -> bool:
        """Whether the start is to be seen at the end; never where the method knows nothing of it."""
        return not self.determined and self.deciding.remembers(memory)

    @property
    def apart(self) -> bool:
        """Whether there are pairs that started apart, with a spread over starts: of two starts none can be left out."""
        return self.init_groups > 1 and self.deciding.between.defined
