"""From evidence to one word and one sentence. Pure: nothing is measured, read or printed here.

The rules are asked in the order of `_RULES`; the first that holds gives the outcome. Agreements are compared on the
floor-adjusted scale, (A - floor) / (1 - floor), with the largest applicable floor; an outcome
that claims something about independent starts needs the whole confidence interval of B(T) or of the gain on the right
side of its threshold, and what no rule can claim is inconclusive. R², retention and init memory count as measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, interval, rounded
from reseed.thresholds import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.statistics import Estimate

__all__ = ["FLOOR_NAMES", "Evidence", "Judgement", "Limits", "Outcome", "judge"]


class Outcome(StrEnum):
    """What can be said about one condition."""

    CONVERGENT = "convergent"
    """Runs that started apart end as the same dictionary."""
    STABILIZING = "stabilizing"
    """Runs that started apart came together, beyond every floor, without becoming one dictionary."""
    INHERITED = "inherited"
    """The runs agree as far as they were born alike."""
    FROZEN = "frozen"
    """The atoms are still where they were born: there is nothing that training made agree."""
    DIVERGING = "diverging"
    """The runs end further apart than they started."""
    UNSTABLE = "unstable"
    """Independent starts agree no more than the floor."""
    NOT_FITTED = "not fitted"
    """A run reconstructs too little for its agreement to mean anything."""
    NOT_TESTABLE = "not testable"
    """There are too few runs to compare."""
    INCONCLUSIVE = "inconclusive"
    """The intervals are too wide for any of these."""


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


@dataclass(frozen=True)
class Judgement:
    """An outcome, the sentence that states it with its numbers, and what would change it."""

    outcome: Outcome
    sentence: str
    would_change: str


def judge(evidence: Evidence, limits: Limits) -> Judgement:
    """The first outcome whose rule holds."""
    outcome = next(outcome for outcome, rule in _RULES if rule(evidence, limits))
    sentence, would_change = _SENTENCES[outcome]
    return Judgement(outcome, sentence(evidence, limits), would_change(evidence, limits))


# The table of rules.


def _not_testable(e: Evidence, _: Limits) -> bool:
    return e.n_runs < 2  # noqa: PLR2004 (a pair)


def _not_fitted(e: Evidence, limits: Limits) -> bool:
    return not e.r2 >= limits.min_r2


def _frozen(e: Evidence, limits: Limits) -> bool:
    unmoved = e.retention >= limits.frozen_retention
    return unmoved and (e.init_groups == 1 or not abs(e.adjusted_gain.value) > limits.margin)


def _convergent(e: Evidence, limits: Limits) -> bool:
    return _many_starts(e) and e.adjusted.low >= limits.convergent and e.adjusted_gain.low > 0


def _stabilizing(e: Evidence, limits: Limits) -> bool:
    return _many_starts(e) and e.adjusted.low > 0 and e.adjusted_gain.low > limits.margin


def _inherited(e: Evidence, limits: Limits) -> bool:
    if e.init_groups == 1:  # nothing to compare with but the floor: it takes the place of B in the init memory
        return e.floor < 1 and (e.within.value - e.floor) / (1 - e.floor) >= limits.memory
    return _apart(e) and e.memory >= limits.memory and e.within.low > e.between.high


def _diverging(e: Evidence, limits: Limits) -> bool:
    if e.init_groups == 1:
        return e.within.high < 1 - limits.margin
    return _apart(e) and e.adjusted_gain.high < -limits.margin


def _unstable(e: Evidence, limits: Limits) -> bool:
    return _apart(e) and (e.adjusted.high < limits.margin or e.adjusted_gain.high <= limits.margin)


def _apart(e: Evidence) -> bool:
    """Whether there are pairs that started apart, with a spread."""
    return e.init_groups > 1 and e.between.defined


def _many_starts(e: Evidence) -> bool:
    """Whether the spread is over starts, as the words stabilize and converge need; of two, none can be left out."""
    return _apart(e) and e.between.unit == "start"


_RULES: tuple[tuple[Outcome, Callable[[Evidence, Limits], bool]], ...] = (
    (Outcome.NOT_TESTABLE, _not_testable),
    (Outcome.NOT_FITTED, _not_fitted),
    (Outcome.FROZEN, _frozen),
    (Outcome.CONVERGENT, _convergent),
    (Outcome.STABILIZING, _stabilizing),
    (Outcome.INHERITED, _inherited),
    (Outcome.DIVERGING, _diverging),
    (Outcome.UNSTABLE, _unstable),
    (Outcome.INCONCLUSIVE, lambda _, __: True),
)


# The table of sentences.


FLOOR_NAMES = {"isotropic": "random-direction", "kmeans": "k-means", "step 0": "step-0"}
"""Floors as adjectives, where that is not their name."""


def _path(e: Evidence) -> str:
    """How the agreement between independent starts went, with its interval and its floor."""
    return (
        f"agreement between starts went from {rounded(e.between_first.value)} to {_with_interval(e.between)}; "
        f"the {FLOOR_NAMES.get(e.floor_name, e.floor_name)} floor is {rounded(e.floor)}"
    )


def _with_interval(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {interval(estimate.low, estimate.high)}".rstrip()


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
            f"All runs were born identical and still agree {_with_interval(e.within)}: this is their common start, and "
            "says nothing about other starts."
        )
    apart = ", and independent starts end further apart" if e.adjusted_gain.high < -limits.margin else ""
    return (
        f"Agreement is inherited from the start{apart}: runs born identical agree {_with_interval(e.within)}, "
        f"while {_path(e)}; {_remembered(e.memory)} of the difference at step 0 is still there."
    )


def _remembered(memory: float) -> str:
    return "all" if memory >= 1 else rounded(memory)


def _say_diverging(e: Evidence, _: Limits) -> str:
    if e.init_groups == 1:
        return f"The runs were born identical and came apart: they now agree {_with_interval(e.within)}."
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
    if _many_starts(e):
        return f"The spread is too wide to decide: matched {_path(e)}."
    if _apart(e):
        return f"Matched {_path(e)}; but {e.between.reason}."
    reason = e.between.reason or "all runs were born identical"
    return f"Too little evidence to decide: {reason}."


def _more_starts(e: Evidence, limits: Limits) -> str:
    if not _many_starts(e):
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
