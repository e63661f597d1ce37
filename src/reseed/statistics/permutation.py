"""Permutation test of two arms on the matrix of all pairs, and its smallest p (docs/mathematics.md, eq. 44)."""

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from reseed._support.guard import guarded
from reseed.dice import generator

__all__ = ["PermutationTest", "permutation_test", "smallest_p"]

_TIE = 1e-7  # labellings that tie on paper must tie, whatever the order of their sums, in float32 as well


@dataclass(frozen=True)
class PermutationTest:
    """How often relabelled arms differ at least as much as the real ones."""

    difference: float
    """Mean agreement inside the first arm minus inside the second, over pairs from different starts."""
    p_value: float
    """Two-sided and never 0: the real labelling is one of those counted."""
    smallest_p: float
    """What `p_value` would be if no other labelling came near: with this many runs nothing smaller is possible."""
    n_labellings: int
    exact: bool
    """Whether these are all labellings rather than a random sample of them."""
    reason: str = ""
    """Why the p-value is nan; else empty."""


@guarded(n_first=(1, 10_000), n_second=(1, 10_000))
def smallest_p(n_first: int, n_second: int) -> float:
    """The smallest two-sided p of arms with this many exchangeable units: .10, .029, .008, .002 for 3, 4, 5, 6 each.

    Arms of equal size can also swap names, which changes nothing but the sign.
    """
    return (2 if n_first == n_second else 1) / math.comb(n_first + n_second, n_first)


@guarded(numbers="nan", n_labellings=(1, 10_000_000))
def permutation_test(
    pairs: Float[Tensor, "runs runs"],
    arms: Int[Tensor, " runs"],
    *,
    groups: Int[Tensor, " runs"] | None = None,
    n_labellings: int = 50_000,
    rolled: int = 0,
) -> PermutationTest:
    """Whether two arms differ in agreement, by exchanging which starts belong to which arm.

    `pairs` holds the agreement of every two runs, across the arms as well; `arms` has two different labels, the smaller
    one is the first arm. Whole starts are exchanged (runs of one start are not exchangeable with others); without
    `groups` every run is its own. Up to `n_labellings` labellings all are counted, beyond that as many are drawn, from
    `rolled`, together with the real one.

    Raises ValueError unless there are exactly two arms and no start lies in both.
    """
    groups = torch.arange(len(arms)) if groups is None else groups
    _check(pairs, arms, groups)
    units, unit_of_run = groups.unique(return_inverse=True)
    first = torch.stack([arms[groups == start][0] for start in units]) == arms.min()
    n_first, n_second = int(first.sum()), int((~first).sum())
    exact = math.comb(len(units), n_first) <= n_labellings
    labellings = _all_labellings(len(units), n_first) if exact else _some_labellings(first, n_labellings, rolled)
    apart = groups[:, None] != groups[None, :]
    observed = _differences(pairs, apart, first[None, unit_of_run])[0]
    relabelled = _differences(pairs, apart, labellings[:, unit_of_run])
    as_extreme = relabelled.abs() >= observed.abs() - _TIE
    undefined = bool(observed.isnan())
    return PermutationTest(
        difference=float(observed),
        p_value=math.nan if undefined else float(as_extreme.to(torch.float64).mean()),
        smallest_p=smallest_p(n_first, n_second) if exact else 1 / len(labellings),
        n_labellings=len(labellings),
        exact=exact,
        reason="an arm has one start only, or a pair was not measured" if undefined else "",
    )


def _differences(
    pairs: Float[Tensor, "runs runs"], apart: Bool[Tensor, "runs runs"], in_first: Bool[Tensor, "labellings runs"]
) -> Float64[Tensor, " labellings"]:
    agreement, counted = torch.where(apart, pairs, 0).to(torch.float64), apart.to(torch.float64)

    def inside(arm: Tensor) -> Tensor:
        label = arm.to(torch.float64)
        return ((label @ agreement) * label).sum(dim=1) / ((label @ counted) * label).sum(dim=1)

    return inside(in_first) - inside(~in_first)


def _all_labellings(n_units: int, n_first: int) -> Bool[Tensor, "labellings units"]:
    chosen = torch.tensor(list(combinations(range(n_units), n_first)))
    return torch.zeros(len(chosen), n_units, dtype=torch.bool).scatter_(1, chosen, True)


def _some_labellings(first: Bool[Tensor, " units"], n_drawn: int, rolled: int) -> Bool[Tensor, "labellings units"]:
    order = torch.rand(n_drawn, len(first), generator=generator(rolled, "labellings")).argsort(dim=1)
    return torch.cat([first[None], first[order]])


def _check(pairs: Tensor, arms: Tensor, groups: Tensor) -> None:
    if not pairs.shape == (len(arms), len(arms)) == (len(groups), len(groups)):
        raise ValueError(f"{len(arms)} arm labels and {len(groups)} starts for pairs of shape {tuple(pairs.shape)}")
    if len(arms.unique()) != 2:  # noqa: PLR2004 (two arms are compared)
        raise ValueError(f"arms has {len(arms.unique())} different labels; a test compares two arms")
    shared = sorted(set(groups[arms == arms.min()].tolist()) & set(groups[arms == arms.max()].tolist()))
    if shared:
        raise ValueError(f"starts {shared} have runs in both arms; arms that share starts need paired_contrast")
