"""From evidence to one word. Pure: nothing is measured, read or printed here.

The rules are asked in the order of `_RULES`; the first that holds gives the outcome and its reason. Agreements are
held against nulls only: what there would be without any structure beyond the moments and lengths of the activations.
A claim about independent starts needs the whole confidence interval on the right side of its threshold; that two
things are equal is claimed where the whole interval of their difference is within the margin; what no rule can claim is
inconclusive. R², retention and init memory count as measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reseed.verdict.advice import would_change
from reseed.verdict.outcome import Judgement, Outcome, Reason
from reseed.verdict.sentences import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence

__all__ = ["judge"]


def judge(evidence: Evidence, limits: Limits) -> Judgement:
    """The first outcome whose rule holds; the atoms that fire decide, and all atoms are asked beside them."""
    outcome, because = _ruled(evidence, limits)
    with_dead = _ruled(replace(evidence, alive=None), limits)[0]
    return Judgement(
        outcome,
        sentence(outcome, because, evidence, limits, with_dead=with_dead),
        would_change(outcome, because, evidence, limits),
        because,
    )


def _ruled(e: Evidence, limits: Limits) -> tuple[Outcome, Reason]:
    return next((outcome, because) for outcome, because, rule in _RULES if rule(e, limits))


def _not_testable(e: Evidence, _: Limits) -> bool:
    return e.n_runs < 2  # noqa: PLR2004 (a pair)


def _not_fitted(e: Evidence, limits: Limits) -> bool:
    return not e.r2 >= limits.min_r2 and not e.unmoved


def _determined(e: Evidence, _: Limits) -> bool:
    """Whether agreement says nothing: one sample of activations has one solution, whatever the start.

    Over disjoint samples it says how far the solution is that of the activations, and is judged like any other.
    """
    return e.determined and e.samples == "one"


def _frozen(e: Evidence, limits: Limits) -> bool:
    if e.determined:  # atoms that are still where they were born began as the solution
        return False
    unmoved = e.retention >= limits.frozen_retention
    return unmoved and (e.init_groups == 1 or not abs(e.deciding.gain.value) > limits.margin)


def _gained(e: Evidence, limits: Limits) -> bool:
    return e.deciding.gain.low > limits.margin


def _not_gained(e: Evidence, limits: Limits) -> bool:
    return e.deciding.gain.high <= limits.margin


def _beyond(e: Evidence) -> bool:
    null = e.deciding.strictest
    return null is not None and null.adjusted.low > 0


def _no_room(e: Evidence, limits: Limits) -> bool:
    return 1 - e.deciding.first.value <= limits.margin


def _one_dictionary(e: Evidence, limits: Limits) -> bool:
    """What *convergent* claims of agreements."""
    null = e.deciding.strictest
    ended = null is not None and null.adjusted.low >= limits.convergent
    return e.apart and ended and e.deciding.gain.low > 0 and not _no_room(e, limits)


def _together(e: Evidence, limits: Limits) -> bool:
    """What *stabilizing* claims of agreements."""
    return e.apart and _beyond(e) and _gained(e, limits)


def _faster(e: Evidence, _: Limits) -> bool:
    """Whether the runs came together by a larger share of their distance than the recipe does without structure."""
    null = e.deciding.surrogate
    return null is not None and null.slower is not None and null.slower.high < 0


def _convergent(e: Evidence, limits: Limits) -> bool:
    return _one_dictionary(e, limits)


def _stabilizing(e: Evidence, limits: Limits) -> bool:
    return _together(e, limits) and _faster(e, limits)


def _no_surrogate(e: Evidence, limits: Limits) -> bool:
    return e.deciding.surrogate is None and (_one_dictionary(e, limits) or _together(e, limits))


def _not_in_use(e: Evidence, limits: Limits) -> bool:
    """Whether a word that the atoms would get is withheld: they are not used alike."""
    if e.code is None or not (_convergent(e, limits) or _stabilizing(e, limits)):
        return False
    null = e.code.strictest
    no_more_than_null = null is not None and null.adjusted.defined and not null.adjusted.low > 0
    return no_more_than_null or e.code.gain.high < 0


def _neither_way(e: Evidence, limits: Limits) -> bool:
    """Whether the runs agreed from step 0 on, so that they could not come together, and did not come apart."""
    return e.apart and _no_room(e, limits) and not e.deciding.gain.high < -limits.margin


def _inherited(e: Evidence, limits: Limits) -> bool:
    m = e.deciding
    if e.determined:  # runs of one start agree because they read the same, or for what the activations are
        return False
    if e.init_groups == 1:  # nothing to compare with but the null: it takes the place of B in the init memory
        floor = m.strictest.value if m.strictest else 1.0
        return floor < 1 and (m.within.value - floor) / (1 - floor) >= limits.memory
    return e.apart and e.start_remembered(limits.memory) and not _gained(e, limits)


def _diverging(e: Evidence, limits: Limits) -> bool:
    if e.init_groups == 1:
        return e.deciding.within.high < 1 - limits.margin
    return e.apart and e.deciding.gain.high < -limits.margin


def _born_so(e: Evidence, limits: Limits) -> bool:
    null = e.deciding.strictest
    return e.apart and _not_gained(e, limits) and _beyond(e) and null is not None and null.born.low > 0


def _not_together(e: Evidence, limits: Limits) -> bool:
    return e.apart and _not_gained(e, limits)


def _only_as_far(e: Evidence, limits: Limits) -> bool:
    """The null is reached within the margin of raw agreement, or not even that."""
    null = e.deciding.strictest
    return e.apart and null is not None and null.adjusted.high * (1 - null.value) < limits.margin


def _no_faster(e: Evidence, limits: Limits) -> bool:
    """Kappa is that of structureless rows, or above it: within what the margin is of the distance at step 0."""
    null, distance = e.deciding.surrogate, 1 - e.deciding.first.value
    if null is None or null.slower is None:
        return False
    return e.apart and _gained(e, limits) and null.slower.low * distance > -limits.margin


_RULES: tuple[tuple[Outcome, Reason, Callable[[Evidence, Limits], bool]], ...] = (
    (Outcome.NOT_TESTABLE, Reason.NONE, _not_testable),
    (Outcome.NOT_FITTED, Reason.NONE, _not_fitted),
    (Outcome.INHERITED, Reason.DETERMINED, _determined),
    (Outcome.FROZEN, Reason.NONE, _frozen),
    (Outcome.INCONCLUSIVE, Reason.NO_SURROGATE, _no_surrogate),
    (Outcome.INCONCLUSIVE, Reason.NOT_IN_USE, _not_in_use),
    (Outcome.CONVERGENT, Reason.NONE, _convergent),
    (Outcome.STABILIZING, Reason.NONE, _stabilizing),
    (Outcome.INCONCLUSIVE, Reason.NO_ROOM, _neither_way),
    (Outcome.INHERITED, Reason.NONE, _inherited),
    (Outcome.DIVERGING, Reason.NONE, _diverging),
    (Outcome.UNSTABLE, Reason.BORN_SO, _born_so),
    (Outcome.UNSTABLE, Reason.NOT_TOGETHER, _not_together),
    (Outcome.UNSTABLE, Reason.ONLY_AS_FAR, _only_as_far),
    (Outcome.UNSTABLE, Reason.NO_FASTER, _no_faster),
    (Outcome.INCONCLUSIVE, Reason.FEW_STARTS, lambda e, _: not e.apart),
    (Outcome.INCONCLUSIVE, Reason.GAIN_OPEN, lambda e, limits: not _gained(e, limits)),
    (Outcome.INCONCLUSIVE, Reason.NULL_OPEN, lambda e, _: not _beyond(e)),
    (Outcome.INCONCLUSIVE, Reason.PACE_OPEN, lambda _, __: True),
)
