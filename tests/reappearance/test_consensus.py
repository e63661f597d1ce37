"""The consensus dictionary: by hand, over signs, and against single runs on planted atoms."""

import sys
from itertools import combinations

import pytest
import torch

from reseed.matching import match, unit_rows
from reseed.reappearance import Classes, Links, classes, consensus


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def linked(dictionaries, above=0.7, sign="signed"):
    """Classes of what is matched with more than a cosine."""
    links = []
    for first, second in combinations(range(len(dictionaries)), 2):
        found = match(dictionaries[first], dictionaries[second], sign=sign)
        kept = found.cosines > above
        links.append(Links(first, second, found.rows[kept], found.cols[kept], found.cosines[kept]))
    return classes([len(each) for each in dictionaries], links)


def three():
    """Two classes over three runs, of all and of two of them, and one atom alone."""
    return Classes(
        members=torch.tensor([[0, 1, 0], [1, 0, -1], [-1, -1, 1]]),
        strengths=torch.tensor([0.9, 0.8, 0.0], dtype=torch.float64),
        links=4,
        broken=0,
    )


RUNS = (
    torch.tensor([[2.0, 0, 0], [0, 1, 1]]),
    torch.tensor([[0.0, 1, 0], [3, 4, 0]]),
    torch.tensor([[4.0, 3, 0], [0, 0, -5]]),
)


def test_means_are_of_unit_atoms_and_have_unit_length():
    found = consensus(three(), RUNS)
    sums = torch.tensor([[1 + 0.6 + 0.8, 0.8 + 0.6, 0], [0, 1 + 0.5**0.5, 0.5**0.5], [0, 0, -1]], dtype=torch.float64)
    assert torch.allclose(found.atoms, sums / sums.norm(dim=1, keepdim=True))
    assert found.appearances.tolist() == [3, 2, 1]
    assert found.reappearance.tolist() == [1, 0.5, 0]
    assert found.strengths.tolist() == [0.9, 0.8, 0]
    assert found.classes.tolist() == [0, 1, 2]


def test_the_medoid_is_the_atom_that_is_most_like_the_others_and_of_two_that_of_the_first_run():
    found = consensus(three(), RUNS, representative="medoid", n_atoms=2)
    assert torch.allclose(found.atoms, torch.tensor([[0.8, 0.6, 0], [0, 0.5**0.5, 0.5**0.5]], dtype=torch.float64))


@pytest.mark.parametrize("representative", ["mean", "medoid"])
def test_many_classes_are_made_block_by_block(representative, monkeypatch):
    runs = [normal(20, 5) + 0.1 * normal(20, 5, rolled=run) for run in range(1, 5)]
    whole = consensus(linked(runs), runs, representative=representative)
    monkeypatch.setattr(sys.modules["reseed.reappearance.consensus"], "_AT_A_TIME", 3 * 4 * 5)
    assert torch.equal(whole.atoms, consensus(linked(runs), runs, representative=representative).atoms)


@pytest.mark.parametrize("representative", ["mean", "medoid"])
def test_where_signs_are_open_turned_atoms_give_the_same_consensus_up_to_signs(representative):
    runs = [normal(20, 8) + 0.2 * normal(20, 8, rolled=run) for run in range(1, 5)]
    turned = [each * normal(20, 1, rolled=10 + run).sign() for run, each in enumerate(runs)]
    found = [
        consensus(linked(each, sign="abs"), each, sign="abs", representative=representative) for each in (runs, turned)
    ]
    assert found[0].appearances.tolist() == found[1].appearances.tolist() == [4] * 20
    aligned = (found[0].atoms * found[1].atoms).sum(dim=1)
    assert torch.allclose(aligned.abs(), torch.ones_like(aligned))
    assert 0 < (aligned < 0).sum() < 20


def test_lengths_of_atoms_and_the_order_of_runs_change_no_mean():
    runs = [normal(20, 8) + 0.2 * normal(20, 8, rolled=run) for run in range(1, 5)]
    scaled = [each * (1 + normal(20, 1, rolled=run).abs()) for run, each in enumerate(runs)][::-1]
    assert torch.allclose(consensus(linked(runs), runs).atoms, consensus(linked(scaled), scaled).atoms)


def test_it_recovers_at_least_what_the_best_run_does_at_equal_size():
    planted = unit_rows(normal(120, 24))
    chance = torch.Generator().manual_seed(3)
    runs = []
    for run in range(5):
        caught = planted[torch.rand(120, generator=chance) < 0.6][:70]
        noisy = caught + 0.45 * normal(*caught.shape, rolled=run + 1) / 24**0.5
        runs.append(torch.cat([unit_rows(noisy), normal(100 - len(caught), 24, rolled=run + 50)]))
    found = consensus(linked(runs), runs, n_atoms=100)
    recovered = [float((match(planted, atoms).cosines > 0.9).sum()) for atoms in (found.atoms, *runs)]
    assert recovered[0] > 1.2 * max(recovered[1:])


def test_zero_atoms_stay_zero():
    runs = [torch.zeros(1, 3), torch.zeros(1, 3)]
    alone = classes((1, 1), [Links(0, 1, *torch.zeros(2, 0, dtype=torch.long), torch.zeros(0))])
    assert consensus(alone, runs).atoms.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert consensus(alone, runs, n_atoms=0).atoms.shape == (0, 3)


@pytest.mark.parametrize(
    ("runs", "settings", "told"),
    [
        (RUNS[:2], {}, "2 dictionaries for classes over 3 runs"),
        ((*RUNS[:2], RUNS[2][:1]), {}, "run 2 has 1 atoms, but 2 in the classes"),
        ((*RUNS[:2], RUNS[2][:, :2]), {}, "d_model"),
        (RUNS, {"n_atoms": 4}, "there are 3 classes"),
        (RUNS, {"sign": "open"}, "'signed', 'abs'"),
        (RUNS, {"representative": "mode"}, "'mean', 'medoid'"),
    ],
)
def test_what_does_not_fit_is_refused(runs, settings, told):
    with pytest.raises((ValueError, TypeError), match=told):
        consensus(three(), runs, **settings)
