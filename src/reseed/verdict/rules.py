"""From evidence to one word. Pure: nothing is measured, read or printed here.

The rules are asked in the order of `_RULES`; the first that holds gives the outcome. Agreements are compared on the
floor-adjusted scale, (A - floor) / (1 - floor), with the largest applicable floor; an outcome
that claims something about independent starts needs the whole confidence interval of B(T) or of the gain on the right
side of its threshold, and what no rule can claim is inconclusive. R², retention and init memory count as measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.verdict.outcome import Judgement, Outcome
from reseed.verdict.sentences import sentence, would_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence

__all__ = ["judge"]


def judge(evidence: Evidence, limits: Limits) -> Judgement:
    """The first outcome whose rule holds."""
    outcome = next(outcome for outcome, rule in _RULES if rule(evidence, limits))
    return Judgement(outcome, sentence(outcome, evidence, limits), would_change(outcome, evidence, limits))


def _not_testable(e: Evidence, _: Limits) -> bool:
    return e.n_runs < 2  # noqa: PLR2004 (a pair)


def _not_fitted(e: Evidence, limits: Limits) -> bool:
    return not e.r2 >= limits.min_r2


def _frozen(e: Evidence, limits: Limits) -> bool:
    unmoved = e.retention >= limits.frozen_retention
    return unmoved and (e.init_groups == 1 or not abs(e.adjusted_gain.value) > limits.margin)


def _convergent(e: Evidence, limits: Limits) -> bool:
    return e.many_starts and e.adjusted.low >= limits.convergent and e.adjusted_gain.low > 0


def _stabilizing(e: Evidence, limits: Limits) -> bool:
    return e.many_starts and e.adjusted.low > 0 and e.adjusted_gain.low > limits.margin


def _inherited(e: Evidence, limits: Limits) -> bool:
    if e.init_groups == 1:  # nothing to compare with but the floor: it takes the place of B in the init memory
        return e.floor < 1 and (e.within.value - e.floor) / (1 - e.floor) >= limits.memory
    return e.apart and e.memory >= limits.memory and e.within.low > e.between.high


def _diverging(e: Evidence, limits: Limits) -> bool:
    if e.init_groups == 1:
        return e.within.high < 1 - limits.margin
    return e.apart and e.adjusted_gain.high < -limits.margin


def _unstable(e: Evidence, limits: Limits) -> bool:
    return e.apart and (e.adjusted.high < limits.margin or e.adjusted_gain.high <= limits.margin)


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
