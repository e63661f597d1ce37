"""Sets of r atoms of two dictionaries whose spans are as near as a greedy search finds (eq. 82 to 84).

The search from one atom, its seed: at every size r both sets are chosen anew, the second dictionary's for the span of
what is there, then the first's, which keeps the seed, for the span of that, then the second's for the span of these. A
choice is a forward selection: atom after atom, always the one whose part outside the span of those before it lies in
the target the most. Candidates are the nearest atoms, at home and in the other dictionary, of those chosen at the size
before; all cosines count by their size here, since a span has no sign. (docs/mathematics.md)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int
from torch import Tensor

from reseed._support.brief import brief_repr

__all__ = ["Grown", "Lists", "back_in", "grown", "nearest", "worst_cosines"]

_AT_A_TIME = 2**24  # numbers in memory, in four bytes each
_INSIDE = 0.001  # an atom with less of its square than this outside the span of those chosen adds no direction


@dataclass(frozen=True)
class Lists:
    """For each atom of one dictionary those of another, or of its own, that are candidates to stand beside it."""

    atoms: Int[Tensor, "atoms listed"]
    """The first is the best."""
    values: Float32[Tensor, "atoms listed"]
    """How near they are: a cosine or a correlation without its sign."""

    __repr__ = brief_repr


class Grown(NamedTuple):
    """What a search from some seeds has found, at every size from 1 on."""

    scores: Float32[Tensor, "seeds sizes"]
    """The cosine of the largest principal angle between the two spans: in [0, 1] (eq. 82)."""
    own: tuple[Int[Tensor, "seeds _"], ...]
    """The atoms of the first dictionary, the seed first: r of them at size r."""


class _Chosen(NamedTuple):
    atoms: Int[Tensor, "seeds r"]
    basis: Float32[Tensor, "seeds r d_model"]
    """Orthonormal rows that span them; zero rows where there were too few candidates."""


def nearest(
    a: Float32[Tensor, "a_atoms d_model"], b: Float32[Tensor, "b_atoms d_model"], listed: int, *, home: bool = False
) -> Lists:
    """The atoms of `b` with the largest cosines, whatever their sign, with each of `a`; at home never the atom itself.

    Never more than a stripe of all cosines is in memory.
    """
    listed = min(listed, len(b) - home)
    atoms = torch.empty(len(a), listed, dtype=torch.int64)
    values = torch.empty(len(a), listed)
    step = max(1, _AT_A_TIME // max(1, len(b)))
    for first in range(0, len(a), step):
        cosines = (a[first : first + step] @ b.T).abs()
        if home:
            rows = torch.arange(len(cosines))
            cosines[rows, first + rows] = -1.0
        best = cosines.topk(listed, dim=1)
        atoms[first : first + step], values[first : first + step] = best.indices, best.values
    return Lists(atoms, values)


@dataclass(frozen=True)
class _Two:
    """Two dictionaries and the lists between and within them."""

    a: Float32[Tensor, "a_atoms d_model"]
    b: Float32[Tensor, "b_atoms d_model"]
    a_home: Lists
    b_home: Lists
    a_to_b: Lists
    b_to_a: Lists
    firing: Lists | None


def grown(
    a: Float32[Tensor, "a_atoms d_model"],
    b: Float32[Tensor, "b_atoms d_model"],
    seeds: Int[Tensor, " seeds"],
    *,
    largest: int,
    listed: int,
    homes: tuple[Lists, Lists] | None = None,
    firing: Lists | None = None,
) -> Grown:
    """From each seed, an atom of `a`: the sets of 1 to `largest` atoms whose spans are nearest to each other.

    Args:
        a: unit atoms, zeros for zero atoms.
        b: those of the other dictionary.
        seeds: where to begin.
        largest: the largest size.
        listed: how many neighbours of an atom are candidates.
        homes: the lists of `nearest` within each dictionary, where they are known already.
        firing: instead of growing for the other dictionary's span, `a`'s sets grow by these lists, such as of atoms
            that fire together: each time the atom that is nearest to any of the set.
    """
    a_home, b_home = homes or (nearest(a, a, listed, home=True), nearest(b, b, listed, home=True))
    two = _Two(a, b, a_home, b_home, nearest(a, b, listed), nearest(b, a, listed), firing)
    candidates = 1 + 2 * largest * (listed + 1)
    step = max(1, _AT_A_TIME // (candidates * a.shape[1]))
    parts = [_grown(two, part, largest) for part in seeds.split(step)]
    sizes = range(largest) if parts else ()
    return Grown(
        torch.cat([part.scores for part in parts]) if parts else a.new_zeros(0, largest),
        tuple(torch.cat([part.own[size] for part in parts]) for size in sizes),
    )


def back_in(
    a: Float32[Tensor, "a_atoms d_model"],
    c: Float32[Tensor, "c_atoms d_model"],
    sets: Int[Tensor, "sets r"],
    *,
    listed: int,
) -> Float32[Tensor, " sets"]:
    """How well the span of each set of atoms of `a` comes back as that of as many atoms of `c`: in [0, 1] (eq. 82)."""
    if not len(sets):
        return a.new_zeros(0)
    members = sets.unique()
    lists = torch.zeros(len(a), min(listed, len(c)), dtype=torch.int64)
    lists[members] = nearest(a[members], c, listed).atoms
    step = max(1, _AT_A_TIME // (sets.shape[1] * lists.shape[1] * a.shape[1]))
    scores = []
    for part in sets.split(step):
        own = _orthonormal(a[part])
        scores.append(worst_cosines(own, _selected(own, c, lists[part].flatten(1), part.shape[1]).basis))
    return torch.cat(scores)


def worst_cosines(
    u: Float32[Tensor, "pairs r d_model"], v: Float32[Tensor, "pairs r d_model"]
) -> Float32[Tensor, " pairs"]:
    """The cosine of the largest principal angle between the spans of orthonormal rows: in [0, 1] (eq. 82)."""
    return torch.linalg.svdvals(u @ v.mT)[:, -1].clamp(max=1.0)


def _grown(two: _Two, seeds: Int[Tensor, " seeds"], largest: int) -> Grown:
    own = _Chosen(seeds[:, None], two.a[seeds][:, None])
    other = _selected(own.basis, two.b, two.a_to_b.atoms[seeds], 1)
    scores, sets = [worst_cosines(own.basis, other.basis)], [own.atoms]
    for size in range(2, largest + 1):
        if two.firing is None:
            own, other = _grown_across(two, own, other, size)
        else:
            own = _grown_firing(two, two.firing, own)
            other = _selected(own.basis, two.b, two.a_to_b.atoms[own.atoms].flatten(1), size)
        scores.append(worst_cosines(own.basis, other.basis))
        sets.append(own.atoms)
    return Grown(torch.stack(scores, dim=1), tuple(sets))


def _grown_across(two: _Two, own: _Chosen, other: _Chosen, size: int) -> tuple[_Chosen, _Chosen]:
    """One atom more on both sides (eq. 84)."""
    both = _orthonormal(torch.cat([own.basis, other.basis], dim=1))
    theirs = torch.cat(
        [other.atoms, two.a_to_b.atoms[own.atoms].flatten(1), two.b_home.atoms[other.atoms].flatten(1)], 1
    )
    other = _selected(both, two.b, theirs, size)
    ours = torch.cat([own.atoms, two.a_home.atoms[own.atoms].flatten(1), two.b_to_a.atoms[other.atoms].flatten(1)], 1)
    own = _selected(other.basis, two.a, ours, size, keep_first=True)
    theirs = torch.cat([other.atoms, two.a_to_b.atoms[own.atoms].flatten(1)], 1)
    return own, _selected(own.basis, two.b, theirs, size)


def _grown_firing(two: _Two, firing: Lists, own: _Chosen) -> _Chosen:
    """One atom more: of those not there yet the one with the largest value beside any that is."""
    listed = firing.atoms[own.atoms].flatten(1)
    there = (listed[:, :, None] == own.atoms[:, None, :]).any(dim=2)
    best = firing.values[own.atoms].flatten(1).masked_fill(there, -1.0).argmax(dim=1, keepdim=True)
    atoms = torch.cat([own.atoms, listed.gather(1, best)], dim=1)
    return _Chosen(atoms, _orthonormal(two.a[atoms]))


def _selected(
    target: Float32[Tensor, "seeds k d_model"],
    units: Float32[Tensor, "atoms d_model"],
    candidates: Int[Tensor, "seeds candidates"],
    count: int,
    *,
    keep_first: bool = False,
) -> _Chosen:
    """Forward selection of `count` candidates for the span of the target's orthonormal rows (eq. 83).

    A candidate that lies in the span of those chosen, or is one of them, is passed over.
    """
    x = units[candidates]
    inner, outside = x @ target.mT, x.square().sum(dim=2)
    rows = torch.arange(len(x))
    atoms: list[Tensor] = []
    basis = x.new_zeros(len(x), count, x.shape[2])
    for place in range(count):
        gain = (inner.square().sum(dim=2) / outside.clamp(min=_INSIDE)).masked_fill(outside < _INSIDE, -1.0)
        pick = torch.zeros_like(rows) if keep_first and place == 0 else gain.argmax(dim=1)
        direction = _outside(x[rows, pick], basis[:, :place])
        direction = direction * (gain[rows, pick] >= 0)[:, None]
        basis[:, place] = direction
        atoms.append(candidates[rows, pick])
        along = (x @ direction[:, :, None])[..., 0]
        outside = (outside - along.square()).clamp(min=0)
        inner = inner - along[:, :, None] * (target @ direction[:, :, None]).mT
    return _Chosen(torch.stack(atoms, dim=1), basis)


def _outside(
    vectors: Float32[Tensor, "seeds d_model"], basis: Float32[Tensor, "seeds k d_model"]
) -> Float32[Tensor, "seeds d_model"]:
    """The part of each vector outside the span of orthonormal rows, at length 1; twice, against rounding."""
    for _ in range(2):
        vectors = vectors - ((basis @ vectors[:, :, None]).mT @ basis)[:, 0]
    return torch.nn.functional.normalize(vectors, dim=1)


def _orthonormal(vectors: Float32[Tensor, "seeds k d_model"]) -> Float32[Tensor, "seeds k d_model"]:
    return torch.linalg.qr(vectors.mT).Q.mT
