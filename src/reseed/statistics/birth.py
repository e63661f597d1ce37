"""Born alike? What the last dictionaries of two runs say about a common start (docs/mathematics.md, eq. 63 and 64).

Runs that do not know of each other number their atoms independently. Then the partner of an atom in an optimal matching
is as likely to have any index as any other, and it is known, whatever was learnt, how many atoms are matched to their
own index and what the mean cosine of atoms with the same index is. Runs of one start keep some of their numbers, even
where their dictionaries agree no more than others do.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from scipy.special import gammainc, ndtr
from torch import Tensor

from reseed._support.guard import guarded
from reseed._support.numbers import rounded
from reseed.dice import generator
from reseed.matching import Sign, match, unit_rows, zero_atoms
from reseed.matching.similarity import check_dictionaries, check_sign, norms_of

__all__ = ["SHARED_INDICES", "BirthTest", "birth_test"]

SHARED_INDICES = 0.001
"""p below which two dictionaries are said to share their indices."""

_SORTED = 0.001  # p of a rank correlation below which atoms count as sorted
_AT_A_TIME = 2**22  # cosines in memory, in eight bytes each


@dataclass(frozen=True)
class BirthTest:
    """Whether two dictionaries share the numbering of their atoms, beyond what chance would give."""

    n_atoms: int
    """Atoms that were tested: of the same index, and alive in both."""
    fixed: int
    """Of these, atoms that are matched to the atom of their own index."""
    expected: float
    """How many chance alone matches so, on average: lambda."""
    p_fixed: float
    """How often chance alone matches at least as many so: Poisson(lambda)."""
    aligned: float
    """Mean cosine of atoms of the same index."""
    by_chance: float
    """The same over all orders of the one dictionary's atoms, exactly."""
    p_aligned: float
    """How often an order of the atoms has at least this mean, by its exact mean and variance and a normal tail."""
    agreement: float
    """The matched agreement of the atoms that are alive, group by group."""
    p_value: float
    """min(1, 2 min(p_fixed, p_aligned)); nan where the test was refused."""
    refused: str = ""
    """Why the test says nothing of this pair; else empty."""

    @property
    def found(self) -> bool:
        """Whether they share their indices: p < .001. False says nothing: atoms may have changed owners since."""
        return self.p_value < SHARED_INDICES

    @property
    def sentence(self) -> str:
        """What it says, with its numbers."""
        if self.refused:
            return f"Whether they share their indices cannot be said: {self.refused}."
        counted = (
            f"{self.fixed:,} of {self.n_atoms:,} atoms are matched to the one of their own index, of which "
            f"{rounded(self.expected)} by chance; p {_told(self.p_value)}"
        )
        if self.found:
            return f"They share their indices: {counted}."
        beside = f"they agree {rounded(self.agreement)}, and that they were born alike cannot be excluded"
        return f"Not by index: {counted}; {beside}."


@guarded()
def birth_test(
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    *,
    fired_a: Tensor | None = None,
    fired_b: Tensor | None = None,
    groups: Sequence[int] | None = None,
    sign: Sign = "signed",
    rolled: int = 0,
) -> BirthTest:
    """Whether two dictionaries share the numbering of their atoms: a test without step 0.

    Two p-values, doubled: atoms matched to their own index are Poisson(lambda), lambda = |common indices| / max(n), and
    the mean cosine of atoms of the same index is held against its exact mean and variance over all orders
    (@hoeffding1951combinatorial). Zero atoms and those that never fire are left out. It is refused where the atoms of
    both are sorted by norm or by how often they fire, since what sorts alike shares indices without sharing a start.

    It says that they share their indices, and not why: the same start, a warm start from one another, or an order that
    both were given. That it finds nothing excludes nothing: a copy in another order shares no index, and neither do
    runs whose atoms changed owners at once.

    Args:
        a: one dictionary, as it was trained, its atoms in the order in which they were trained.
        b: the other.
        fired_a: how often each atom fires, as counts or rates, (n_atoms,); 0 for one that never does. Without it all
            are alive, and order by frequency goes unnoticed.
        fired_b: the same for the other.
        groups: sizes of consecutive groups of atoms that are not exchangeable with others, as in a Matryoshka
            dictionary, together n_atoms; atoms are matched within them, and a group of one atom is left out.
        sign: whether a cosine counts with its sign.
        rolled: decides the order in which ties are matched.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, or groups of other sizes.
    """
    check_dictionaries(a, b)
    check_sign(sign)
    sides = _Side.of(a, fired_a, groups), _Side.of(b, fired_b, groups)
    refused = _sorted(*sides)
    parts = [_part(x, y, sign, rolled) for x, y in _by_group(*sides)]
    tested = [part for part in parts if part.n_largest > 1 and part.n_common > 0]
    n_atoms = sum(part.n_common for part in tested)
    if not refused and n_atoms < 2:  # noqa: PLR2004 (a permutation of one atom says nothing)
        refused = "fewer than two atoms are alive in both at the same index"
    fixed, expected = sum(part.fixed for part in tested), math.fsum(part.n_common / part.n_largest for part in tested)
    p_fixed = float(gammainc(fixed, expected)) if fixed else 1.0  # P(Poisson(lambda) >= fixed)
    total, mean, variance = (
        math.fsum(getattr(part, name) for part in tested) for name in ("total", "mean", "variance")
    )
    p_aligned = float(ndtr((mean - total) / math.sqrt(variance))) if variance > 0 else 1.0
    matched = [part for part in parts if part.n_matched]
    return BirthTest(
        n_atoms=n_atoms,
        fixed=fixed,
        expected=expected,
        p_fixed=p_fixed,
        aligned=total / n_atoms if n_atoms else math.nan,
        by_chance=mean / n_atoms if n_atoms else math.nan,
        p_aligned=p_aligned,
        agreement=_mean([(part.agreement, part.n_matched) for part in matched]),
        p_value=math.nan if refused else min(1.0, 2 * min(p_fixed, p_aligned)),
        refused=refused,
    )


@dataclass(frozen=True)
class _Side:
    """One dictionary: its atoms, also at length 1, which of them count, and what may have sorted them."""

    atoms: Float[Tensor, "atoms d_model"]
    unit: Float64[Tensor, "atoms d_model"]
    alive: Bool[Tensor, " atoms"]
    norms: Float64[Tensor, " atoms"]
    fired: Float64[Tensor, " atoms"] | None
    ends: tuple[int, ...]
    """Where the groups begin and end."""

    @classmethod
    def of(cls, atoms: Tensor, fired: Tensor | None, groups: Sequence[int] | None) -> "_Side":
        sizes = [len(atoms)] if groups is None else list(groups)
        if min(sizes, default=0) < 0 or sum(sizes) != len(atoms):
            raise ValueError(f"groups are {sizes}, together {sum(sizes):,}; a dictionary has {len(atoms):,} atoms")
        if fired is not None and (fired.shape != (len(atoms),) or not bool((fired >= 0).all())):
            raise ValueError(f"how often atoms fire is a number >= 0 for each of {len(atoms):,}, of shape (n_atoms,)")
        fires = torch.ones(len(atoms), dtype=torch.bool) if fired is None else fired.cpu() > 0
        return cls(
            atoms=atoms,
            unit=unit_rows(atoms).cpu(),
            alive=fires & ~zero_atoms(atoms).cpu(),
            norms=norms_of(atoms).cpu().float().double(),
            fired=None if fired is None else fired.cpu().double(),
            ends=(0, *np.cumsum(sizes).tolist()),
        )


@dataclass(frozen=True)
class _Part:
    """What one group of exchangeable atoms says."""

    n_common: int
    n_largest: int
    fixed: int
    n_matched: int
    agreement: float
    total: float
    """Sum of cosines of atoms of the same index."""
    mean: float
    """Of that sum over all orders."""
    variance: float


def _by_group(a: _Side, b: _Side) -> Iterator[tuple[tuple[_Side, slice], tuple[_Side, slice]]]:
    """The stretches of the two that are matched with each other; one and all without groups."""
    for here, there in zip(pairwise(a.ends), pairwise(b.ends), strict=True):
        yield (a, slice(*here)), (b, slice(*there))


def _part(a: tuple[_Side, slice], b: tuple[_Side, slice], sign: Sign, rolled: int) -> _Part:
    (side_a, where_a), (side_b, where_b) = a, b
    index_a, index_b = (side.alive[where].nonzero().flatten() for side, where in (a, b))
    fixed, agreement = _matched_by_index(
        side_a.atoms[where_a], index_a, side_b.atoms[where_b], index_b, sign=sign, rolled=rolled
    )
    common = index_a[torch.isin(index_a, index_b)]
    total, mean, variance = _over_orders(side_a.unit[where_a][common], side_b.unit[where_b][common], sign)
    return _Part(
        n_common=len(common),
        n_largest=max(len(index_a), len(index_b)),
        fixed=fixed,
        n_matched=min(len(index_a), len(index_b)),
        agreement=agreement,
        total=total,
        mean=mean,
        variance=variance,
    )


def _matched_by_index(
    a: Tensor,
    index_a: Int[Tensor, " a_living"],
    b: Tensor,
    index_b: Int[Tensor, " b_living"],
    *,
    sign: Sign,
    rolled: int,
) -> tuple[int, float]:
    """Living atoms that are matched to their own index, and the matched agreement.

    Both are shuffled first: a solver that has to choose between equal cosines chooses by index.
    """
    if not len(index_a) or not len(index_b):
        return 0, math.nan
    chance = generator(rolled, "birth test")
    order_a, order_b = (index[torch.randperm(len(index), generator=chance)] for index in (index_a, index_b))
    matching = match(a[order_a.to(a.device)], b[order_b.to(b.device)], sign=sign)
    return int((order_a[matching.rows] == order_b[matching.cols]).sum()), matching.agreement


def _over_orders(
    a: Float64[Tensor, "atoms d_model"], b: Float64[Tensor, "atoms d_model"], sign: Sign
) -> tuple[float, float, float]:
    """Sum_i c_ii, and its mean and variance over all orders of b (@hoeffding1951combinatorial).

    With d_ij = c_ij less the means of its row and its column and plus that of all, the mean is n times the mean of all
    c_ij, and the variance sum_ij d_ij^2 / (n - 1).
    """
    n = len(a)
    if n < 2:  # noqa: PLR2004 (one order only)
        return (float((a * b).sum()),) * 2 + (0.0,)
    total = (a * b).sum(dim=1)
    rows, columns, squares = _signed_moments(a, b) if sign == "signed" else _absolute_moments(a, b)
    mean = rows.mean()
    variance = (squares - n * (rows.square().sum() + columns.square().sum() - n * mean.square())) / (n - 1)
    return (total if sign == "signed" else total.abs()).sum().item(), n * mean.item(), max(variance.item(), 0.0)


_Moments = tuple[Float64[Tensor, " atoms"], Float64[Tensor, " atoms"], Float64[Tensor, ""]]
"""Of all cosines: the means of the rows and of the columns, and the sum of squares."""


def _signed_moments(a: Float64[Tensor, "atoms d_model"], b: Float64[Tensor, "atoms d_model"]) -> _Moments:
    """Without a cosine of two atoms: the sum of squares of A B' is that of the products of A'A and B'B."""
    return a @ b.mean(dim=0), b @ a.mean(dim=0), ((a.T @ a) * (b.T @ b)).sum()


def _absolute_moments(a: Float64[Tensor, "atoms d_model"], b: Float64[Tensor, "atoms d_model"]) -> _Moments:
    """Block by block, so that the cosines are never in memory together."""
    rows, columns, squares = torch.zeros(len(a)).double(), torch.zeros(len(a)).double(), torch.zeros(()).double()
    at_a_time = max(1, _AT_A_TIME // len(a))
    for first in range(0, len(a), at_a_time):
        block = (a[first : first + at_a_time] @ b.T).abs()
        rows[first : first + at_a_time] = block.mean(dim=1)
        columns += block.sum(dim=0) / len(a)
        squares += block.square().sum()
    return rows, columns, squares


def _sorted(a: _Side, b: _Side) -> str:
    """What sorts the atoms of both, in words; empty where that cannot make indices alike."""
    by_both = [_sorted_by(side) for side in (a, b)]
    if not all(by_both):
        return ""
    first, second = by_both
    by = first if first == second else f"{first} in one and by {second} in the other"
    return f"their atoms are sorted by {by}, and what sorts alike shares indices without sharing a start"


def _sorted_by(side: _Side) -> str:
    """Whether the index of the living atoms goes with their norm, or with how often they fire: Spearman, p < .001."""
    groups = torch.repeat_interleave(torch.arange(len(side.ends) - 1), torch.tensor(side.ends).diff())[side.alive]
    index = torch.arange(len(side.alive)).double()[side.alive]
    quantities = {"norm": side.norms, "how often they fire": side.fired}
    p = {name: _rank_p(index, each[side.alive], groups) for name, each in quantities.items() if each is not None}
    return min((name for name in p if p[name] < _SORTED), key=lambda name: p[name], default="")


def _rank_p(x: Float64[Tensor, " atoms"], y: Float64[Tensor, " atoms"], groups: Int[Tensor, " atoms"]) -> float:
    """Two-sided p of Spearman's rank correlation within groups; 1 where nothing varies."""
    ranks = [(_ranks(x[groups == g]), _ranks(y[groups == g])) for g in groups.unique()]
    products = math.fsum(float((u * v).sum()) for u, v in ranks)
    # over all orders of y within a group, sum u v has variance sum u^2 sum v^2 / (n - 1)
    variance = math.fsum(float(u.square().sum() * v.square().sum()) / (len(u) - 1) for u, v in ranks if len(u) > 1)
    return 2 * float(ndtr(-abs(products) / math.sqrt(variance))) if variance > 0 else 1.0


def _ranks(values: Float64[Tensor, " atoms"]) -> Float64[Tensor, " atoms"]:
    """Ranks about their mean, equal values sharing one."""
    _, which, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks = (ends - (counts - 1) / 2)[which]
    return ranks - ranks.mean()


def _mean(weighted: Sequence[tuple[float, int]]) -> float:
    n = sum(weight for _, weight in weighted)
    return math.fsum(value * weight for value, weight in weighted) / n if n else math.nan


def _told(p: float) -> str:
    """`= .23`, `= 1.2e-07` or `< 1e-300`: never 0."""
    if p < 1e-300:  # noqa: PLR2004 (near the end of float64)
        return "< 1e-300"
    return f"= {p:.1e}" if p < SHARED_INDICES else f"= {rounded(p, 3)}"
