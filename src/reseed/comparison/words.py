"""What is said of the dictionaries of one recipe. Pure: nothing is measured, read or printed here.

Without a trajectory nothing can be said of runs that came together: *stable* says that independently trained runs end
as one dictionary, *partly stable* that they agree beyond what the same recipe makes of rows that have nothing but the
mean, covariance and lengths of the activations. Without such runs there are no words but *beyond random directions*,
and of runs that share their indices there are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.numbers import percent, rounded
from reseed.verdict.sentences import with_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.comparison.document import Word
    from reseed.findings import Floor
    from reseed.statistics import Estimate
    from reseed.thresholds import Limits

__all__ = ["Evidence", "said"]

_FEWEST = 3  # runs without which there is no interval


@dataclass(frozen=True)
class Evidence:
    """What is known about the dictionaries of one recipe."""

    n_runs: int
    n_pairs: int
    agreement: Estimate
    """Over runs, of the atoms that fire where that is known."""
    replicated: Estimate
    """The replicated share."""
    chance: Floor | None
    """The larger of what random directions agree, with and without the dictionaries' own moments; None for one run."""
    born_alike: int
    """Pairs that share their indices, or are known to have been born identical."""
    born_identical: int = 0
    """Pairs with one dictionary at step 0, where that is on disk."""
    from_start: bool = False
    """Whether step 0 of all runs is on disk."""
    untested: int = 0
    """Pairs whose birth test was refused."""
    r2: float = math.nan
    """Held-out R² of the worst run; nan where it is not known."""
    n_null: int = 0
    """Runs of the recipe on rows without structure."""
    null: Estimate | None = None
    """What these agree."""
    adjusted: Estimate | None = None
    """(A - null) / (1 - null), with the errors of both."""
    code: Estimate | None = None
    code_null: Estimate | None = None
    code_adjusted: Estimate | None = None


def said(e: Evidence, limits: Limits) -> tuple[Word, str]:
    """The word, and the sentence that states it with its numbers."""
    word, sentence = next((word, sentence) for word, rule, sentence in _RULES if rule(e, limits))
    return word, sentence(e, limits)


def _beyond_chance(e: Evidence, limits: Limits) -> bool:
    """By more than the margin, and of three runs with the whole interval: what is drawn has a law of its own."""
    if e.chance is None:
        return False
    least = e.agreement.low if e.agreement.defined else e.agreement.value
    return least - limits.margin > e.chance.value


def _too_few(e: Evidence, _: Limits) -> bool:
    return min(e.n_runs, e.n_null) < _FEWEST


def _beyond_null(e: Evidence, _: Limits) -> bool:
    return e.adjusted is not None and e.adjusted.low > 0


def _one_dictionary(e: Evidence, limits: Limits) -> bool:
    return e.adjusted is not None and e.adjusted.low >= limits.convergent


def _not_in_use(e: Evidence, limits: Limits) -> bool:
    codes = e.code_adjusted
    return _beyond_null(e, limits) and codes is not None and codes.defined and not codes.low > 0


def _only_as_far(e: Evidence, limits: Limits) -> bool:
    if e.adjusted is None or e.null is None:
        return False
    return e.adjusted.high * (1 - e.null.value) < limits.margin


def _agree(e: Evidence) -> str:
    runs = f"{e.n_runs} runs" if e.n_runs > 2 else "two runs (one pair, so no interval)"  # noqa: PLR2004 (one pair)
    return f"{runs} agree {with_interval(e.agreement)} on average, {_replicated(e)}"


def _replicated(e: Evidence) -> str:
    share = e.replicated.value
    if math.isnan(share):
        return "so near to chance's own cosines that no share of the pairs can be told from it"
    return f"{percent(max(0.0, share))} of the matched pairs beyond the null's 99th percentile"


def _against_null(e: Evidence) -> str:
    null, adjusted = e.null, e.adjusted
    if null is None or adjusted is None:
        return ""
    given = f"runs of the same recipe on rows without structure ({rounded(null.value)})"
    if adjusted.value < 0:
        return f"no more than {given}"
    return f"{percent(adjusted.value)} of the way from {given} to one dictionary"


def _codes(e: Evidence) -> str:
    if e.code is None:
        return "; whether they are used alike was not looked at: give --activations"
    if e.code_null is None:
        return f"; their codes agree {with_interval(e.code)}, which has no null here"
    return f"; their codes agree {with_interval(e.code)}, those on rows without structure {rounded(e.code_null.value)}"


def _birth(e: Evidence) -> str:
    tested = e.n_pairs - e.untested
    if not tested:
        return "whether they were born alike could not be tested"
    of = "no pair" if tested > 1 else "the pair does not"
    return f"{of} shares its indices" if tested > 1 else "they do not share their indices"


_NO_STEP_0 = "Whether they came together, or were born so far, cannot be said without step 0"


def _of_one(e: Evidence, _: Limits) -> str:
    del e
    return "One dictionary of this recipe: train it again from another start, or give one that was."


def _of_alike(e: Evidence, _: Limits) -> str:
    which = (
        f"{'all' if e.born_alike == e.n_pairs else f'{e.born_alike} of'} {e.n_pairs} pairs" if e.n_pairs > 1 else "they"
    )
    return (
        f"Born alike: {which} share the indices of their atoms, far beyond chance. Their agreement, "
        f"{with_interval(e.agreement)}, says nothing about runs that are independent."
    )


def _of_identical(e: Evidence, _: Limits) -> str:
    which = f"{'all' if e.born_identical == e.n_pairs else f'{e.born_identical} of'} {e.n_pairs} pairs have"
    return (
        f"Born identical: {which if e.n_pairs > 1 else 'they have'} one dictionary at step 0. Their agreement, "
        f"{with_interval(e.agreement)}, says nothing about runs that are independent."
    )


def _of_unfitted(e: Evidence, limits: Limits) -> str:
    return (
        f"Not fitted: the worst run has a held-out R² of {rounded(e.r2)}, below {rounded(limits.min_r2)}: agreement "
        f"({rounded(e.agreement.value)}) of dictionaries that do not reconstruct means nothing. Are these the "
        "activations that they were trained on?"
    )


def _of_beyond(e: Evidence, _: Limits) -> str:
    return (
        f"Beyond random directions, and no more can be said: {_agree(e)}; {_chance(e)} agree {_value(e)}; "
        f"{_started(e)}. What the recipe makes of rows without structure is not known: train it on what reseed "
        "surrogate writes, and give --null."
    )


def _of_not_beyond(e: Evidence, _: Limits) -> str:
    return f"Not beyond random directions: {_agree(e)}; {_chance(e)} agree {_value(e)}."


def _of_few(e: Evidence, _: Limits) -> str:
    return (
        f"Inconclusive: {_agree(e)}; that is {_against_null(e)}; of {e.n_runs} runs and {e.n_null} "
        f"without structure there is "
        f"no interval: {_FEWEST} of each are needed."
    )


def _of_unused(e: Evidence, _: Limits) -> str:
    return (
        f"Inconclusive: {_agree(e)}; in direction that is {_against_null(e)}, but not in use{_codes(e)}: "
        f"the same directions "
        "fire on other tokens."
    )


def _of_stable(e: Evidence, _: Limits) -> str:
    return f"Stable: {_ended(e)}"


def _ended(e: Evidence) -> str:
    said = f"{_agree(e)}; that is {_against_null(e)}{_codes(e)}"
    if e.from_start:
        return f"{said}; {_started(e)}. How they came there is said along training."
    return f"{said}; {_started(e)}. {_NO_STEP_0}."


def _started(e: Evidence) -> str:
    """What is known of how they began."""
    if e.from_start:
        return "at step 0 no two were one dictionary"
    return f"{_birth(e)}, though that they were born alike cannot be excluded"


def _of_partly(e: Evidence, _: Limits) -> str:
    return f"Partly stable: {_ended(e)}"


def _of_unstable(e: Evidence, _: Limits) -> str:
    return f"Unstable: {_agree(e)}; that is {_against_null(e)}{_codes(e)}."


def _of_open(e: Evidence, _: Limits) -> str:
    return (
        f"Inconclusive: {_agree(e)}; that is {_against_null(e)}; the interval of that leaves both open: "
        f"more runs would tell."
    )


def _chance(e: Evidence) -> str:
    return e.chance.title if e.chance is not None else "random directions"


def _value(e: Evidence) -> str:
    return rounded(e.chance.value if e.chance is not None else math.nan)


Rule = tuple["Word", "Callable[[Evidence, Limits], bool]", "Callable[[Evidence, Limits], str]"]

_RULES: tuple[Rule, ...] = (
    ("not testable", lambda e, _: e.n_runs < 2, _of_one),  # noqa: PLR2004 (a pair)
    ("born alike", lambda e, _: e.born_identical > 0, _of_identical),
    ("born alike", lambda e, _: e.born_alike > 0, _of_alike),
    ("not fitted", lambda e, limits: e.r2 < limits.min_r2, _of_unfitted),
    (
        "not beyond random directions",
        lambda e, limits: e.null is None and not _beyond_chance(e, limits),
        _of_not_beyond,
    ),
    ("beyond random directions", lambda e, _: e.null is None, _of_beyond),
    ("inconclusive", _too_few, _of_few),
    ("inconclusive", _not_in_use, _of_unused),
    ("stable", _one_dictionary, _of_stable),
    ("partly stable", _beyond_null, _of_partly),
    ("unstable", _only_as_far, _of_unstable),
    ("inconclusive", lambda _, __: True, _of_open),
)
