"""The consensus dictionary: one atom for each class of atoms that come back over runs (docs/mathematics.md, eq. 77)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.guard import guarded
from reseed.matching import Sign, unit_rows
from reseed.matching.similarity import check_dictionaries
from reseed.reappearance.classes import Classes

__all__ = ["Consensus", "Representative", "consensus"]

Representative = Literal["mean", "medoid"]
"""What stands for a class: the mean of its atoms at length 1, or the one that is most like the others."""

_DIGITS = 12  # sums of cosines that differ less are equal: the first run's atom is the medoid then
_AT_A_TIME = 2**22  # numbers in memory, in eight bytes each


@dataclass(frozen=True)
class Consensus:
    """The classes found in most runs, one atom each; the strongest first among those found in equally many."""

    atoms: Float64[Tensor, "atoms d_model"]
    """At length 1; a class of zero atoms, or one whose atoms cancel, is a zero atom."""
    classes: Int[Tensor, " atoms"]
    """The class that each atom stands for, as numbered by `Classes`."""
    appearances: Int[Tensor, " atoms"]
    """In how many runs it was found."""
    reappearance: Float64[Tensor, " atoms"]
    """The share of the other runs in which an atom of the class comes back: in [0, 1]; nan for one run."""
    strengths: Float64[Tensor, " atoms"]
    """Mean strength over all pairs of the atoms that it stands for, pairs without a link counting 0: in [0, 1]."""
    members: Int[Tensor, "atoms runs"]
    """The atom of each run that it stands for; -1 where a run has none."""
    signs: Float64[Tensor, "atoms runs"]
    """1 for each of these that it is made of, -1 for one that was turned first, 0 for the others."""

    __repr__ = brief_repr


@guarded()
def consensus(
    found: Classes,
    dictionaries: Sequence[Float[Tensor, "_ d_model"]],
    *,
    n_atoms: int | None = None,
    representative: Representative = "mean",
    sign: Sign = "signed",
) -> Consensus:
    """A dictionary of what runs have in common (as @himberg2004validating does for independent components).

    Choose `n_atoms` as large as a single run to compare the two. Where fewer classes come back, the rest are atoms that
    one run alone has, those of the first run first: `appearances` tells.

    Args:
        found: the classes of these runs' atoms.
        dictionaries: of each run, its atoms, in the order in which the classes number them.
        n_atoms: how many of the classes are kept; all without it.
        representative: "mean" of a class's atoms, or "medoid", the atom with the largest mean cosine with the others,
            of equals that of the first run (so of any two atoms).
        sign: with "abs" the atoms of a class are turned to the side of its medoid before their mean is taken.

    Raises:
        ValueError: dictionaries that do not fit each other or the classes, or more atoms than there are classes.
    """
    _check(found, dictionaries)
    n_classes = len(found.members)
    kept = n_classes if n_atoms is None else n_atoms
    if not 0 <= kept <= n_classes:
        raise ValueError(f"n_atoms is {kept:,}; there are {n_classes:,} classes")
    rows = torch.cat([unit_rows(each).cpu() for each in dictionaries])
    before = torch.tensor([0, *(len(each) for each in dictionaries)]).cumsum(dim=0)[:-1]
    members = found.members[:kept]
    at_a_time = max(1, _AT_A_TIME // max(1, members.shape[1] * rows.shape[1]))
    atoms = torch.empty(kept, rows.shape[1], dtype=torch.float64)
    signs = torch.empty(kept, found.n_runs, dtype=torch.float64)
    for first in range(0, kept, at_a_time):
        block = members[first : first + at_a_time]
        there = block >= 0
        gathered = rows[(block + before).where(there, 0)] * there[:, :, None]
        made_of = _signs(gathered, there, representative, sign)
        signs[first : first + at_a_time] = made_of
        atoms[first : first + at_a_time] = unit_rows((gathered * made_of[:, :, None]).sum(dim=1))
    return Consensus(
        atoms=atoms,
        classes=torch.arange(kept),
        appearances=found.appearances[:kept],
        reappearance=found.reappearance[:kept],
        strengths=found.strengths[:kept],
        members=members,
        signs=signs,
    )


def _signs(
    atoms: Float64[Tensor, "classes runs d_model"],
    there: Tensor,
    representative: Representative,
    sign: Sign,
) -> Float64[Tensor, "classes runs"]:
    """Which atoms a class's own is the sum of, before it gets length 1, and which of them are turned (eq. 77)."""
    cosine = atoms @ atoms.mT
    others = (cosine.abs() if sign == "abs" else cosine) * ~torch.eye(cosine.shape[1], dtype=torch.bool)
    alike = others.sum(dim=2).round(decimals=_DIGITS)
    medoid = alike.masked_fill(~there, -torch.inf).argmax(dim=1)
    if representative == "medoid":
        return torch.nn.functional.one_hot(medoid, there.shape[1]).double()
    each = torch.arange(len(atoms))
    turned = (cosine[each, medoid] < 0) if sign == "abs" else torch.zeros_like(there)
    return (1 - 2 * turned.double()) * there


def _check(found: Classes, dictionaries: Sequence[Tensor]) -> None:
    if len(dictionaries) != found.n_runs:
        raise ValueError(f"there are {len(dictionaries)} dictionaries for classes over {found.n_runs} runs")
    for run, each in enumerate(dictionaries):
        check_dictionaries(dictionaries[0], each)
        if len(each) != int((found.members[:, run] >= 0).sum()):
            raise ValueError(
                f"run {run} has {len(each):,} atoms, but {int((found.members[:, run] >= 0).sum()):,} in the classes"
            )
