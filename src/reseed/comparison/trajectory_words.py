"""What is said of the runs of one recipe along training. Pure: nothing is measured, read or printed here.

Where all is known that a verdict needs, its own sentence is said; else where runs began and ended, and what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.verdict.sentences import with_interval

if TYPE_CHECKING:
    from reseed.findings import Verdict
    from reseed.statistics import Ends, Estimate
    from reseed.thresholds import Limits

__all__ = ["Followed", "judged_sentence", "said"]


@dataclass(frozen=True)
class Followed:
    """What is known about the runs of one recipe at the steps that they have in common."""

    n_runs: int
    first_step: int
    last_step: int
    change: Ends | None
    """B at the first step, at the last, and what lies between; None where all runs were born identical."""
    within: Estimate | None
    """W at the last step; None without step 0, and without runs that were born identical."""
    memory: Estimate | None
    """At the last step; None unless there are pairs of both kinds."""
    contraction: Estimate | None
    null_contraction: Estimate | None
    slower: Estimate | None
    """kappa less that of rows without structure; None where one has none, or they end at other steps."""
    born_alike: int
    """Pairs of the last dictionaries that share their indices."""
    n_null: int
    """Runs on rows without structure."""
    null_steps: tuple[int, ...]
    """The steps that these have in common."""
    with_codes: bool
    """Whether codes of all runs are known at every step."""


def judged_sentence(verdict: Verdict) -> str:
    """The word of a verdict before its sentence, and what says otherwise after it."""
    word = str(verdict.outcome)
    return " ".join((f"{word[0].upper()}{word[1:]}: {verdict.sentence}", *verdict.disagreements))


def said(f: Followed, limits: Limits) -> str:
    """Where runs that started apart began and ended, and what that can be held against."""
    if f.first_step > 0:
        return _without_start(f)
    if f.change is None:
        within = "" if f.within is None else f" They end at {with_interval(f.within)}."
        return (
            f"Born identical: all {f.n_runs} runs have one dictionary at step 0, and nothing can be said of runs that "
            f"came together.{within}"
        )
    return f"{_course(f, f.change, limits)}{_memory(f)} {_against_null(f, limits)}"


def _without_start(f: Followed) -> str:
    unknown = (
        f"The first step on disk is {f.first_step:,}: how far these runs were born alike, and whether they came "
        "together, cannot be said."
    )
    born = (
        f" Their last dictionaries share their indices ({f.born_alike} pair{'s' if f.born_alike > 1 else ''}): they "
        "were born alike."
        if f.born_alike
        else " By the indices of their last dictionaries they were not born alike, as far as that can be seen."
    )
    if f.change is None:
        return f"{unknown}{born}"
    return (
        f"{unknown} From there to step {f.last_step:,} they went {_from_to(f.change)}: a change since step "
        f"{f.first_step:,} of {with_interval(f.change.gain)}.{born}"
    )


def _course(f: Followed, change: Ends, limits: Limits) -> str:
    path = f"From step 0 to {f.last_step:,} runs that started apart went {_from_to(change)}"
    gain = change.gain
    if 1 - change.first.value <= limits.margin:
        return f"{path}: they agreed so far at step 0 that no gain is possible."
    if not gain.defined:
        return f"{path}: a gain of {rounded(gain.value)}, of two starts and so without an interval."
    if gain.high < 0:
        return f"{path}: they came apart, by a gain of {with_interval(gain)}."
    none = "" if gain.low > 0 else ", which may be none"
    return f"{path}: a gain of {with_interval(gain)}{none}."


def _from_to(change: Ends) -> str:
    return f"from {rounded(change.first.value)} to {with_interval(change.last)}"


def _memory(f: Followed) -> str:
    if f.within is None or f.memory is None:
        return ""
    return f" Runs that were born identical end at {with_interval(f.within)}: init memory {with_interval(f.memory)}."


def _against_null(f: Followed, limits: Limits) -> str:
    lead = "Whether that is more than the recipe gives on rows without structure"
    if not f.n_null:
        return f"{lead} needs --null with steps of its own."
    if not f.null_steps:
        return f"{lead} needs steps of the runs that were given as --null, too."
    if f.slower is None or f.contraction is None or f.null_contraction is None or f.change is None:
        return (
            f"{lead} cannot be said: those runs are on disk from step {f.null_steps[0]:,} to {f.null_steps[-1]:,}, and "
            f"are needed, started apart, from 0 to {f.last_step:,}."
        )
    judged = "" if f.with_codes else " The word of a verdict needs codes, too: give --activations."
    return (
        f"Of their distance at step 0 {with_interval(f.contraction)} is left, on rows without structure "
        f"{with_interval(f.null_contraction)}{_faster(f.slower, 1 - f.change.first.value, limits)}.{judged}"
    )


def _faster(slower: Estimate, distance: float, limits: Limits) -> str:
    """As the rules of verdicts have it: no faster is said within what the margin is of the distance at step 0."""
    if not slower.defined:
        return "; three starts of each are needed to tell whether they came together faster than there"
    if slower.high < 0:
        return ": they came together faster than the recipe does without structure"
    if slower.low * distance > -limits.margin:
        return ": no faster than the recipe does without structure"
    return ": whether they came together faster than there cannot be told with this spread"
