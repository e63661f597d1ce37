"""Classes of atoms over runs: which atoms of several runs are one feature (docs/mathematics.md, eq. 69 and 70).

Matchings of two runs need not agree with each other: a goes with b, b with c, and a with another atom of c's run. So
classes grow from the links that passed a threshold, the strongest first, and as a whole: two classes become one by what
all their atoms have in common, and never where that would put two atoms of one run together.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.guard import guarded

__all__ = ["Classes", "Links", "classes"]

_A_THIRD = 3  # of the pairs of two classes have to be linked: with half, more classes are split than a third joins
_ONE = 2**40  # strengths are summed as whole numbers of 2^-40: their order changes nothing

_Whole = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True)
class Links:
    """The matched pairs of two runs that passed a threshold, one to one."""

    first: int
    """One run, counted from 0."""
    second: int
    """The other."""
    rows: Int[Tensor, " pairs"]
    """Atoms of the first run, none twice."""
    cols: Int[Tensor, " pairs"]
    """Their partners in the second."""
    strengths: Float[Tensor, " pairs"]
    """How alike the two are, such as their cosine: in (0, 1]."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Classes:
    """Classes with at most one atom of each run; every atom of every run is in one of them.

    Those of most runs come first, of these the strongest; of equals the one with the lowest atom of the first run.
    """

    members: Int[Tensor, "classes runs"]
    """The atom that each run has in a class; -1 where it has none."""
    strengths: Float64[Tensor, " classes"]
    """Mean strength over all pairs of a class's atoms, pairs without a link counting 0: in [0, 1]; 0 for one atom."""
    links: int
    """How many links there were."""
    broken: int
    """Links between atoms of different classes: 0 where the matchings agree with each other."""

    __repr__ = brief_repr

    @property
    def n_runs(self) -> int:
        """How many runs were compared."""
        return self.members.shape[1]

    @property
    def appearances(self) -> Int[Tensor, " classes"]:
        """In how many runs each class has an atom: in [1, n_runs]."""
        return (self.members >= 0).sum(dim=1)

    @property
    def reappearance(self) -> Float64[Tensor, " classes"]:
        """The share of the other runs in which an atom of the class comes back: in [0, 1]; nan for one run."""
        return (self.appearances - 1).double() / (self.n_runs - 1)

    def of(self, run: int) -> Int[Tensor, " atoms"]:
        """The class of each atom of a run."""
        there = (self.members[:, run] >= 0).nonzero().flatten()
        return there[self.members[there, run].argsort()]


@guarded()
def classes(sizes: Sequence[int], links: Sequence[Links]) -> Classes:
    """Classes of the atoms of several runs, from the links between every two of them.

    At first every atom is a class. The linkage of two classes is the mean strength over all pairs of an atom of one and
    an atom of the other, pairs without a link counting 0. Again and again the two classes with the largest linkage
    become one, among those that have no run in common and of whose pairs at least a third are linked; until there are
    none (average linkage, @sokal1958statistical, under a constraint). A few missing links do not split a class, and one
    false link does not join two classes of two.

    The order of runs and of atoms changes nothing, since sums are exact, unless two linkages are equal and exclude each
    other: then the pair with the lowest atom goes first, runs in order and atoms within runs.

    Args:
        sizes: how many atoms each run has.
        links: one entry for every two runs, in any order; strengths are compared to 2^-40.

    Raises:
        ValueError: a pair of runs that is missing or there twice, an atom that is not there or linked twice to one run,
            or a strength outside (0, 1].
    """
    _check(sizes, links)
    found = _graph(sizes, links)
    labels = _labels(found)
    inside = labels[found.ends[0]] == labels[found.ends[1]]
    label_of = labels[found.ends[0][inside]]
    n_classes = int(labels.max(initial=-1)) + 1
    total = np.zeros(n_classes, dtype=np.int64)
    np.add.at(total, label_of, found.strengths[inside])
    count = np.bincount(labels, minlength=n_classes)
    strengths = total / (_ONE * np.maximum(count * (count - 1) // 2, 1))
    lowest = np.full(n_classes, len(labels))
    np.minimum.at(lowest, labels, np.arange(len(labels)))
    order = np.lexsort((lowest, -strengths, -count))
    place = np.empty(n_classes, dtype=np.int64)
    place[order] = np.arange(n_classes)
    members = np.full((n_classes, len(sizes)), -1, dtype=np.int64)
    members[place[labels], found.runs] = found.atoms
    return Classes(
        members=torch.from_numpy(members),
        strengths=torch.from_numpy(strengths[order]),
        links=len(inside),
        broken=int((~inside).sum()),
    )


class _Graph(NamedTuple):
    """All atoms, run after run, and the links between them."""

    runs: _Whole
    """The run of each atom."""
    atoms: _Whole
    """Its number in that run."""
    ends: tuple[_Whole, _Whole]
    """The two atoms of each link."""
    strengths: _Whole
    """Of each link, in 2^-40."""


def _graph(sizes: Sequence[int], links: Sequence[Links]) -> _Graph:
    before = np.cumsum([0, *sizes])
    none = np.zeros(0, dtype=np.int64)
    rows = [each.rows.cpu().long().numpy() + before[each.first] for each in links]
    cols = [each.cols.cpu().long().numpy() + before[each.second] for each in links]
    strengths = [np.rint(each.strengths.cpu().double().numpy() * _ONE).astype(np.int64) for each in links]
    return _Graph(
        runs=np.repeat(np.arange(len(sizes)), sizes),
        atoms=np.concatenate([none, *(np.arange(size) for size in sizes)]),
        ends=(np.concatenate([none, *rows]), np.concatenate([none, *cols])),
        strengths=np.concatenate([none, *strengths]),
    )


def _labels(graph: _Graph) -> _Whole:
    """The class of each atom, numbered from 0.

    Atoms that are all linked with each other, one of each run at most, and with no others are a class whatever the
    strengths; most are such, and only the others are merged one by one.
    """
    n_atoms, (first, second) = len(graph.runs), graph.ends
    linked = coo_array((np.ones(len(first)), graph.ends), shape=(n_atoms, n_atoms))
    n_parts, parts = connected_components(linked, directed=False)
    n_inside, n_links = np.bincount(parts, minlength=n_parts), np.bincount(parts[first], minlength=n_parts)
    plain = n_links == n_inside * (n_inside - 1) // 2  # no link joins atoms of one run: so these are of different runs
    open_atoms, open_links = np.flatnonzero(~plain[parts]), np.flatnonzero(~plain[parts[first]])
    labels = parts.astype(np.int64)
    labels[open_atoms] = n_parts + _merged(
        graph.runs[open_atoms].tolist(),
        np.searchsorted(open_atoms, first[open_links]).tolist(),
        np.searchsorted(open_atoms, second[open_links]).tolist(),
        graph.strengths[open_links].tolist(),
    )
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


class _Shared(NamedTuple):
    """What two classes have in common."""

    total: int
    """Sum of the strengths of the links between them."""
    links: int


def _merged(runs: list[int], first: list[int], second: list[int], strengths: list[int]) -> _Whole:
    """The class of each atom, as the number of the merger that made it, by the rule of `classes`.

    A class that two others become is a new one, so that what is noted of a class never changes: where one of a pair is
    gone, the pair is passed over.
    """
    occupied = [1 << run for run in runs]  # a bit for each run
    count, lowest = [1] * len(runs), list(range(len(runs)))
    shared: list[dict[int, _Shared]] = [{} for _ in runs]
    for a, b, strength in zip(first, second, strengths, strict=True):
        shared[a][b] = shared[b][a] = _Shared(strength, 1)
    made_of: list[tuple[int, ...]] = [()] * len(runs)
    gone = [False] * len(runs)

    def entry(a: int, b: int) -> tuple[float, int, int, int, int]:
        low, high = sorted((lowest[a], lowest[b]))
        return -shared[a][b].total / (count[a] * count[b]), low, high, a, b

    queue = [entry(a, b) for a, b in zip(first, second, strict=True)]
    heapq.heapify(queue)
    while queue:
        *_, a, b = heapq.heappop(queue)
        if gone[a] or gone[b]:
            continue
        gone[a] = gone[b] = True
        new = len(count)
        occupied.append(occupied[a] | occupied[b])
        count.append(count[a] + count[b])
        lowest.append(min(lowest[a], lowest[b]))
        made_of.append((a, b))
        gone.append(False)
        shared.append({})
        for other in shared[a].keys() | shared[b].keys():
            if gone[other] or occupied[other] & occupied[new]:
                continue
            parts = [shared[old][other] for old in (a, b) if other in shared[old]]
            both = _Shared(sum(part.total for part in parts), sum(part.links for part in parts))
            shared[new][other] = shared[other][new] = both
            if _A_THIRD * both.links >= count[new] * count[other]:
                heapq.heappush(queue, entry(new, other))
    return _leaves(made_of, len(runs))


def _leaves(made_of: list[tuple[int, ...]], n_atoms: int) -> _Whole:
    """The last class that each atom went into."""
    last = list(range(len(made_of)))
    for new in range(len(made_of) - 1, n_atoms - 1, -1):
        for old in made_of[new]:
            last[old] = last[new]
    return np.array(last[:n_atoms], dtype=np.int64)


def _check(sizes: Sequence[int], links: Sequence[Links]) -> None:
    if min(sizes, default=0) < 0:
        raise ValueError(f"sizes are {list(sizes)}; a run has at least 0 atoms")
    given = sorted((min(each.first, each.second), max(each.first, each.second)) for each in links)
    if given != list(combinations(range(len(sizes)), 2)):
        raise ValueError(
            f"there are links of the runs {given}; pass them once for every two of {len(sizes)} runs, empty where no "
            "pair passed"
        )
    for each in links:
        where = f"between runs {each.first} and {each.second}"
        if not each.rows.shape == each.cols.shape == each.strengths.shape:
            raise ValueError(f"rows, cols and strengths {where} have different lengths")
        for run, atoms in ((each.first, each.rows), (each.second, each.cols)):
            if len(atoms) and not 0 <= int(atoms.min()) <= int(atoms.max()) < sizes[run]:
                raise ValueError(f"a link {where} has an atom outside the {sizes[run]:,} of run {run}")
            if len(atoms.unique()) < len(atoms):
                raise ValueError(f"an atom of run {run} has two links {where}; matchings are one to one")
        if not bool(((each.strengths > 0) & (each.strengths <= 1)).all()):
            raise ValueError(f"a strength {where} is not in (0, 1]; keep the pairs that pass a threshold above 0")
