"""Two arms under one preprocessing: the gap as it would be published, and what of it was born and what earned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed._support.numbers import interval as in_brackets
from reseed._support.numbers import rounded
from reseed.analysis.intervals import interval
from reseed.findings import Comparison

if TYPE_CHECKING:
    from reseed.analysis.conditions import Analysed
    from reseed.analysis.tables import Pairs
    from reseed.statistics import Equivalence, Estimate

__all__ = ["compare_arms"]

_CURVES = {"within": statistics.within_start, "between": statistics.between_start}


@dataclass(frozen=True)
class _Side:
    """One arm of a comparison: its pair matrices and the pairs that count."""

    matched: Float[Tensor, "steps runs runs"]
    starts: Int[Tensor, " runs"]
    which: Literal["within", "between"]

    def curve(self, matched: Tensor, starts: Tensor) -> Float[Tensor, " steps"]:
        return _CURVES[self.which](matched, starts)


def compare_arms(analysed: Sequence[Analysed], *, margin: float, level: float) -> tuple[Comparison, ...]:
    """Every two arms that were compared under the same preprocessing; the later arm against the earlier."""
    usable = [each for each in analysed if each.pairs is not None]
    return tuple(
        _compare(x, y, margin=margin, level=level)
        for y, x in combinations(usable, 2)
        if x.findings.preprocess == y.findings.preprocess
    )


def _compare(x: Analysed, y: Analysed, *, margin: float, level: float) -> Comparison:
    published = _published(x), _published(y)
    gap = _difference(lambda curve: curve[-1], *published, level)
    born = _difference(lambda curve: curve[0], *published, level)
    earned = _difference(statistics.gain, *published, level)
    floor = max(x.floor, y.floor)  # one scale for both: each by its own floor would stretch one arm's gain
    independent = _independent(x, floor), _independent(y, floor)
    test = _tested(_difference(statistics.gain, *independent, level), margin)
    common_r2, difference = _at_common_r2(x, y, floor, level)
    fitted = _tested(difference, margin)
    return Comparison(
        first=x.findings.arm,
        second=y.findings.arm,
        preprocess=x.findings.preprocess,
        first_pairs=published[0].which,
        second_pairs=published[1].which,
        gap=interval(gap),
        born=interval(born),
        earned=interval(earned),
        gain_difference=interval(test.difference),
        outcome=test.outcome,
        runs_to_decide=test.runs_to_decide,
        common_r2=common_r2,
        gain_difference_at_common_r2=interval(fitted.difference),
        outcome_at_common_r2=fitted.outcome,
        like_with_like=not _unlike(x, y),
        sentence=f"{_sentence(x, y, gap, born, test)} {_fitted_sentence(x, common_r2, fitted)}",
    )


def _tested(difference: Estimate, margin: float) -> Equivalence:
    """The equivalence test; over the runs of two starts nothing is known about other starts."""
    test = statistics.equivalence(difference, margin=margin, alpha=1 - difference.level)
    return test if difference.unit == "start" else replace(test, outcome="inconclusive", runs_to_decide=None)


def _at_common_r2(x: Analysed, y: Analysed, floor: float, level: float) -> tuple[float, Estimate]:
    """The largest R² that both arms reach, and the difference of their gains between independent starts up to there.

    Training that fits better may agree otherwise: read at one R² the arms are compared at what they have learnt, not at
    how long they were trained.
    """
    paths = _path(x, floor), _path(y, floor)
    common = min(path[1].diagonal(dim1=-2, dim2=-1).mean(dim=-1).max().item() for path in paths)

    def gain(path: Float[Tensor, "two steps runs runs"], starts: Int[Tensor, " runs"]) -> Float[Tensor, " one"]:
        between = statistics.between_start(path[0], starts)
        return (statistics.at_r2(between, path[1].diagonal(dim1=-2, dim2=-1).mean(dim=-1), common) - between[0])[None]

    first, second = (_Term(gain, path, _pairs(each).groups) for path, each in zip(paths, (x, y), strict=True))
    return common, _jackknifed(first, second, level)


def _path(each: Analysed, floor: float) -> Float[Tensor, "two steps runs runs"]:
    """Floor-adjusted agreement of the pairs, and R² of the runs on the diagonal, at every step."""
    if each.r2 is None:
        raise ValueError(f"{each.findings.name} has no runs to compare")
    adjusted = statistics.floor_adjusted(_pairs(each).measures["agreement"], floor)
    return torch.stack([adjusted, torch.diag_embed(each.r2.to(adjusted))])


def _published(each: Analysed) -> _Side:
    """The pairs a paper would report: of runs that share a start where published work shares it, else of all starts."""
    side = _side(each, _pairs(each).measures["agreement"])
    shared = each.record.shared_when_published and not side.curve(side.matched, side.starts)[0].isnan()
    return side if shared else replace(side, which="between")


def _independent(each: Analysed, floor: float) -> _Side:
    """Pairs of independent starts, floor-adjusted."""
    adjusted = statistics.floor_adjusted(_pairs(each).measures["agreement"], floor)
    return replace(_side(each, adjusted), which="between")


def _side(each: Analysed, matched: Float[Tensor, "steps runs runs"]) -> _Side:
    ends = matched[[0, -1]]  # whatever is compared begins at step 0 and ends at the last step
    return _Side(ends, _pairs(each).groups, "within")


def _pairs(each: Analysed) -> Pairs:
    if each.pairs is None:
        raise ValueError(f"{each.findings.name} has no pairs of runs to compare")
    return each.pairs


def _difference(part: Callable[[Tensor], Tensor], x: _Side, y: _Side, level: float) -> Estimate:
    """part(x) - part(y), `part` being a number about a curve."""

    def of(side: _Side) -> _Term:
        return _Term(lambda matched, starts: part(side.curve(matched, starts))[None], side.matched, side.starts)

    return _jackknifed(of(x), of(y), level)


class _Term(NamedTuple):
    """One side of a difference: a number about some runs, as a function of their pair matrices and starts."""

    number: statistics.Statistic
    pairs: Float[Tensor, "*stack runs runs"]
    starts: Int[Tensor, " runs"]


def _jackknifed(x: _Term, y: _Term, level: float) -> Estimate:
    """X - y: jackknifed together where run i of both arms threw the same dice, else as two samples."""
    if x.pairs.shape == y.pairs.shape and x.starts.equal(y.starts):
        return statistics.paired_contrast((x.number, y.number), x.pairs, y.pairs, x.starts, level=level)[0]
    return statistics.contrast(*(statistics.jackknife(*term, level=level)[0] for term in (x, y)))


_CONCLUSIONS = {
    "advantage": "gains more",
    "equivalent": "gains as much, within the margin",
    "disadvantage": "gains less",
    "inconclusive": "cannot be told from it",
}


def _unlike(x: Analysed, y: Analysed) -> list[str]:
    """What two arms differ in besides their method: agreement depends on the start and on the number of atoms."""
    first, second = x.findings, y.findings
    starts = f"{first.start_kind} against {second.start_kind} starts"
    sizes = f"{first.n_atoms:,} against {second.n_atoms:,} atoms"
    differ = {starts: first.start_kind != second.start_kind, sizes: first.n_atoms != second.n_atoms}
    return [what for what, does in differ.items() if does]


def _sentence(x: Analysed, y: Analysed, gap: Estimate, born: Estimate, test: Equivalence) -> str:
    first, second = x.findings, y.findings
    unlike = _unlike(x, y)
    caution = f" (not like with like: {'; '.join(unlike)})" if unlike else ""
    return (
        f"As it would be published, {first.arm} less {second.arm} is {_with_interval(gap)} in agreement, of which "
        f"{rounded(born.value)} was there at step 0. Between independent starts {first.arm} "
        f"{_CONCLUSIONS[test.outcome]}: floor-adjusted difference {_with_interval(test.difference)}{caution}."
    )


def _fitted_sentence(x: Analysed, common_r2: float, fitted: Equivalence) -> str:
    return (
        f"Up to an R² of {rounded(common_r2)}, the most that both reach, {x.findings.arm} "
        f"{_CONCLUSIONS[fitted.outcome]}: {_with_interval(fitted.difference)}."
    )


def _with_interval(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {in_brackets(estimate.low, estimate.high)}".rstrip()
