"""Two arms under one preprocessing: the gap as it would be published, and what of it was born and what earned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed import statistics
from reseed._support.numbers import interval as in_brackets
from reseed._support.numbers import rounded
from reseed.analysis.intervals import interval
from reseed.analysis.likeness import compared_arms, unlike
from reseed.findings import Comparison

if TYPE_CHECKING:
    from reseed.analysis.conditions import Analysed
    from reseed.analysis.tables import Pairs
    from reseed.statistics import Estimate

__all__ = ["MOST_STARTS", "compare_arms"]

MOST_STARTS = 12
"""More starts than these, and than twice those there are, is no advice."""

_CURVES = {"within": statistics.within_start, "between": statistics.between_start}


@dataclass(frozen=True)
class _Side:
    """One arm of a comparison: its pair matrices and the pairs that count."""

    matched: Float[Tensor, "steps runs runs"]
    starts: Int[Tensor, " runs"]
    which: Literal["within", "between"]

    def curve(self, matched: Tensor, starts: Tensor) -> Float[Tensor, " steps"]:
        return _CURVES[self.which](matched, starts)


def compare_arms(
    analysed: Sequence[Analysed], *, margin: float, level: float, study: Mapping[str, Any] | None = None
) -> tuple[Comparison, ...]:
    """The arms that `compared_arms` names, under each preprocessing; all in agreement, as the margin is.

    Args:
        analysed: the conditions of a study.
        margin: the smallest difference of gains that matters.
        level: confidence of the intervals.
        study: the study as it was given, which may say which arms to compare.
    """
    return tuple(_compare(x, y, margin=margin, level=level) for x, y in compared_arms(analysed, study or {}))


def _compare(x: Analysed, y: Analysed, *, margin: float, level: float) -> Comparison:
    published = _published(x), _published(y)
    gap, born, earned = _difference(_gap_born_earned, *published, level)
    (gains,) = _difference(_gain, _independent(x), _independent(y), level)
    common_r2, gains_at_common_r2 = _at_common_r2(x, y, level)
    differ = unlike(x, y)
    test, fitted = (_tested(each, margin, alike=not differ) for each in (gains, gains_at_common_r2))
    return Comparison(
        first=x.findings.arm,
        second=y.findings.arm,
        preprocess=x.findings.preprocess,
        first_pairs=published[0].which,
        second_pairs=published[1].which,
        gap=interval(gap),
        born=interval(born),
        earned=interval(earned),
        gain_difference=interval(gains),
        outcome=test.outcome,
        runs_to_decide=test.starts,
        would_decide=test.would_decide,
        common_r2=common_r2,
        gain_difference_at_common_r2=interval(gains_at_common_r2),
        outcome_at_common_r2=fitted.outcome,
        like_with_like=not differ,
        unlike="; ".join(differ),
        sentence=f"{_sentence(x, y, gap, born, test)} {_fitted_sentence(x, common_r2, fitted)}",
    )


@dataclass(frozen=True)
class _Tested:
    """What the equivalence test of a difference of gains comes to."""

    difference: Estimate
    outcome: Literal["advantage", "equivalent", "disadvantage", "inconclusive", "not compared"]
    starts: int | None = None
    """Starts per arm that would decide."""
    would_decide: str = ""


def _tested(difference: Estimate, margin: float, *, alike: bool) -> _Tested:
    """Of fewer than three starts there is no spread; unlike arms differ in more than their method."""
    if not alike:
        return _Tested(difference, "not compared")
    if not difference.defined:
        return _Tested(difference, "inconclusive", would_decide="at least three starts per arm")
    test = statistics.equivalence(difference, margin=margin, alpha=1 - difference.level)
    if test.outcome != "inconclusive":
        return _Tested(difference, test.outcome)
    most = max(MOST_STARTS, 2 * difference.n_units)  # a spread over few starts foretells no more
    needed = test.runs_to_decide
    if needed is None or needed > most:
        return _Tested(difference, "inconclusive", would_decide=f"more than {most} starts per arm")
    return _Tested(difference, "inconclusive", needed, f"about {needed} starts per arm")


def _at_common_r2(x: Analysed, y: Analysed, level: float) -> tuple[float, Estimate]:
    """The largest R² that both arms reach, and the difference of their gains between independent starts up to there.

    Training that fits better may agree otherwise: read at one R² the arms are compared at what they have learnt, not at
    how long they were trained.
    """
    paths = _path(x), _path(y)
    common = min(path[1].diagonal(dim1=-2, dim2=-1).mean(dim=-1).max().item() for path in paths)

    def gain(path: Float[Tensor, "two steps runs runs"], starts: Int[Tensor, " runs"]) -> Float[Tensor, " one"]:
        between = statistics.between_start(path[0], starts)
        return (statistics.at_r2(between, path[1].diagonal(dim1=-2, dim2=-1).mean(dim=-1), common) - between[0])[None]

    first, second = (_Term(gain, path, _pairs(each).groups) for path, each in zip(paths, (x, y), strict=True))
    return common, _jackknifed(first, second, level)[0]


def _path(each: Analysed) -> Float[Tensor, "two steps runs runs"]:
    """Agreement of the pairs, and R² of the runs on the diagonal, at every step."""
    if each.r2 is None:
        raise ValueError(f"{each.findings.name} has no runs to compare")
    matched = _pairs(each).measures["agreement"]
    return torch.stack([matched, torch.diag_embed(each.r2.to(matched))])


def _published(each: Analysed) -> _Side:
    """The pairs a paper would report: of runs that share a start where published work shares it, else of all starts."""
    side = _side(each, _pairs(each).measures["agreement"])
    shared = each.record.shared_when_published and not side.curve(side.matched, side.starts)[0].isnan()
    return side if shared else replace(side, which="between")


def _independent(each: Analysed) -> _Side:
    """Pairs of independent starts."""
    return replace(_side(each, _pairs(each).measures["agreement"]), which="between")


def _side(each: Analysed, matched: Float[Tensor, "steps runs runs"]) -> _Side:
    ends = matched[[0, -1]]  # whatever is compared begins at step 0 and ends at the last step
    return _Side(ends, _pairs(each).groups, "within")


def _pairs(each: Analysed) -> Pairs:
    if each.pairs is None:
        raise ValueError(f"{each.findings.name} has no pairs of runs to compare")
    return each.pairs


def _gap_born_earned(curve: Float[Tensor, " steps"]) -> Float[Tensor, " three"]:
    return torch.stack([curve[-1], curve[0], statistics.gain(curve)])


def _gain(curve: Float[Tensor, " steps"]) -> Float[Tensor, " one"]:
    return statistics.gain(curve)[None]


def _difference(parts: Callable[[Tensor], Tensor], x: _Side, y: _Side, level: float) -> tuple[Estimate, ...]:
    """parts(x) - parts(y), `parts` being numbers about a curve."""

    def of(side: _Side) -> _Term:
        return _Term(lambda matched, starts: parts(side.curve(matched, starts)), side.matched, side.starts)

    return _jackknifed(of(x), of(y), level)


class _Term(NamedTuple):
    """One side of a difference: a number about some runs, as a function of their pair matrices and starts."""

    number: statistics.Statistic
    pairs: Float[Tensor, "*stack runs runs"]
    starts: Int[Tensor, " runs"]


def _jackknifed(x: _Term, y: _Term, level: float) -> tuple[Estimate, ...]:
    """X - y: jackknifed together where run i of both arms threw the same dice, else as two samples."""
    if x.pairs.shape == y.pairs.shape and x.starts.equal(y.starts):
        return statistics.paired_contrast((x.number, y.number), x.pairs, y.pairs, x.starts, level=level)
    sides = (statistics.jackknife(*term, level=level) for term in (x, y))
    return tuple(statistics.contrast(*each) for each in zip(*sides, strict=True))


_CONCLUSIONS = {
    "advantage": "gains more",
    "equivalent": "gains as much, within the margin",
    "disadvantage": "gains less",
    "inconclusive": "cannot be told from it",
}


def _sentence(x: Analysed, y: Analysed, gap: Estimate, born: Estimate, test: _Tested) -> str:
    first, second = x.findings, y.findings
    published = (
        f"As it would be published, {first.arm} less {second.arm} is {_with_interval(gap)} in agreement, of which "
        f"{rounded(born.value)} was there at step 0."
    )
    if test.outcome == "not compared":
        return (
            f"{published} Between independent starts their gains differ by {_with_interval(test.difference)}; that is "
            f"not like with like ({'; '.join(unlike(x, y))}) and decides nothing about the methods."
        )
    needed = f"; {test.would_decide} would decide" if test.would_decide else ""
    return (
        f"{published} Between independent starts {first.arm} {_CONCLUSIONS[test.outcome]}: difference of the gains "
        f"{_with_interval(test.difference)}{needed}."
    )


def _fitted_sentence(x: Analysed, common_r2: float, fitted: _Tested) -> str:
    up_to = f"Up to an R² of {rounded(common_r2)}, the most that both reach,"
    difference = _with_interval(fitted.difference)
    if fitted.outcome == "not compared":
        return f"{up_to} the gains differ by {difference}."
    return f"{up_to} {x.findings.arm} {_CONCLUSIONS[fitted.outcome]}: {difference}."


def _with_interval(estimate: Estimate) -> str:
    return f"{rounded(estimate.value)} {in_brackets(estimate.low, estimate.high)}".rstrip()
