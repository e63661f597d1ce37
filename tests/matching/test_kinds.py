"""Atoms that are the same number by number are looked at once."""

import numpy as np
import pytest
import torch
from regimes import REGIMES, normal

import reseed
from reseed._support.products import row_products
from reseed.matching import first_lists, kinds
from reseed.matching.products import directions


def test_kinds_by_hand():
    a = torch.tensor([[1.0, 2], [0, 0], [3, 4], [1, 2], [1e-9, 0], [2, 4]])
    found = kinds.kinds(directions(a))
    assert found.of.tolist() == [0, 1, 2, 0, 1, 3]  # in the same direction is not the same
    assert found.count.tolist() == [2, 2, 1, 1]
    assert found.atoms.tolist() == [0, 3, 1, 4, 2, 5]
    assert torch.equal(found.distinct.atoms, a[[0, 1, 2, 5]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_duplicates_nothing_is_copied(dtype):
    side = directions(normal(50, 3).to(dtype))
    found = kinds.kinds(side)
    assert found.distinct is side
    assert found.of.tolist() == found.atoms.tolist() == list(range(50))


def test_atoms_whose_hashes_are_equal_by_chance_stay_apart(monkeypatch):
    monkeypatch.setattr(kinds, "_hashes", lambda words, _: np.zeros(len(words), np.uint64))
    assert kinds.kinds(directions(normal(50, 3))).of.tolist() == list(range(50))


@pytest.mark.parametrize("regime", ["duplicates", "all_equal", "repeated_on_one_side", "repeated_unevenly"])
def test_the_cosines_of_equal_atoms_are_computed_once(regime, monkeypatch):
    a, b = REGIMES[regime]()
    made = []

    def seen(x, y):
        made.append(len(x) * len(y))
        return row_products(x, y)

    monkeypatch.setattr(first_lists, "row_products", seen)
    reseed.match(a, b)
    living = [atoms[atoms.norm(dim=1) > 0] for atoms in (a, b)]
    distinct = [len(atoms.unique(dim=0)) for atoms in living]
    dead = [int(len(own) < len(atoms)) for own, atoms in zip(living, (a, b), strict=True)]
    assert sum(made) == distinct[0] * (distinct[1] + dead[1])


def test_every_one_of_equal_atoms_gets_a_partner_of_its_own():
    a = normal(20, 6).repeat(10, 1)
    matching = reseed.match(a, a[torch.randperm(200, generator=torch.Generator().manual_seed(0))])
    assert matching.distance == 0
    assert len(matching.cols.unique()) == 200
