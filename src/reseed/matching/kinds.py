"""Exact duplicates among the atoms of a dictionary: one kind that there are several of, looked at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from reseed._support.jit import compiled
from reseed.dice import generator
from reseed.matching.products import Directions

__all__ = ["Kinds", "kinds"]


@dataclass(frozen=True)
class Kinds:
    """The distinct atoms of a dictionary, and who they are."""

    distinct: Directions
    of: np.ndarray
    """(atoms,): the kind of each atom."""
    atoms: np.ndarray
    """(atoms,): the atoms of kind after kind."""
    first: np.ndarray
    """(kinds + 1,): where those of a kind begin."""

    @property
    def count(self) -> np.ndarray:
        """(kinds,): how many atoms are of each kind."""
        return np.diff(self.first)


def kinds(side: Directions) -> Kinds:
    """Which atoms are the same number by number; all zero atoms are of one kind. Kinds come in the order of atoms."""
    words = side.atoms.numpy().view(np.uint32)
    rows = np.arange(len(words))
    factors = torch.randint(-(2**63), 2**63 - 1, words.shape[1:], generator=generator(0, "duplicates"))
    hashes = _hashes(words, factors.numpy().view(np.uint64))
    hashes[side.scale.numpy() == 0] = 0
    _, first, of = np.unique(hashes, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return Kinds(side, rows, rows, np.arange(len(rows) + 1))
    same = first[of]
    same = np.where(_equal(words, same, side.scale.numpy()), same, rows)  # hashes may be equal by chance
    first, of = np.unique(same, return_inverse=True)
    some = Directions(side.atoms[first], side.scale[first], side.unit[first])
    return Kinds(some, of, np.argsort(of, kind="stable"), np.append(0, np.bincount(of).cumsum()))


@compiled
def _hashes(words: np.ndarray, factors: np.ndarray) -> np.ndarray:
    hashes = np.empty(len(words), np.uint64)
    for i in range(len(words)):
        total = np.uint64(1)
        for k in range(words.shape[1]):
            total += np.uint64(words[i, k]) * factors[k]
        hashes[i] = total
    return hashes


@compiled
def _equal(words: np.ndarray, other: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Which rows equal the row of that index, number by number or as zero atoms."""
    equal = np.empty(len(words), np.bool_)
    for i in range(len(words)):
        equal[i] = scale[i] == 0 and scale[other[i]] == 0
        if not equal[i]:
            equal[i] = np.array_equal(words[i], words[other[i]])
    return equal
