"""Two arms under one preprocessing: the gap as it would be published, and what of it was born and what earned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import agreement, inference
from reseed.conditions import interval
from reseed.findings import Comparison
from reseed.numbers import interval as in_brackets
from reseed.numbers import rounded

if TYPE_CHECKING:
    from reseed.conditions import Analysed
    from reseed.inference import Equivalence, Estimate
    from reseed.pairs import Pairs

__all__ = ["compare_arms"]

_CURVES = {"within": agreement.within_start, "between": agreement.between_start}


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
    earned = _difference(agreement.gain, *published, level)
    floor = max(x.floor, y.floor)  # one scale for both: each by its own floor would stretch one arm's gain
    independent = _independent(x, floor), _independent(y, floor)
    test = inference.equivalence(_difference(agreement.gain, *independent, level), margin=margin, alpha=1 - level)
    # over the runs of two starts nothing is known about other starts
    test = test if test.difference.unit == "start" else replace(test, outcome="inconclusive", runs_to_decide=None)
    alike = not _unlike(x, y)
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
        like_with_like=alike,
        sentence=_sentence(x, y, gap, born, test),
    )


def _published(each: Analysed) -> _Side:
    """The pairs a paper would report: runs from a k-means start share it, runs from other starts do not."""
    side = _side(each, _pairs(each).measures["agreement"])
    shared = each.findings.start.startswith("kmeans") and not side.curve(side.matched, side.starts)[0].isnan()
    return side if shared else replace(side, which="between")


def _independent(each: Analysed, floor: float) -> _Side:
    """Pairs of independent starts, floor-adjusted."""
    adjusted = agreement.floor_adjusted(_pairs(each).measures["agreement"], floor)
    return replace(_side(each, adjusted), which="between")


def _side(each: Analysed, matched: Float[Tensor, "steps runs runs"]) -> _Side:
    ends = matched[[0, -1]]  # whatever is compared begins at step 0 and ends at the last step
    return _Side(ends, _pairs(each).starts, "within")


def _pairs(each: Analysed) -> Pairs:
    if each.pairs is None:
        raise ValueError(f"{each.findings.name} has no pairs of runs to compare")
    return each.pairs


def _difference(part: Callable[[Tensor], Tensor], x: _Side, y: _Side, level: float) -> Estimate:
    """part(x) - part(y): jackknifed together where run i of both arms threw the same dice, else as two samples."""
    if x.matched.shape == y.matched.shape and x.starts.equal(y.starts):

        def paired(both: Tensor, starts: Tensor) -> Tensor:
            return (part(x.curve(both[0], starts)) - part(y.curve(both[1], starts)))[None]

        return inference.jackknife(paired, torch.stack([x.matched, y.matched]), x.starts, level=level)[0]
    alone = [
        inference.jackknife(
            lambda m, s, side=side: part(side.curve(m, s))[None], side.matched, side.starts, level=level
        )
        for side in (x, y)
    ]
    return inference.contrast(alone[0][0], alone[1][0])


_CONCLUSIONS = {
    "advantage": "gains more",
    "equivalent": "gains as much, within the margin",
    "disadvantage": "gains less",
    "inconclusive": "cannot be told from it",
}


def _unlike(x: Analysed, y: Analysed) -> list[str]:
    """What two arms differ in besides their method: agreement depends on the start and on the number of atoms."""
    first, second = x.findings, y.findings
    starts = f"{first.start} against {second.start} starts"
    sizes = f"{first.n_atoms:,} against {second.n_atoms:,} atoms"
    return [*([starts] if first.start != second.start else []), *([sizes] if first.n_atoms != second.n_atoms else [])]


def _sentence(x: Analysed, y: Analysed, gap: Estimate, born: Estimate, test: Equivalence) -> str:
    first, second = x.findings, y.findings
    unlike = _unlike(x, y)
    caution = f" (not like with like: {'; '.join(unlike)})" if unlike else ""
    return (
        f"As it would be published, {first.arm} less {second.arm} is {_with_interval(gap)} in agreement, of which "
        f"{rounded(born.value)} was there at step 0. Between independent starts {first.arm} "
        f"{_CONCLUSIONS[test.outcome]}: floor-adjusted difference {_with_interval(test.difference)}{caution}."
    )


def _with_interval(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {in_brackets(estimate.low, estimate.high)}".rstrip()
