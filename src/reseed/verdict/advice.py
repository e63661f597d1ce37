"""What would change a verdict. Pure, like the rules.

Nothing is advised that the curve contradicts, such as longer training of what has been level or has turned; and no
number of starts that nobody would train.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, rounded
from reseed.verdict.outcome import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.statistics import Estimate
    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence, MeasureEvidence

__all__ = ["MOST_STARTS", "would_change"]

MOST_STARTS = 12
"""More are not asked for: a question that they would not decide wants another design."""


def would_change(outcome: Outcome, because: Reason, evidence: Evidence, limits: Limits) -> str:
    """What evidence would lead to another outcome."""
    return _ADVICE[outcome, because](evidence, limits)


def _why_not_longer(m: MeasureEvidence, limits: Limits, *, both: bool = False) -> str:
    """What of the curve says that longer training would not bring the runs together; empty where nothing does.

    Args:
        m: the measure that decides.
        limits: the thresholds.
        both: whether the curve of runs born identical has to be level, too.
    """
    peak = m.turned(limits.margin)
    if peak is not None:
        return f"the agreement fell after step {peak.step:,}"
    if m.late.high < 0:
        return f"the agreement has been falling since step {m.halfway:,}"
    curves = (m.late, m.late_within) if both else (m.late,)
    level = all(-limits.margin < curve.low and curve.high < limits.margin for curve in curves)
    return f"the agreement has been level since step {m.halfway:,}" if level else ""


def _other(e: Evidence, rate: str) -> str:
    """A learning rate, in these words, or the settings of a method that has none."""
    return rate if e.has_rate else "other settings"


def _training(e: Evidence, limits: Limits, what: str) -> str:
    """Training that does `what`: longer, unless the curve says otherwise; of a method with one solution, more data."""
    if e.determined:
        return f"More data for each start, or another method that {what}."
    contradicted = _why_not_longer(e.deciding, limits)
    if contradicted:
        other = _other(e, "another learning rate")
        return f"More data, {other} or another method that {what}; not longer training: {contradicted}."
    return f"Longer training, more data or another method that {what}."


def _of_stabilizing(e: Evidence, _: Limits) -> str:
    sample = "Another sample of activations" if e.samples == "one" else "Activations of another kind"
    return f"{sample}, or starts of another kind, from which the runs do not come together."


def _of_inherited(e: Evidence, limits: Limits) -> str:
    if e.init_groups == 1:
        return "At least three independent starts."
    contradicted = _why_not_longer(e.deciding, limits, both=True)
    if contradicted:
        other = _other(e, "a learning rate").capitalize()
        return f"{other} or a method that leaves the start behind; not longer training: {contradicted}."
    return "Longer training in which the curves within and between starts meet."


def _of_determined(_: Evidence, __: Limits) -> str:
    return (
        'Another sample of the activations for each start: with data = "start" under [dice], starts read disjoint '
        "parts, and how far these agree says how far the solution is that of the activations and not of a sample."
    )


def _of_diverging(e: Evidence, _: Limits) -> str:
    if e.init_groups > 1 and e.deciding.late.low > 0:
        return "Longer training in which the runs come back together."
    other = _other(e, "a smaller learning rate").capitalize()
    return f"{other}, or starts of another kind, from which the runs do not come apart."


def _of_frozen(e: Evidence, _: Limits) -> str:
    if e.unmoved:
        return "A method that learns its atoms: these have not moved at all."
    rate = "a higher learning rate, " if e.has_rate else ""
    return f"Training that moves the atoms: more steps, {rate}centred activations."


def _of_only_as_far(e: Evidence, limits: Limits) -> str:
    gives = e.deciding.strictest.gives if e.deciding.strictest else "its null"
    return _training(e, limits, f"carries the agreement beyond what {gives} give")


def _of_no_faster(e: Evidence, limits: Limits) -> str:
    return _training(e, limits, "brings the runs together faster than it would without structure")


def _of_no_surrogate(_: Evidence, __: Limits) -> str:
    return (
        'A surrogate: run the study again with floors.surrogate = "elliptical", which trains the same recipe on rows '
        "that keep mean, covariance and lengths of the activations and lose everything else."
    )


def _of_not_in_use(_: Evidence, __: Limits) -> str:
    return "Training after which the atoms fire on the same tokens as well, beyond what the surrogate's do."


def _of_few_starts(_: Evidence, __: Limits) -> str:
    return "At least three independent starts."


def _of_gain_open(e: Evidence, limits: Limits) -> str:
    return _starts(e.deciding.gain, limits.margin, f"the gain, {_said(e.deciding.gain)}, is too close to the margin")


def _of_null_open(e: Evidence, limits: Limits) -> str:
    m = e.deciding
    null = m.strictest
    if null is None:
        return "More starts."
    if null.standard_error > m.between.standard_error:
        return "More starts of the surrogate: its error is larger than that of the runs."
    excess = "what it has beyond its null"
    equal = limits.margin / (1 - null.value) if null.value < 1 else math.nan
    told = f"{excess}, {_said(null.adjusted)} of the way to one dictionary, is too little"
    return _starts(null.adjusted, 0.0, told, or_below=equal)


def _of_pace_open(e: Evidence, limits: Limits) -> str:
    null = e.deciding.surrogate
    if null is None or null.slower is None or not null.slower.defined:
        return "More starts of the surrogate: its contraction has no error."
    equal = -limits.margin / (1 - e.deciding.first.value)
    told = f"its contraction is too close to that of the surrogate, {_said(null.slower)} apart"
    return _starts(null.slower, 0.0, told, or_below=equal)


def _said(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {interval(estimate.low, estimate.high)}".rstrip()


def _starts(estimate: Estimate, threshold: float, otherwise: str, *, or_below: float = math.nan) -> str:
    """How many starts would decide with this spread; that none would, where these would be too many.

    Args:
        estimate: what has to lie on one side of a threshold with its whole interval.
        threshold: one threshold.
        otherwise: why more starts will not decide.
        or_below: another one that would decide, too.
    """
    distances = [abs(estimate.value - each) for each in (threshold, or_below) if not math.isnan(each)]
    half_width = (estimate.high - estimate.low) / 2
    if not max(distances) > 0 or not math.isfinite(half_width):
        return "More starts."
    needed = max(estimate.n_units + 1, math.ceil(estimate.n_units * (half_width / max(distances)) ** 2))
    if needed > MOST_STARTS:
        return f"More starts will not decide this with this spread: {otherwise}."
    return f"About {needed} starts with this spread."


_ADVICE: dict[tuple[Outcome, Reason], Callable[[Evidence, Limits], str]] = {
    (Outcome.NOT_TESTABLE, Reason.NONE): lambda _, __: "At least three starts with two runs each.",
    (Outcome.NOT_FITTED, Reason.NONE): (
        lambda e, _: f"More steps, or {_other(e, 'a learning rate')} chosen on reconstruction, until the runs fit."
    ),
    (Outcome.FROZEN, Reason.NONE): _of_frozen,
    (Outcome.CONVERGENT, Reason.NONE): (
        lambda _, __: "A start of another kind from which the runs do not reach this dictionary."
    ),
    (Outcome.STABILIZING, Reason.NONE): _of_stabilizing,
    (Outcome.INHERITED, Reason.NONE): _of_inherited,
    (Outcome.INHERITED, Reason.DETERMINED): _of_determined,
    (Outcome.DIVERGING, Reason.NONE): _of_diverging,
    (Outcome.UNSTABLE, Reason.NOT_TOGETHER): lambda e, limits: _training(e, limits, "brings the runs together"),
    (Outcome.UNSTABLE, Reason.BORN_SO): (
        lambda _, __: "Starts that agree less at step 0, from which a gain would show."
    ),
    (Outcome.UNSTABLE, Reason.ONLY_AS_FAR): _of_only_as_far,
    (Outcome.UNSTABLE, Reason.NO_FASTER): _of_no_faster,
    (Outcome.INCONCLUSIVE, Reason.NO_SURROGATE): _of_no_surrogate,
    (Outcome.INCONCLUSIVE, Reason.NOT_IN_USE): _of_not_in_use,
    (Outcome.INCONCLUSIVE, Reason.NO_ROOM): lambda _, __: "Starts that agree less at step 0.",
    (Outcome.INCONCLUSIVE, Reason.FEW_STARTS): _of_few_starts,
    (Outcome.INCONCLUSIVE, Reason.GAIN_OPEN): _of_gain_open,
    (Outcome.INCONCLUSIVE, Reason.NULL_OPEN): _of_null_open,
    (Outcome.INCONCLUSIVE, Reason.PACE_OPEN): _of_pace_open,
}
