"""The birth test: against exact permutations, calibrated, and each guard where the test would be wrong without it."""

import math
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reseed.matching import cosines, match
from reseed.statistics import birth, birth_test


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


def shuffled(atoms, rolled):
    return atoms[torch.randperm(len(atoms), generator=torch.Generator().manual_seed(rolled))]


def independent(pair, *, n_atoms=40, d_model=12):
    """Two runs that found the same planted atoms, each in an order of its own."""
    planted = normal(n_atoms, d_model, rolled=99)
    return [shuffled(planted + 0.5 * normal(n_atoms, d_model, rolled=side), side) for side in (2 * pair, 2 * pair + 1)]


def exact(cosine):
    """Mean and variance over all orders of the sum of cosines by index, one order after the other."""
    n = len(cosine)
    sums = [sum(cosine[i, order[i]] for i in range(n)) for order in permutations(range(n))]
    return np.mean(sums), np.var(sums)


@pytest.mark.parametrize("sign", ["signed", "abs"])
def test_mean_and_variance_over_all_orders_are_those_of_all_orders(sign, monkeypatch):
    a, b = normal(7, 4), normal(7, 4, rolled=1)
    cosine = cosines(a, b, sign=sign).numpy()
    mean, variance = exact(cosine)
    monkeypatch.setattr(birth, "_AT_A_TIME", 14)  # two rows at a time
    found = birth_test(a, b, sign=sign)
    assert found.by_chance == pytest.approx(mean / 7)
    assert found.aligned == pytest.approx(np.trace(cosine) / 7)
    z = (np.trace(cosine) - mean) / math.sqrt(variance)
    assert found.p_aligned == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)), abs=1e-12)


@pytest.mark.parametrize(("fixed", "p"), [(5, 0.0037), (10, 1.1e-7)])
def test_fixed_points_are_poisson_of_mean_1(fixed, p):
    atoms = torch.eye(64)
    order = torch.cat([torch.arange(fixed), torch.arange(fixed, 64).roll(1)])
    found = birth_test(atoms, atoms[order])
    assert (found.fixed, found.expected, found.n_atoms) == (fixed, 1, 64)
    assert found.p_fixed == pytest.approx(p, rel=0.03)
    assert found.agreement == 1


def test_p_is_uniform_where_runs_found_the_same_atoms_on_their_own():
    found = [birth_test(*independent(pair)) for pair in range(300)]
    assert np.mean([each.fixed for each in found]) == pytest.approx(1, abs=4 / math.sqrt(300))
    for level in (0.02, 0.1, 0.3):
        false = np.mean([each.p_value < level for each in found])
        assert false <= level + 3 * math.sqrt(level * (1 - level) / 300)
    aligned = np.sort([each.p_aligned for each in found])
    assert np.abs(aligned - (np.arange(300) + 0.5) / 300).max() < 1.63 / math.sqrt(300)  # Kolmogorov, one in a hundred
    assert sum(each.found for each in found) <= 2  # .3 on average


def test_a_shared_start_is_found_by_ten_atoms_that_stayed_and_by_a_drift_that_no_atom_survived():
    kept = normal(200, 20)
    other = normal(200, 20, rolled=1)
    other[:10] = kept[:10]
    assert birth_test(kept, other).found
    far, near = normal(300, 40, rolled=2), normal(300, 40, rolled=3)
    drifted = birth_test(far, near + 0.25 * far)  # a cosine of about .24, where the best of 300 others is .4
    assert drifted.p_aligned < drifted.p_fixed
    assert drifted.found


def test_a_copy_in_another_order_is_not_found_by_index_and_its_agreement_says_what_it_is():
    atoms = normal(60, 20)
    found = birth_test(atoms, shuffled(atoms, 1))
    assert not found.found
    assert found.agreement == pytest.approx(1)
    assert found.sentence.startswith("Not by index: ")
    assert "cannot be excluded" in found.sentence
    assert "not born alike" not in found.sentence


def test_what_it_finds_is_said_of_indices_and_not_of_a_seed():
    found = birth_test(normal(60, 20), normal(60, 20))
    assert found.sentence == (
        f"They share their indices: 60 of 60 atoms are matched to the one of their own index, of which 1.00 by chance; "
        f"p = {found.p_value:.1e}."
    )


def test_dictionaries_of_unequal_size_share_the_indices_of_the_smaller_one():
    atoms = normal(60, 20)
    found = birth_test(atoms[:24], atoms)
    assert (found.n_atoms, found.fixed, found.expected) == (24, 24, 24 / 60)
    apart = [birth_test(a[:24], b) for a, b in map(independent, range(200))]
    assert np.mean([each.fixed for each in apart]) == pytest.approx(24 / 40, abs=4 * math.sqrt(24 / 40 / 200))


def test_atoms_that_are_zero_in_both_share_no_start():
    """Unguarded: where atoms share a direction, the same zeros alone put the cosines by index beyond chance."""
    runs = [atoms + 3 * torch.ones(12) for atoms in independent(0)]
    for atoms in runs:
        atoms[30:] = 0
    found = birth_test(*runs)
    assert (found.n_atoms, found.expected) == (30, 1)
    assert not found.found
    whole = cosines(*runs).numpy()
    doubly = whole - whole.mean(axis=0) - whole.mean(axis=1, keepdims=True) + whole.mean()
    assert (np.trace(whole) - 40 * whole.mean()) / math.sqrt((doubly**2).sum() / 39) > 4


def test_atoms_that_never_fire_in_either_share_no_start():
    """Unguarded: dead atoms that stay near where all of them were put are alike by index."""
    dead = torch.arange(40) >= 28
    runs = [torch.where(dead[:, None], torch.ones(12) + 0.01 * atoms, atoms) for atoms in independent(1)]
    fired = (~dead).long() * 5
    assert birth_test(*runs).found
    found = birth_test(*runs, fired_a=fired, fired_b=fired)
    assert (found.n_atoms, found.expected) == (28, 1)
    assert not found.found
    one = birth_test(*runs, fired_a=fired, fired_b=torch.ones(40))
    assert (one.n_atoms, one.expected) == (28, 28 / 40)


def test_ties_are_not_matched_by_their_index(monkeypatch):
    """Unguarded: a solver that has to choose between equal cosines chooses by index."""
    # equal to rounding, and not number by number: atoms of the second kind are no choice, but one atom several times
    same = torch.ones(200, 6, dtype=torch.float64) + 1e-13 * normal(200, 6).double()
    found = [birth_test(same, same, rolled=rolled) for rolled in range(10)]
    assert not any(each.found for each in found)
    assert len({each.fixed for each in found}) > 1
    assert birth_test(same, same) == found[0]
    still = SimpleNamespace(**vars(torch) | {"randperm": lambda n, **_: torch.arange(n)})
    monkeypatch.setattr(birth, "torch", still)
    assert birth_test(same, same).found


@pytest.mark.parametrize("by", ["norm", "how often they fire"])
def test_atoms_that_were_sorted_alike_are_refused(by):
    """Unguarded: what sorts alike shares indices without sharing a start."""
    planted, size = normal(60, 12), torch.linspace(1, 9, 60)
    runs, counts = [], []
    for side in (1, 2):
        noise = torch.randn(60, generator=torch.Generator().manual_seed(side)) * 0.3
        order = (size + noise).argsort()
        atoms = planted + 0.2 * normal(60, 12, rolled=side + 5)
        atoms = atoms / atoms.norm(dim=1, keepdim=True)
        runs.append(((size + noise)[:, None] * atoms if by == "norm" else atoms)[order])
        counts.append((100 * (size + noise)).long()[order])
    fired = {} if by == "norm" else {"fired_a": counts[0], "fired_b": counts[1]}
    refused = birth_test(*runs, **fired)
    assert min(refused.p_fixed, refused.p_aligned) < 1e-3
    assert math.isnan(refused.p_value)
    assert not refused.found
    assert f"sorted by {by}" in refused.refused
    assert refused.refused in refused.sentence
    if by == "norm":  # one of them in another order: nothing is alike, and nothing is refused
        assert birth_test(runs[0], shuffled(runs[1], 7)).refused == ""


def matryoshka(pair):
    """Prefix groups of 1, 4, 11 and 24 atoms, each with a direction of its own, found in an order of its own."""
    runs = []
    for side in (2 * pair, 2 * pair + 1):
        parts = [
            shuffled(3 * normal(1, 12, rolled=1000 + group) + normal(size, 12, rolled=2000 + group), side)
            for group, size in enumerate((1, 4, 11, 24))
        ]
        runs.append(torch.cat(parts) + 0.3 * normal(40, 12, rolled=3000 + side))
    return runs


def test_prefix_groups_are_matched_within_and_a_group_of_one_atom_left_out():
    """Unguarded: atoms of one group are alike, whatever their start."""
    pairs = [matryoshka(pair) for pair in range(100)]
    assert np.mean([birth_test(*runs).found for runs in pairs]) > 0.5
    found = [birth_test(*runs, groups=(1, 4, 11, 24)) for runs in pairs]
    assert not any(each.found for each in found)
    assert {(each.n_atoms, each.expected) for each in found} == {(39, 3)}
    assert np.mean([each.fixed for each in found]) == pytest.approx(3, abs=4 * math.sqrt(3 / 100))
    born_alike = pairs[0][0]
    assert birth_test(born_alike, born_alike + 0.1 * normal(40, 12), groups=(1, 4, 11, 24)).found
    with pytest.raises(ValueError, match="together 39; a dictionary has 40 atoms"):
        birth_test(*pairs[0], groups=(1, 4, 10, 24))
    with pytest.raises(ValueError, match="for each of 40"):
        birth_test(*pairs[0], fired_a=torch.ones(39))


def test_order_within_groups_is_what_counts_as_sorted():
    """Groups that differ in how often they fire are no order of atoms."""
    runs = matryoshka(3)
    fired = torch.cat([torch.full((size,), 100.0 / size) for size in (1, 4, 11, 24)])
    assert birth_test(*runs, fired_a=fired, fired_b=fired, groups=(1, 4, 11, 24)).refused == ""
    assert "sorted by how often they fire" in birth_test(*runs, fired_a=fired, fired_b=fired).refused


def test_too_little_to_test_is_said():
    nobody = torch.zeros(5, 3)
    for a, b in ((nobody, nobody), (torch.eye(3)[:1], torch.eye(3)[:1])):
        found = birth_test(a, b)
        assert math.isnan(found.p_value)
        assert "fewer than two atoms" in found.sentence


def test_the_matching_is_the_optimal_one():
    a, b = independent(8)
    assert birth_test(a, b).agreement == pytest.approx(match(a, b).agreement, abs=1e-6)
