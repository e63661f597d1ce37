"""The dictionaries of one recipe together: estimates over runs, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.comparison.document import NullRuns, RecipeGroup
from reseed.comparison.nulls import percentile, quantiles
from reseed.comparison.pairs import Measured, Side, matrix
from reseed.comparison.words import Evidence, said
from reseed.findings import Floor
from reseed.measures import replicated_share
from reseed.thresholds import LEVEL, Limits

if TYPE_CHECKING:
    from reseed.comparison.nulls import Chance
    from reseed.comparison.references import References
    from reseed.comparison.trajectories import Course
    from reseed.statistics import Estimate

__all__ = ["Nulls", "grouped", "nulls_of"]

Pairs = Mapping[tuple[int, int], Measured]


@dataclass(frozen=True)
class Nulls:
    """Runs of one recipe on rows without structure, measured."""

    labels: tuple[str, ...]
    agreement: Estimate
    living: Estimate
    code: Estimate | None
    beyond: float
    """The 99th percentile of their matched cosines."""
    without: tuple[float, ...]
    """The same with each run left out."""
    quantiles: tuple[float, ...]
    """Of these, at `LEVELS`."""
    born_alike: int


def nulls_of(sides: Sequence[Side], found: Pairs) -> Nulls:
    """At least two runs on rows without structure."""
    places = range(len(sides))
    with_codes = all(side.seen is not None for side in sides)
    return Nulls(
        labels=tuple(side.opened.label for side in sides),
        agreement=_over_runs(found, places, lambda pair: pair.agreement),
        living=_over_runs(found, places, lambda pair: pair.living),
        code=_over_runs(found, places, lambda pair: pair.code) if with_codes else None,
        beyond=_percentile(found, set()),
        without=tuple(_percentile(found, {place}) for place in places),
        quantiles=quantiles(torch.cat([each.matching.cosines for each in found.values()])),
        born_alike=sum(
            p < statistics.SHARED_INDICES for p in statistics.holm([e.birth.p_value for e in found.values()])
        ),
    )


def grouped(
    name: str,
    places: Sequence[int],
    sides: Sequence[Side],
    found: Pairs,
    p_values: Mapping[tuple[int, int], float],
    *,
    chance: Chance | None,
    references: References | None,
    nulls: Nulls | None,
    followed: Course | None,
) -> RecipeGroup:
    """One recipe.

    Args:
        name: what it is called.
        places: of its dictionaries.
        sides: all dictionaries.
        found: all their pairs.
        p_values: of the birth test of each pair, among all of them.
        chance: what random directions of this recipe agree; None for one dictionary.
        references: what untrained dictionaries of the same activations agree.
        nulls: its runs on rows without structure.
        followed: its runs along training, where their steps are on disk.
    """
    own = [pair for pair in found if set(pair) <= set(places)]
    identical = () if followed is None else followed.identical
    known = {frozenset((places[i], places[j])) for i, j in identical}
    alike = [pair for pair in own if p_values[pair] < statistics.SHARED_INDICES]
    born_alike = len(known | set(map(frozenset, alike)))
    with_codes = all(sides[place].seen is not None for place in places)
    of_living = with_codes and not any(math.isnan(found[pair].living) for pair in own)
    of_living = of_living and (nulls is None or not math.isnan(nulls.living.value))
    agreement = _over_runs(found, places, lambda pair: pair.living if of_living else pair.agreement)
    code = _over_runs(found, places, lambda pair: pair.code) if with_codes else None
    null = None if nulls is None else nulls.living if of_living else nulls.agreement
    adjusted = None if null is None else statistics.beyond(agreement, null)
    code_null = None if nulls is None else nulls.code
    code_adjusted = None if code is None or code_null is None else statistics.beyond(code, code_null)
    replicated = _replicated(found, places, chance, nulls)
    r2 = [seen.r2 for place in places if (seen := sides[place].seen) is not None]
    word, sentence = said(
        Evidence(
            n_runs=len(places),
            n_pairs=len(own),
            agreement=agreement,
            replicated=replicated,
            chance=None if chance is None else chance.strictest,
            born_alike=born_alike,
            born_identical=len(known),
            from_start=followed is not None and followed.from_start,
            untested=sum(bool(found[pair].birth.refused) for pair in own),
            r2=min(r2, default=math.nan),
            n_null=0 if nulls is None else len(nulls.labels),
            null=null,
            adjusted=adjusted,
            code=code,
            code_null=code_null,
            code_adjusted=code_adjusted,
        ),
        Limits(),
    )
    return RecipeGroup(
        name=name,
        labels=tuple(sides[place].opened.label for place in places),
        pairs=len(own),
        agreement=interval(agreement),
        of_living=of_living,
        replicated=interval(replicated),
        code=None if code is None else interval(code),
        nulls=(*(() if chance is None else chance.floors), *(() if null is None else (_floor(null, nulls),))),
        references=() if references is None else references.agreement,
        code_references=() if references is None else references.code,
        adjusted=None if adjusted is None else interval(adjusted),
        code_adjusted=None if code_adjusted is None else interval(code_adjusted),
        null_runs=None if nulls is None else _null_runs(nulls, of_living=of_living),
        born_alike=born_alike,
        word=word,
        sentence=sentence,
    )


def _over_runs(found: Pairs, places: Sequence[int], number: Callable[[Measured], float]) -> Estimate:
    """The mean over pairs with its error from leaving out one run at a time."""
    values = matrix(found, places, number)
    return statistics.between(values[None], torch.arange(len(places)), level=LEVEL)[0]


def _replicated(found: Pairs, places: Sequence[int], chance: Chance | None, nulls: Nulls | None) -> Estimate:
    """Against the null at hand, whose own error is added where it has one."""
    beyond = nulls.beyond if nulls is not None else chance.beyond if chance is not None else math.nan

    def share(at: float) -> Estimate:
        return _over_runs(found, places, lambda pair: replicated_share(pair.matching, at))

    estimate = share(beyond)
    if nulls is None:
        return estimate
    return statistics.widened(estimate, torch.tensor([share(each).value for each in nulls.without]))


def _percentile(found: Pairs, out: set[int]) -> float:
    kept = [measured.matching.cosines for pair, measured in found.items() if not out & set(pair)]
    return percentile(torch.cat(kept)) if kept else math.nan


def _floor(null: Estimate, nulls: Nulls | None) -> Floor:
    return Floor(
        name="surrogate",
        title="the same recipe on rows without structure",
        role="null",
        value=null.value,
        spread=math.nan,
        standard_error=null.standard_error,
        n=0 if nulls is None else len(nulls.labels),
        policy="dictionaries given with --null",
        reason=null.reason if math.isnan(null.value) else "",
    )


def _null_runs(nulls: Nulls, *, of_living: bool) -> NullRuns:
    return NullRuns(
        labels=nulls.labels,
        agreement=interval(nulls.living if of_living else nulls.agreement),
        code=None if nulls.code is None else interval(nulls.code),
        beyond=nulls.beyond,
        born_alike=nulls.born_alike,
    )
