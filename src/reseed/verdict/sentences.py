"""The sentence of every outcome with its numbers, and what would change it. Pure, like the rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, interval, rounded
from reseed.verdict.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.statistics import Estimate
    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence

__all__ = ["sentence", "with_interval", "would_change"]


def sentence(outcome: Outcome, evidence: Evidence, limits: Limits) -> str:
    """The outcome in one sentence with its numbers."""
    return _SENTENCES[outcome][0](evidence, limits)


def would_change(outcome: Outcome, evidence: Evidence, limits: Limits) -> str:
    """What evidence would lead to another outcome."""
    return _SENTENCES[outcome][1](evidence, limits)


def with_interval(estimate: Estimate) -> str:
    """`.46 [.44, .48]`."""
    return f"{rounded(estimate.value)} {interval(estimate.low, estimate.high)}".rstrip()


def _path(e: Evidence) -> str:
    """How the agreement between independent starts went, with its interval and its floor."""
    return (
        f"agreement between starts went from {rounded(e.between_first.value)} to {with_interval(e.between)}; "
        f"the {e.floor_name} floor is {rounded(e.floor)}"
    )


def _say_not_testable(e: Evidence, _: Limits) -> str:
    return f"Nothing can be compared: {e.n_runs} run{'' if e.n_runs == 1 else 's'} finished."


def _say_not_fitted(e: Evidence, limits: Limits) -> str:
    digits = digits_apart(e.r2, limits.min_r2)
    return (
        f"The runs do not reconstruct the activations: the worst has a held-out R² of {rounded(e.r2, digits)}, below "
        f"{rounded(limits.min_r2, digits)}, so their agreement{_of_what(e)} is not judged: it says nothing of what was "
        "learnt."
    )


def _of_what(e: Evidence) -> str:
    """How much it is, as stable and wrong looks like stable: between starts if there are several, else within."""
    first, last = (e.between_first.value, e.between.value) if e.init_groups > 1 else (1.0, e.within.value)
    return "" if math.isnan(last) else f", {rounded(first)} at step 0 and {rounded(last)} at the end,"


def _say_frozen(e: Evidence, _: Limits) -> str:
    tail = "all runs were born identical" if e.init_groups == 1 else _path(e)
    return f"The atoms are still where they were born (cosine {rounded(e.retention)} with their own step 0): {tail}."


def _say_convergent(e: Evidence, _: Limits) -> str:
    return f"Runs that started apart end as one dictionary: matched {_path(e)}."


def _say_stabilizing(e: Evidence, _: Limits) -> str:
    return f"Runs that started apart came together, though not to one dictionary: matched {_path(e)}."


def _say_inherited(e: Evidence, limits: Limits) -> str:
    if e.init_groups == 1:
        return (
            f"All runs were born identical and still agree {with_interval(e.within)}: this is their common start, and "
            "says nothing about other starts."
        )
    apart = ", and independent starts end further apart" if e.adjusted_gain.high < -limits.margin else ""
    return (
        f"Agreement is inherited from the start{apart}: runs born identical agree {with_interval(e.within)}, "
        f"while {_path(e)}; {_remembered(e.memory)} of the difference at step 0 is still there."
    )


def _remembered(memory: float) -> str:
    return "all" if memory >= 1 else rounded(memory)


def _say_diverging(e: Evidence, _: Limits) -> str:
    if e.init_groups == 1:
        return f"The runs were born identical and came apart: they now agree {with_interval(e.within)}."
    return f"The runs end further apart than they started: matched {_path(e)}."


def _say_unstable(e: Evidence, limits: Limits) -> str:
    closer = e.adjusted_gain.low > limits.margin
    lead = (
        "Independent starts come closer, but not beyond the floor"
        if closer
        else "Independent starts do not come together"
    )
    return f"{lead}: matched {_path(e)}."


def _say_inconclusive(e: Evidence, _: Limits) -> str:
    if e.many_starts:
        return f"The spread is too wide to decide: matched {_path(e)}."
    if e.apart:
        return f"Matched {_path(e)}; but {e.between.reason}."
    reason = e.between.reason or "all runs were born identical"
    return f"Too little evidence to decide: {reason}."


def _more_starts(e: Evidence, limits: Limits) -> str:
    if not e.many_starts:
        return "At least three independent starts."
    gained = e.adjusted_gain.low > limits.margin  # then it is the floor that is not cleared
    if gained and not e.floor_error <= e.between.standard_error:
        return "More draws of the floor: its error is larger than that of the runs."
    needed = _starts_to_decide(e.adjusted, 0.0) if gained else _starts_to_decide(e.adjusted_gain, limits.margin)
    return f"About {needed} starts with this spread." if needed else "More starts."


def _starts_to_decide(estimate: Estimate, threshold: float) -> int | None:
    """Starts whose interval would exclude the threshold, above or below 0, if the spread stays what it is."""
    distance = min(abs(estimate.value - threshold), abs(estimate.value + threshold))
    half_width = (estimate.high - estimate.low) / 2
    if not distance > 0 or not math.isfinite(half_width):
        return None
    return max(estimate.n_units + 1, math.ceil(estimate.n_units * (half_width / distance) ** 2))


_SENTENCES: dict[Outcome, tuple[Callable[[Evidence, Limits], str], Callable[[Evidence, Limits], str]]] = {
    Outcome.NOT_TESTABLE: (_say_not_testable, lambda _, __: "At least three starts with two runs each."),
    Outcome.NOT_FITTED: (
        _say_not_fitted,
        lambda _, __: "More steps, or a learning rate chosen on reconstruction, until the runs fit.",
    ),
    Outcome.FROZEN: (
        _say_frozen,
        lambda _, __: "Training that moves the atoms: more steps, a higher learning rate, centred activations.",
    ),
    Outcome.CONVERGENT: (
        _say_convergent,
        lambda _, __: "A start of another kind from which the runs do not reach this dictionary.",
    ),
    Outcome.STABILIZING: (
        _say_stabilizing,
        lambda _, __: "A higher floor for these activations, or starts from which the gain is smaller.",
    ),
    Outcome.INHERITED: (
        _say_inherited,
        lambda e, _: (
            "At least three independent starts."
            if e.init_groups == 1
            else "Longer training in which the curves within and between starts meet."
        ),
    ),
    Outcome.DIVERGING: (_say_diverging, lambda _, __: "Longer training in which the runs come back together."),
    Outcome.UNSTABLE: (
        _say_unstable,
        lambda _, __: "Longer training, more data or another method that carries the agreement beyond the floor.",
    ),
    Outcome.INCONCLUSIVE: (_say_inconclusive, _more_starts),
}
