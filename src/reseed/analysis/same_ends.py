"""Whether the runs of arms that differ in their start only end alike (docs/mathematics.md, section 7)."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed._support.numbers import interval as in_brackets
from reseed._support.numbers import rounded
from reseed.analysis.across import MOST_ARMS, recipe
from reseed.analysis.intervals import interval
from reseed.analysis.likeness import start_called
from reseed.findings import SameEnds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.analysis.across import Across
    from reseed.analysis.conditions import Analysed
    from reseed.statistics import Conclusion, Estimate

__all__ = ["same_ends"]

_FEW = 2
_OF_STARTS = {"init", "points", "kmeans"}


class _Two(NamedTuple):
    """Two arms of a family."""

    difference: Estimate
    """B(T) of the first less that of the second."""
    across: Estimate
    """Agreement across them less the mean of their B(T)."""
    agreement: float
    """Agreement across them."""


def same_ends(analysed: Sequence[Analysed], across: Across, *, margin: float, level: float) -> tuple[SameEnds, ...]:
    """Of every method that starts in several ways, whether its runs end alike whichever way they started.

    Two arms end alike where their B(T) are equivalent, and where their runs agree across the arms as much as runs that
    started apart agree within them: both tested against the margin, starts left out of both arms together.

    Args:
        analysed: the conditions of a study.
        across: agreement of runs of different arms.
        margin: the smallest difference that matters.
        level: confidence of the intervals.
    """
    families: dict[str, list[Analysed]] = {}
    for each in analysed:
        if each.pairs is not None and len(_starts(each)) >= _FEW:
            families.setdefault(f"{each.findings.n_atoms} {recipe(each.record)}", []).append(each)
    found = (_family(members, across, margin, level) for members in families.values() if _is_family(members))
    return tuple(each for each in found if each is not None)


def _is_family(members: Sequence[Analysed]) -> bool:
    """Whether every arm starts in a way of its own, and all threw the same dice but for those of their starts."""
    kinds = {each.findings.start_kind for each in members}
    rolls = [_rolls(each) for each in members]
    same = all(rolls[0].get(roll, rolled) == rolled for others in rolls for roll, rolled in others.items())
    return same and 1 < len(members) == len(kinds) <= MOST_ARMS


def _rolls(each: Analysed) -> dict[tuple[int, int, str], int]:
    """What the dice of training showed, by start, run and die."""
    return {
        (run.start_index, run.run_index, die): run.rolls[die]
        for run in each.findings.runs
        for die in each.record.dice
        if die not in _OF_STARTS
    }


def _family(members: Sequence[Analysed], across: Across, margin: float, level: float) -> SameEnds | None:
    twos = [_two(x, y, across, level) for x, y in combinations(members, 2)]
    measured = [two for two in twos if two is not None]
    if len(measured) < len(twos):
        return None
    outcome = _outcome([_tested(each, margin) for two in measured for each in (two.difference, two.across)])
    widest = max((two.difference for two in measured), key=lambda each: abs(each.value))
    furthest = min(measured, key=lambda two: two.across.value)
    return SameEnds(
        preprocess=members[0].findings.preprocess,
        arms=tuple(each.findings.arm for each in members),
        starts=tuple(each.findings.start_kind for each in members),
        difference=interval(widest),
        across=interval(furthest.across),
        outcome=outcome,
        sentence=_sentence(members, outcome, widest, furthest),
    )


def _two(x: Analysed, y: Analysed, across: Across, level: float) -> _Two | None:
    """None where fewer than two starts were matched across the arms."""
    starts = sorted(_starts(x).keys() & _starts(y).keys())
    matrices = torch.stack([_by_start(x, starts), _by_start(y, starts), _across_by_start(x, y, starts, across)])
    measured = (~matrices[2].isnan()).sum(dim=1)  # of many starts, only the first are matched across arms
    kept = (measured == max(measured.tolist(), default=0)).nonzero().flatten()
    matrices, groups = matrices[:, kept][:, :, kept], torch.arange(len(kept))
    if statistics.between_start(matrices, groups).isnan().any():
        return None

    def contrasts(kept_pairs: Tensor, kept_starts: Tensor) -> Float[Tensor, " two"]:
        first, second, between = statistics.between_start(kept_pairs, kept_starts)
        return torch.stack([first - second, between - (first + second) / 2])

    difference, less = statistics.jackknife(contrasts, matrices, groups, level=level)
    return _Two(difference, less, statistics.between_start(matrices[2:], groups).item())


def _starts(each: Analysed) -> dict[int, list[str]]:
    """The compared runs of every start, by its number; empty where starts of other numbers are one and the same."""
    ids = () if each.pairs is None else each.pairs.ids
    runs = [run for run in each.findings.runs if run.id in ids]
    found: dict[int, list[str]] = {}
    for run in runs:
        found.setdefault(run.start_index, []).append(run.id)
    return found if len({run.init_group for run in runs}) == len(found) else {}


def _by_start(each: Analysed, starts: Sequence[int]) -> Float[Tensor, "starts starts"]:
    """Mean agreement at the last step of the runs of every two starts of one arm; nan on the diagonal."""
    if each.pairs is None:
        raise ValueError(f"{each.findings.name} has no pairs of runs")
    ids, last = list(each.pairs.ids), each.pairs.measures["agreement"][-1]
    at = [torch.tensor([ids.index(run_id) for run_id in _starts(each)[start]]) for start in starts]
    made = torch.full((len(starts), len(starts)), torch.nan, dtype=torch.float64)
    for i, j in combinations(range(len(starts)), 2):
        made[i, j] = made[j, i] = last[at[i]][:, at[j]].mean()
    return made


def _across_by_start(x: Analysed, y: Analysed, starts: Sequence[int], across: Across) -> Float[Tensor, "starts starts"]:
    """Mean agreement of the runs of every two starts, one in each arm, both ways round; nan where not measured."""
    first, second = _starts(x), _starts(y)
    made = torch.full((len(starts), len(starts)), torch.nan, dtype=torch.float64)
    for i, j in combinations(range(len(starts)), 2):
        ways = ((first[starts[i]], second[starts[j]]), (first[starts[j]], second[starts[i]]))
        pairs = [frozenset((a, b)) for of_x, of_y in ways for a in of_x for b in of_y]
        values = [across[pair] for pair in pairs if pair in across]
        made[i, j] = made[j, i] = sum(values) / len(values) if values else torch.nan
    return made


def _tested(difference: Estimate, margin: float) -> Conclusion:
    return statistics.equivalence(difference, margin=margin, alpha=1 - difference.level).outcome


def _outcome(outcomes: Sequence[Conclusion]) -> Literal["same", "different", "inconclusive"]:
    if all(each == "equivalent" for each in outcomes):
        return "same"
    return "different" if {"advantage", "disadvantage"} & {*outcomes} else "inconclusive"


_TOLD = {
    "same": "{method} ends alike from {starts} starts ({numbers}).",
    "different": "{method} does not end alike from {starts} starts ({numbers}): {tests}.",
    "inconclusive": "Whether {method} ends alike from {starts} starts cannot be told ({numbers}): {tests}.",
}


def _sentence(members: Sequence[Analysed], outcome: str, widest: Estimate, furthest: _Two) -> str:
    *others, last = [start_called(each.findings.start_kind) for each in members]
    ends = " / ".join(rounded(statistics.between_start(_last(each), _groups(each)).item()) for each in members)
    few = "" if widest.defined else "; three starts are needed for a spread over starts"
    return _TOLD[outcome].format(
        method=members[0].findings.kind,
        starts=f"{', from '.join(others)} and from {last}",
        numbers=f"{ends}; across {rounded(furthest.agreement)}",
        tests=f"the ends differ by {_size(widest)}, and runs of two arms agree {_size(furthest.across)} "
        f"{'less' if furthest.across.value < 0 else 'more'} than runs of one{few}",
    )


def _last(each: Analysed) -> Tensor:
    return each.pairs.measures["agreement"][-1:] if each.pairs else torch.empty(0)


def _groups(each: Analysed) -> Tensor:
    return each.pairs.groups if each.pairs else torch.empty(0)


def _size(estimate: Estimate) -> str:
    """How large a difference is, whatever its direction."""
    sign = -1 if estimate.value < 0 else 1
    low, high = sorted((sign * estimate.low, sign * estimate.high))
    return f"{rounded(sign * estimate.value)} {in_brackets(low, high)}".rstrip()
