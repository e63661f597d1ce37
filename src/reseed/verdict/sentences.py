"""The sentence of every outcome with its numbers. Pure, like the rules.

Agreement is told as it is; against a null as the share of the way from there to one dictionary, or, below it, as how
many times as far apart the runs are. Every sentence says whether the runs read one sample of activations or several.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, interval, percent, rounded
from reseed.verdict.outcome import CLAIMS, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.statistics import Estimate
    from reseed.thresholds import Limits
    from reseed.verdict.evidence import Evidence, MeasureEvidence, Null, Peak

__all__ = ["sentence", "with_interval"]


def sentence(outcome: Outcome, because: Reason, evidence: Evidence, limits: Limits, *, with_dead: Outcome) -> str:
    """The outcome in one sentence with its numbers.

    Args:
        outcome: the word.
        because: which reason it has.
        evidence: what it was found from.
        limits: the thresholds.
        with_dead: the word that all atoms would give, the dead ones among them.
    """
    said = _SENTENCES[outcome, because](evidence, limits)
    otherwise = f"; with dead atoms counted the word would be {with_dead}" if with_dead != outcome else ""
    last = f"; the start still decides (memory {rounded(evidence.deciding.memory)})"
    decides = outcome in CLAIMS and evidence.start_remembered(limits.memory)
    return f"{said}{otherwise}{last if decides else ''}."


def with_interval(estimate: Estimate) -> str:
    """`.46 [.44, .48]`."""
    return f"{rounded(estimate.value)} {interval(estimate.low, estimate.high)}".rstrip()


def _sample(e: Evidence) -> str:
    return f"on {'one sample' if e.samples == 'one' else 'several samples'} of activations"


def _path(e: Evidence) -> str:
    """`.12 → .67 [.64, .69] on one sample of activations`."""
    m, whole = e.deciding, e.agreement
    ends = [[rounded(of.first.value), rounded(of.between.value)] for of in (m, whole)]
    dead = "" if ends[0] == ends[1] else f" between living atoms ({ends[1][0]} → {ends[1][1]} with the dead ones)"
    return f"{ends[0][0]} → {with_interval(m.between)}{dead} {_sample(e)}"


def _course(e: Evidence, limits: Limits) -> str:
    """The path, where it stands against the strictest null, whether it turned, and what k-means agrees."""
    null = e.deciding.strictest
    stands = f", {_against(null)}" if null else ""
    return f"{_path(e)}{stands}{_turn(e.deciding.turned(limits.margin))}{_beside(e)}"


def _against(null: Null) -> str:
    if null.adjusted.value < 0:
        return f"{_times(1 - null.adjusted.value)} times as far apart as {null.gives} give ({rounded(null.value)})"
    way = percent(null.adjusted.value)
    return f"{way} of the way from what {null.gives} give ({rounded(null.value)}) to one dictionary"


def _times(ratio: float) -> str:
    """Two digits, and never a 1 that is none."""
    return f"{ratio:.1f}" if round(ratio, 1) > 1 else rounded(ratio)


def _turn(peak: Peak | None) -> str:
    if peak is None:
        return ""
    fell = with_interval(peak.fall)
    return f"; it was highest at step {peak.step:,} ({rounded(peak.value)}) and fell by {fell} from there"


def _beside(e: Evidence) -> str:
    return "" if math.isnan(e.kmeans) else f"; k-means agrees {rounded(e.kmeans)}"


def _say_not_testable(e: Evidence, _: Limits) -> str:
    return f"Nothing can be compared: {e.n_runs} run{'' if e.n_runs == 1 else 's'} finished"


def _say_not_fitted(e: Evidence, limits: Limits) -> str:
    digits = digits_apart(e.r2, limits.min_r2)
    return (
        f"The runs do not reconstruct the activations: the worst has a held-out R² of {rounded(e.r2, digits)}, below "
        f"{rounded(limits.min_r2, digits)}, so their agreement{_of_what(e)} {_sample(e)} is not judged: it says "
        "nothing of what was learnt"
    )


def _of_what(e: Evidence) -> str:
    """How much it is, as stable and wrong looks like stable: between starts if there are several, else within."""
    m = e.deciding
    first, last = (m.first.value, m.between.value) if e.init_groups > 1 else (1.0, m.within.value)
    return "" if math.isnan(last) else f" ({rounded(first)} at step 0 and {rounded(last)} at the end)"


def _say_frozen(e: Evidence, _: Limits) -> str:
    tail = f"all runs were born identical, {_sample(e)}" if e.init_groups == 1 else _path(e)
    if e.unmoved:
        return f"No atom has moved since step 0: {tail}"
    return f"The atoms are still where they were born (cosine {rounded(e.retention)} with their own step 0): {tail}"


def _say_convergent(e: Evidence, limits: Limits) -> str:
    return f"Runs that started apart end as one dictionary: {_course(e, limits)}{_codes_unknown(e)}"


def _say_stabilizing(e: Evidence, limits: Limits) -> str:
    return f"Runs that started apart came together: {_course(e, limits)}{_codes_unknown(e)}"


def _codes_unknown(e: Evidence) -> str:
    known = e.code is not None and e.code.strictest is not None and e.code.strictest.adjusted.defined
    return "" if known else "; whether they are used alike is not known, for want of codes or of their null"


def _say_inherited(e: Evidence, limits: Limits) -> str:
    m = e.deciding
    if e.init_groups == 1:
        return (
            f"All runs were born identical and still agree {with_interval(m.within)} {_sample(e)}: this is their "
            "common start, and says nothing about other starts"
        )
    apart = ", and runs that started apart end further apart" if m.gain.high < -limits.margin else ""
    return (
        f"Agreement is inherited from the start{apart}: runs born identical agree {with_interval(m.within)}, those "
        f"that started apart {_course(e, limits)}; {_left(m.memory)}"
    )


def _say_determined(e: Evidence, limits: Limits) -> str:
    last = e.deciding.between if e.init_groups > 1 else e.deciding.within
    agree = _path(e) if e.init_groups > 1 else f"{with_interval(last)}, born identical, {_sample(e)}"
    differ = last.value < 1 - limits.margin
    beside = "; as far as they differ, they read these in another order, or others of them" if differ else ""
    return (
        "Agreement is inherited from determinism: this method has one solution for given activations, whatever the "
        f"start; that its runs agree ({agree}) says nothing about the activations{beside}"
    )


def _left(memory: float) -> str:
    """What is left of how much further apart runs of different starts were at step 0 than runs of one."""
    if round(memory, 2) > 1:
        return f"the difference between starts has grown to {rounded(memory)} times that at step 0"
    return f"{'all' if round(memory, 2) == 1 else rounded(memory)} of the difference at step 0 is still there"


def _say_diverging(e: Evidence, limits: Limits) -> str:
    if e.init_groups == 1:
        within = with_interval(e.deciding.within)
        return f"The runs were born identical and came apart: they now agree {within} {_sample(e)}"
    return f"The runs end further apart than they started: {_course(e, limits)}"


def _say_not_together(e: Evidence, limits: Limits) -> str:
    return f"Runs that started apart did not come together: {_course(e, limits)}"


def _say_born_so(e: Evidence, limits: Limits) -> str:
    return f"Runs that started apart agree beyond what {_gives(e)} give, and did so at step 0: {_course(e, limits)}"


def _say_only_as_far(e: Evidence, limits: Limits) -> str:
    came = "came together only as far" if e.deciding.gain.low > 0 else "end only as close"
    return f"Runs that started apart {came} as {_take(e.deciding.strictest)}: {_course(e, limits)}"


def _say_no_faster(e: Evidence, limits: Limits) -> str:
    null = e.deciding.surrogate
    there = rounded(null.contraction) if null else rounded(math.nan)
    return (
        f"Runs that started apart came together no faster than {_take(null)}: {_course(e, limits)}; "
        f"{rounded(e.deciding.contraction.value)} of their distance at step 0 is left, and {there} there"
    )


def _take(null: Null | None) -> str:
    """What a null does: trained ones take the recipe somewhere, all others are where they are."""
    if null is None:
        return "their null"
    return f"{null.gives} take this recipe" if null.slower else f"{null.gives} are"


def _gives(e: Evidence) -> str:
    return e.deciding.strictest.gives if e.deciding.strictest else "its null"


def _say_no_surrogate(e: Evidence, limits: Limits) -> str:
    return (
        f"Runs that started apart came together: {_course(e, limits)}; whether mean, covariance and lengths of these "
        "activations alone take this recipe as far is not known, for this study has no surrogate"
    )


def _say_not_in_use(e: Evidence, limits: Limits) -> str:
    return f"Runs that started apart agree in direction, not in use: {_course(e, limits)}; {_codes(e.code)}"


def _codes(code: MeasureEvidence | None) -> str:
    if code is None:
        return ""
    if code.gain.high < 0:
        fell = f"{rounded(-code.gain.value)} {interval(-code.gain.high, -code.gain.low)}"
        return f"but code agreement fell by {fell} since step 0, to {with_interval(code.between)}"
    null = code.strictest
    beneath = f", not beyond what {null.gives} give ({rounded(null.value)})" if null else ""
    return f"but code agreement is {with_interval(code.between)}{beneath}"


def _say_no_room(e: Evidence, limits: Limits) -> str:
    first = e.deciding.first.value
    return (
        f"Runs that started apart agreed {rounded(first)} at step 0, so that no gain beyond the margin of "
        f"{rounded(limits.margin)} is possible: {_course(e, limits)}"
    )


def _say_few_starts(e: Evidence, limits: Limits) -> str:
    if e.init_groups > 1:
        return f"Runs that started apart went {_course(e, limits)}; but {e.deciding.between.reason}"
    return f"Too little evidence to decide {_sample(e)}: all runs were born identical"


def _say_gain_open(e: Evidence, limits: Limits) -> str:
    return f"Whether runs that started apart came together cannot be told with this spread: {_course(e, limits)}"


def _say_null_open(e: Evidence, limits: Limits) -> str:
    return (
        f"Runs that started apart came together, but whether beyond what {_gives(e)} give cannot be told with this "
        f"spread: {_course(e, limits)}"
    )


def _say_pace_open(e: Evidence, limits: Limits) -> str:
    null = e.deciding.surrogate
    pace = f"; {rounded(e.deciding.contraction.value)} of their distance at step 0 is left, and "
    there = f"{rounded(null.contraction)} there" if null else ""
    return (
        f"Runs that started apart came together, but whether faster than {_take(null)} cannot be told with this "
        f"spread: {_course(e, limits)}{pace}{there}"
    )


_SENTENCES: dict[tuple[Outcome, Reason], Callable[[Evidence, Limits], str]] = {
    (Outcome.NOT_TESTABLE, Reason.NONE): _say_not_testable,
    (Outcome.NOT_FITTED, Reason.NONE): _say_not_fitted,
    (Outcome.FROZEN, Reason.NONE): _say_frozen,
    (Outcome.CONVERGENT, Reason.NONE): _say_convergent,
    (Outcome.STABILIZING, Reason.NONE): _say_stabilizing,
    (Outcome.INHERITED, Reason.NONE): _say_inherited,
    (Outcome.INHERITED, Reason.DETERMINED): _say_determined,
    (Outcome.DIVERGING, Reason.NONE): _say_diverging,
    (Outcome.UNSTABLE, Reason.NOT_TOGETHER): _say_not_together,
    (Outcome.UNSTABLE, Reason.BORN_SO): _say_born_so,
    (Outcome.UNSTABLE, Reason.ONLY_AS_FAR): _say_only_as_far,
    (Outcome.UNSTABLE, Reason.NO_FASTER): _say_no_faster,
    (Outcome.INCONCLUSIVE, Reason.NO_SURROGATE): _say_no_surrogate,
    (Outcome.INCONCLUSIVE, Reason.NOT_IN_USE): _say_not_in_use,
    (Outcome.INCONCLUSIVE, Reason.NO_ROOM): _say_no_room,
    (Outcome.INCONCLUSIVE, Reason.FEW_STARTS): _say_few_starts,
    (Outcome.INCONCLUSIVE, Reason.GAIN_OPEN): _say_gain_open,
    (Outcome.INCONCLUSIVE, Reason.NULL_OPEN): _say_null_open,
    (Outcome.INCONCLUSIVE, Reason.PACE_OPEN): _say_pace_open,
}
