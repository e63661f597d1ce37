"""Differences between arms, and what may be concluded from them (docs/mathematics.md, eq. 27 and 41-43)."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from scipy.special import stdtr
from torch import Tensor

from reseed._support.guard import guarded
from reseed.statistics.estimate import Estimate
from reseed.statistics.jackknife import Statistic, jackknife

__all__ = [
    "Conclusion",
    "Equivalence",
    "beyond",
    "contrast",
    "equivalence",
    "paired_contrast",
]

Conclusion = Literal["advantage", "equivalent", "disadvantage", "inconclusive"]

_MOST_UNITS = 100_000  # beyond this, "more runs" is no advice


@dataclass(frozen=True)
class Equivalence:
    """What a difference between two arms allows to be said, against a margin below which it does not matter."""

    outcome: Conclusion
    difference: Estimate
    margin: float
    alpha: float
    p_value: float
    """Two one-sided tests: how surprising the estimate is if the difference is as large as the margin. 0 only where the
    spread is exactly 0."""
    runs_to_decide: int | None = None
    """Where inconclusive: the units per arm (`difference.unit`: runs or starts) that would decide, if the estimate and
    the spread stay as they are; None if decided, undefined or beyond 100,000."""


@guarded()
def contrast(x: Estimate, y: Estimate) -> Estimate:
    """X - y for two arms that share no runs, starts or dice: se^2 = se_x^2 + se_y^2, Welch-Satterthwaite degrees.

    Raises ValueError if the two have intervals at different levels.
    """
    if x.level != y.level:
        raise ValueError(f"one interval is at level {x.level}, the other at {y.level}; bring them to one with .at()")
    standard_error, degrees = _spread((1.0, x), (-1.0, y))
    return Estimate(
        value=x.value - y.value,
        standard_error=standard_error,
        degrees=degrees,
        n_units=min(x.n_units, y.n_units),
        unit="start" if x.unit == y.unit == "start" else "run",
        level=x.level,
        reason=_reasons(x, y),
    )


@guarded()
def beyond(agreement: Estimate, floor: Estimate) -> Estimate:
    """(A - F) / (1 - F) with the errors of both, A and F being independent; nan for a floor of 1.

    To first order, with Welch-Satterthwaite degrees: se = sqrt(se_A^2 + ((1 - A) / (1 - F))^2 se_F^2) / (1 - F). A
    floor is a mean over few draws: taken as known, an agreement that only equals it would be found beyond it in 4 to 30
    of 100 studies. Units and level are those of the agreement.
    """
    room = 1 - floor.value if floor.value < 1 else math.nan
    value = (agreement.value - floor.value) / room
    standard_error, degrees = _spread((1 / room, agreement), (-(1 - value) / room, floor))
    reason = _reasons(agreement, floor)
    return replace(agreement, value=value, standard_error=standard_error, degrees=degrees, reason=reason)


def _spread(*terms: tuple[float, Estimate]) -> tuple[float, float]:
    """Standard error and Welch-Satterthwaite degrees of a sum of slope times independent estimate."""
    variances = [(slope * estimate.standard_error) ** 2 for slope, estimate in terms]
    whole = math.fsum(variances)
    parts = [
        variance**2 / estimate.degrees if estimate.degrees else math.nan
        for variance, (_, estimate) in zip(variances, terms, strict=True)
        if variance  # what is exact, such as a floor in closed form, needs no degrees
    ]
    spread = math.fsum(parts)
    degrees = whole**2 / spread if spread else math.fsum(estimate.degrees for _, estimate in terms)
    return math.sqrt(whole), degrees


def _reasons(*estimates: Estimate) -> str:
    return "; ".join(dict.fromkeys(estimate.reason for estimate in estimates if estimate.reason))


@guarded(numbers="nan", level=(1e-9, 1 - 1e-9))
def paired_contrast(
    statistics: tuple[Statistic, Statistic],
    x: Float[Tensor, "*stack runs runs"],
    y: Float[Tensor, "*stack runs runs"],
    groups: Int[Tensor, " runs"],
    *,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """One statistic of x less another of y, jackknifed together: two arms whose run i rolled the same dice.

    Leaves the same run or start out of both arms, so what their dice have in common cancels. Raises ValueError for
    stacks of different shapes.
    """
    if x.shape != y.shape:
        raise ValueError(f"the arms have pair matrices of shape {tuple(x.shape)} and {tuple(y.shape)}; pair run by run")

    def difference(both: Tensor, kept_groups: Tensor) -> Tensor:
        return statistics[0](both[0], kept_groups) - statistics[1](both[1], kept_groups)

    return jackknife(difference, torch.stack([x, y]), groups, level=level)


@guarded()
def equivalence(difference: Estimate, *, margin: float = 0.03, alpha: float = 0.05) -> Equivalence:
    """Whether a difference is an advantage, negligible, a disadvantage, or undecided at these runs.

    Equivalent: both one-sided tests at `alpha` put it inside (-margin, margin), that is its 1 - 2 alpha interval lies
    inside. Otherwise an advantage or a disadvantage where its 1 - alpha interval excludes 0. A difference that is
    surely positive and surely below the margin is equivalent: it exists and does not matter.

    Raises ValueError unless 0 < margin and 0 < alpha < 1/2.
    """
    if margin <= 0 or not 0 < alpha < 1 / 2:
        raise ValueError(f"margin is {margin} and alpha is {alpha}; margin must be above 0, alpha between 0 and 1/2")
    outcome = _outcome(difference, margin, alpha)
    return Equivalence(
        outcome=outcome,
        difference=difference,
        margin=margin,
        alpha=alpha,
        p_value=_tost_p(difference, margin),
        runs_to_decide=_runs_to_decide(difference, margin, alpha) if outcome == "inconclusive" else None,
    )


def _outcome(difference: Estimate, margin: float, alpha: float) -> Conclusion:
    inner, outer = difference.at(1 - 2 * alpha), difference.at(1 - alpha)
    if -margin < inner.low and inner.high < margin:
        return "equivalent"
    if outer.low > 0:
        return "advantage"
    if outer.high < 0:
        return "disadvantage"
    return "inconclusive"


def _tost_p(difference: Estimate, margin: float) -> float:
    # the larger of the two one-sided p: the difference is tested against the margin that it is closer to
    room = margin - abs(difference.value)
    if difference.standard_error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stdtr(difference.degrees, -room / difference.standard_error))


def _runs_to_decide(difference: Estimate, margin: float, alpha: float) -> int | None:
    if not difference.defined or difference.n_units < 2:  # noqa: PLR2004 (one unit has no spread to extrapolate)
        return None
    undecided, decided = difference.n_units, 2 * difference.n_units
    while _outcome(_with_units(difference, decided), margin, alpha) == "inconclusive":
        undecided, decided = decided, 2 * decided
        if decided > _MOST_UNITS:
            return None
    while decided - undecided > 1:
        middle = (undecided + decided) // 2
        if _outcome(_with_units(difference, middle), margin, alpha) == "inconclusive":
            undecided = middle
        else:
            decided = middle
    return decided


def _with_units(difference: Estimate, n_units: int) -> Estimate:
    more = n_units / difference.n_units
    return replace(
        difference,
        standard_error=difference.standard_error / math.sqrt(more),
        degrees=difference.degrees * (n_units - 1) / (difference.n_units - 1),
        n_units=n_units,
    )
