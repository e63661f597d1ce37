from itertools import combinations

import pytest
import torch

from reseed.analysis.init_groups import init_groups
from reseed.dice import generator
from reseed.matching import match


def drawn(number, n_atoms=9, d_model=5):
    return torch.randn(n_atoms, d_model, generator=generator(number))


def groups(*born):
    apart = {(i, j): match(born[i], born[j]).distance for i, j in combinations(range(len(born)), 2)}
    return init_groups(apart, born)


def permuted(atoms, number=0):
    return atoms[torch.randperm(len(atoms), generator=generator(number))]


def test_independent_dictionaries_are_groups_of_their_own():
    assert groups(drawn(0), drawn(1), drawn(2)) == [0, 1, 2]


def test_groups_are_numbered_as_they_first_appear():
    assert groups(drawn(3), drawn(1), drawn(3), drawn(2), drawn(1)) == [0, 1, 0, 2, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda atoms: atoms.clone(),
        permuted,
        lambda atoms: 3 * atoms,
        lambda atoms: permuted(atoms) * torch.rand(len(atoms), 1, generator=generator(7)).add(0.1),
        lambda atoms: atoms + 1e-6 * drawn(8),
    ],
    ids=["the same", "rows in another order", "another norm", "other norms and another order", "rounding"],
)
def test_a_dictionary_that_is_the_same_up_to_order_norms_and_rounding_is_of_the_same_group(change):
    assert groups(drawn(0), change(drawn(0)), drawn(1)) == [0, 0, 1]


@pytest.mark.parametrize(
    "change",
    [lambda atoms: -atoms, lambda atoms: atoms + 0.01 * drawn(8), lambda atoms: torch.cat([drawn(1)[:1], atoms[1:]])],
    ids=["flipped", "moved", "one other atom"],
)
def test_a_dictionary_that_differs_is_of_another_group(change):
    assert groups(drawn(0), change(drawn(0))) == [0, 1]


def test_zero_atoms_do_not_keep_identical_dictionaries_apart():
    atoms = torch.cat([drawn(0), torch.zeros(4, 5)])
    assert match(atoms, atoms).distance == pytest.approx(4 / 13)
    assert groups(atoms, permuted(atoms)) == [0, 0]


def test_one_run_is_one_group():
    assert groups(drawn(0)) == [0]
