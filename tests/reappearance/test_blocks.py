"""Blocks: principal angles and selection against scipy and by hand, planted subspaces, nothing in noise; shares."""

import sys
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from reseed.matching import unit_rows
from reseed.measures import standardise
from reseed.reappearance.blocks import blocks, fire_together
from reseed.reappearance.shares import shares
from reseed.reappearance.spans import back_in, grown, nearest, worst_cosines

RANKS = (1, 2, 3, 4)
SPACE_OF = torch.tensor([place for place, rank in enumerate(RANKS) for _ in range(rank)] + [-1] * 30)


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


def rotation(size, rolled):
    return torch.linalg.qr(normal(size, size, rolled=rolled)).Q


def turned(degrees):
    turn = torch.tensor(float(degrees)).deg2rad()
    return torch.stack([torch.stack([turn.cos(), turn.sin()]), torch.stack([-turn.sin(), turn.cos()])])


def planted(n_runs=3, noise=0.1, d_model=48):
    """Runs that know subspaces of 1 to 4 dimensions by bases of their own, and 30 unrelated atoms each."""
    spaces = [torch.linalg.qr(normal(d_model, rank, rolled=rank)).Q.T for rank in RANKS]
    runs = []
    for run in range(n_runs):
        bases = [torch.ones(1, 1), turned(30 * run), *(rotation(rank, 100 * run + rank) for rank in RANKS[2:])]
        known = torch.cat([basis @ space for basis, space in zip(bases, spaces, strict=True)])
        known = known + noise * normal(*known.shape, rolled=50 + run) / d_model**0.5
        runs.append(torch.cat([known, normal(30, d_model, rolled=70 + run)]))
    return runs


def nothing_alone(runs):
    return [torch.zeros(len(atoms), dtype=torch.bool) for atoms in runs]


def first_alone(runs):
    return [torch.arange(len(atoms)) == 0 for atoms in runs]


def sets_of(found, run):
    return sorted(block.atoms.tolist() for block in found.of(run))


def test_the_worst_cosine_is_that_of_scipys_largest_angle():
    u, v = (torch.linalg.qr(normal(5, 12, 4, rolled=rolled)).Q.mT.contiguous() for rolled in (1, 2))
    angles = [subspace_angles(a.double().T.numpy(), b.double().T.numpy()) for a, b in zip(u, v, strict=True)]
    assert torch.allclose(worst_cosines(u, v), torch.tensor(np.cos([each.max() for each in angles])).float(), atol=1e-5)


@pytest.mark.parametrize("home", [False, True])
def test_neighbours_are_those_of_all_cosines_however_few_are_in_memory(home, monkeypatch):
    a = unit_rows(normal(20, 6)).float()
    b = a if home else unit_rows(normal(30, 6, rolled=1)).float()
    monkeypatch.setattr(sys.modules["reseed.reappearance.spans"], "_AT_A_TIME", 100)
    found = nearest(a, b, 7, home=home)
    cosines = np.abs(a.numpy() @ b.numpy().T)
    if home:
        np.fill_diagonal(cosines, -1)
    assert found.atoms.tolist() == np.argsort(-cosines, axis=1)[:, :7].tolist()


def test_a_selection_is_the_best_of_all_sets_where_one_spans_the_same_and_never_above_it():
    a, c = (unit_rows(normal(9, 8, rolled=rolled)).float() for rolled in (3, 4))
    c[[2, 5]] = rotation(2, 9) @ torch.linalg.qr(a[:2].T).Q.T
    best = {
        own: max(np.cos(subspace_angles(a[list(own)].T.numpy(), c[list(both)].T.numpy()).max()) for both in pairs)
        for pairs in [list(combinations(range(9), 2))]
        for own in pairs
    }
    score = back_in(a, c, torch.tensor(list(best)), listed=9)
    assert bool((score <= torch.tensor(list(best.values())) + 1e-5).all())
    assert float(score[0]) == pytest.approx(1, abs=1e-5)
    assert float((score >= torch.tensor(list(best.values())) - 1e-5).float().mean()) > 0.5


@pytest.mark.parametrize("degrees", [20, 45, 70])
def test_a_turned_plane_scores_the_cosine_of_its_turn_alone_and_one_as_a_block(degrees):
    plane, others = torch.eye(10)[:2], torch.eye(10)[4:]
    a, b = torch.cat([plane, others[:3]]), torch.cat([turned(degrees) @ plane, others[3:]])
    found = grown(a, b, torch.tensor([0]), largest=2, listed=4)
    assert found.scores[0].tolist() == pytest.approx([max(abs(turned(degrees)[0].numpy())), 1], abs=1e-5)
    assert found.own[1].tolist() == [[0, 1]]


def test_planted_subspaces_are_blocks_of_their_rank_and_unrelated_atoms_are_in_none():
    runs = planted()
    found = blocks(runs, first_alone(runs), largest=6)
    rank_of = torch.tensor([*RANKS, 0])[SPACE_OF]
    assert all(sizes.tolist() == rank_of.tolist() for sizes in found.sizes)
    assert [sets_of(found, run) for run in range(3)] == [[[1, 2], [3, 4, 5], [6, 7, 8, 9]]] * 3
    assert all(block.confirmed and len(block.held_out) == 1 and block.score > 0.95 for block in found.blocks)
    assert {len({block.run, block.found_in, block.held_out[0][0]}) for block in found.blocks} == {3}


def test_order_sign_and_length_of_atoms_change_no_block():
    runs = planted()
    orders = [torch.randperm(40, generator=torch.Generator().manual_seed(run)) for run in range(3)]
    other = [
        (atoms * (0.5 + normal(40, 1, rolled=run).abs()) * normal(40, 1, rolled=9 + run).sign())[order]
        for run, (atoms, order) in enumerate(zip(runs, orders, strict=True))
    ]
    null = [normal(40, 48, rolled=rolled) for rolled in (31, 32, 33)]
    before, after = (blocks(each, nothing_alone(each), null=null, largest=4) for each in (runs, other))
    for run, order in enumerate(orders):
        assert sets_of(before, run) == sorted(sorted(order[each].tolist()) for each in sets_of(after, run))
        assert len(sets_of(before, run)) == 3


def test_blocks_grow_by_atoms_that_fire_together():
    runs = planted(noise=0.3)
    chance = torch.Generator().manual_seed(5)
    present = torch.rand(800, 5, generator=chance) < 0.05
    codes = []
    for _ in runs:
        fires = torch.where(SPACE_OF >= 0, present[:, SPACE_OF], torch.rand(800, 40, generator=chance) < 0.05)
        codes.append(standardise(fires * torch.rand(fires.shape, generator=chance)))
    found = blocks(runs, first_alone(runs), codes=codes, growth="codes", largest=6, examine_alone=True)
    assert sets_of(found, 0) == [[1, 2], [3, 4, 5], [6, 7, 8, 9]]


def test_nothing_is_found_in_random_directions_whatever_their_null():
    runs = [normal(60, 32, rolled=rolled) for rolled in range(3)]
    null = [normal(60, 32, rolled=rolled) for rolled in range(10, 13)]
    for given in ((), null):
        found = blocks(runs, nothing_alone(runs), null=given, largest=4, cosine=0.0)
        assert sum(int((sizes > 1).sum()) for sizes in found.sizes) <= 0.05 * 180


def test_two_runs_hold_nothing_out():
    runs = planted(n_runs=2)
    found = blocks(runs, first_alone(runs), largest=4)
    assert {block.confirmed for block in found.blocks} == {None}
    assert sets_of(found, 0)[-1] == [6, 7, 8, 9]


def test_what_one_run_alone_has_in_common_is_not_confirmed():
    runs = planted()
    runs[2] = normal(40, 48, rolled=99)
    found = blocks(runs, first_alone(runs), largest=4)
    assert found.blocks == ()
    assert found.unconfirmed > 0


def test_atoms_that_come_back_alone_are_in_a_block_where_that_halves_their_distance():
    runs = planted(noise=0.02)
    alone = [SPACE_OF <= 1 for _ in runs]
    alone = [flags & (SPACE_OF >= 0) for flags in alone]
    assert [1, 2] not in sets_of(blocks(runs, alone, largest=4), 0)
    found = blocks(runs, alone, largest=4, examine_alone=True)
    assert [1, 2] in sets_of(found, 0)
    assert found.sizes[0][:3].tolist() == [1, 2, 2]


def test_two_atoms_that_come_back_alone_are_no_block():
    shared = normal(6, 48, rolled=8)
    runs = [torch.cat([shared, normal(30, 48, rolled=run)]) for run in range(3)]
    found = blocks(runs, nothing_alone(runs), largest=4)
    assert found.blocks == ()


def test_where_no_atom_is_left_to_begin_with_there_are_no_blocks():
    runs = planted()
    everything = [torch.ones(40, dtype=torch.bool)] * 3
    found = blocks(runs, everything, largest=3)
    assert found.blocks == ()
    assert all(bool((sizes == 1).all()) for sizes in found.sizes)
    untold = blocks(runs, first_alone(runs), null=runs[:2], null_alone=everything[:2], largest=3)
    assert untold.blocks == ()
    assert np.isnan(untold.null.scores).all()


def test_zero_atoms_are_in_no_block():
    runs = planted()
    for atoms in runs:
        atoms[20:25] = 0
    found = blocks(runs, nothing_alone(runs), largest=4)
    assert all(int(sizes[20:25].max()) == 0 for sizes in found.sizes)
    assert sets_of(found, 1)[-1] == [6, 7, 8, 9]


def test_the_nulls_thresholds_never_fall_with_size_and_pay_for_the_search():
    runs = planted()
    null = [normal(40, 48, rolled=rolled) for rolled in (31, 32)]
    told = blocks(runs, nothing_alone(runs), null=null, largest=4, level=0.9).null
    a, b = (unit_rows(atoms).float() for atoms in null)
    every = torch.cat([grown(x, y, torch.arange(40), largest=4, listed=16).scores for x, y in ((a, b), (b, a))]).numpy()
    assert told.seeds == 80
    assert told.scores == pytest.approx(np.maximum.accumulate(np.quantile(every, 0.9, axis=0)).tolist(), abs=1e-6)


def test_codes_that_fire_together_are_those_of_all_correlations_however_few_are_in_memory(monkeypatch):
    codes = torch.relu(normal(60, 9) - 0.5)
    codes[:, 3] = 0
    monkeypatch.setattr(sys.modules["reseed.reappearance.blocks"], "_CODES_AT_A_TIME", 30)
    found = fire_together(standardise(codes), listed=3)
    kept = [atom for atom in range(9) if atom != 3]
    correlations = np.zeros((9, 9))
    correlations[np.ix_(kept, kept)] = np.abs(np.corrcoef(codes[:, kept].double().T.numpy()))
    np.fill_diagonal(correlations, -1)
    assert found.values.numpy() == pytest.approx(-np.sort(-correlations, axis=1)[:, :3], abs=1e-6)


def test_shares_are_covariances_and_add_up_to_the_whole():
    rows, atoms = normal(50, 6) + 3, normal(8, 6, rolled=1)
    codes = torch.relu(normal(50, 8, rolled=2))
    sizes = torch.tensor([1, 1, 0, 2, 2, 0, 3, 1])
    found = shares(rows, atoms, standardise(codes), sizes)
    centred = (rows.double() - rows.double().mean(dim=0)).numpy()
    by_hand = np.array([(centred * np.outer(codes[:, i], atoms[i])).sum() for i in range(8)]) / (centred**2).sum()
    assert found.of_atoms.numpy() == pytest.approx(by_hand)
    assert found.atom == pytest.approx(by_hand[[0, 1, 7]].sum())
    assert found.block == pytest.approx(by_hand[[3, 4, 6]].sum())
    assert found.atom + found.block + found.neither + found.unexplained == pytest.approx(1, abs=1e-12)


def test_an_atom_that_takes_back_what_another_has_put_in_too_much_of_has_a_negative_share():
    rows = torch.tensor([[1.0, 0], [-1, 0], [0, 0]])
    codes = torch.tensor([[2.0, 1], [0, 0], [0, 0]])
    found = shares(rows, torch.tensor([[1.0, 0], [-1, 0]]), standardise(codes), torch.tensor([1, 0]))
    assert (found.atom, found.block, found.neither, found.unexplained) == (1, 0, -0.5, 0.5)


def test_shares_of_rows_that_do_not_vary_are_nan():
    found = shares(torch.ones(4, 2), torch.eye(2), standardise(torch.ones(4, 2)), torch.tensor([1, 0]))
    assert np.isnan([found.atom, found.neither, found.unexplained]).all()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dictionaries": [normal(5, 8)], "alone": [torch.zeros(5, dtype=torch.bool)]}, "between two runs or more"),
        ({"alone": [torch.zeros(5, dtype=torch.bool)]}, "flags of 1 runs"),
        ({"alone": [torch.zeros(4, dtype=torch.bool)] * 2}, "4 flags for the 5 atoms of run 0"),
        ({"largest": 5}, "at most half"),
        ({"null": [normal(5, 8)]}, "two or more"),
        ({"growth": "codes"}, "needs the codes"),
        ({"growth": "firing"}, "'decoder', 'codes'"),
    ],
)
def test_what_does_not_fit_is_refused(given, told):
    runs = [normal(5, 8), normal(5, 8, rolled=1)]
    with pytest.raises((ValueError, TypeError), match=told):
        blocks(**{"dictionaries": runs, "alone": nothing_alone(runs), "largest": 2} | given)


def test_codes_of_other_rows_have_no_shares():
    with pytest.raises(ValueError, match="codes of these rows"):
        shares(normal(4, 2), torch.eye(2), standardise(torch.ones(5, 2)), torch.tensor([1, 0]))
