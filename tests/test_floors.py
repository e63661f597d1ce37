import math

import pytest
import torch

from reseed import floors
from reseed.matching import match
from reseed.measures import mmcs, subspace_overlap
from reseed.starts.lloyd import kmeans


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


@pytest.mark.parametrize(
    ("d_model", "n_atoms", "signed", "sign_open"),
    [  # docs/mathematics.md, eq. 22
        (16, 32, 0.500, 0.557),
        (64, 512, 0.371, 0.395),
        (128, 1024, 0.283, 0.299),
        (512, 2048, 0.151, 0.159),
        (768, 3072, 0.128, 0.134),
        (4096, 131072, 0.0694, 0.0716),
    ],
)
def test_the_isotropic_floor_is_the_published_one(d_model, n_atoms, signed, sign_open):
    assert floors.isotropic(d_model, n_atoms) == pytest.approx(signed, abs=0.003)
    assert floors.isotropic(d_model, n_atoms, sign="abs") == pytest.approx(sign_open, abs=0.003)


def test_the_isotropic_floor_is_exact_where_it_can_be_worked_out():
    assert floors.isotropic(50, 1) == pytest.approx(0, abs=1e-9)  # one random direction: no better than chance
    assert floors.isotropic(2, 1, sign="abs") == pytest.approx(2 / math.pi, abs=1e-6)  # mean |cos| of an angle
    assert floors.isotropic(3, 9) == pytest.approx(2 * 9 / 10 - 1, abs=1e-6)  # in 3 dimensions cosines are uniform
    assert floors.isotropic(3, 9, sign="abs") == pytest.approx(9 / 10, abs=1e-6)


@pytest.mark.parametrize("sign", ["signed", "abs"])
def test_the_isotropic_floor_is_what_random_atoms_measure(sign):
    a, b = (floors.isotropic_atoms(1024, 64, rolled=rolled) for rolled in (1, 2))
    assert mmcs(match(a, b, sign=sign)).forward == pytest.approx(floors.isotropic(64, 1024, sign=sign), abs=0.003)
    assert match(a, b, sign=sign).agreement < floors.isotropic(64, 1024, sign=sign)


def test_impossible_geometry_is_refused():
    with pytest.raises(ValueError, match="d_model is 1; it is a whole number, 2 to"):
        floors.isotropic(1, 5)
    with pytest.raises(ValueError, match="mean_share is 1"):
        floors.mean_shift(1.5, 8, 8)


@pytest.mark.parametrize(("mean_share", "expected"), [(0.25, 0.372), (0.5, 0.586), (0.9, 0.918)])
def test_a_common_mean_alone_makes_atoms_agree(mean_share, expected):
    n_atoms, d_model = 2048, 512
    mean = torch.nn.functional.normalize(normal(d_model), dim=0) * mean_share**0.5
    a, b = (mean + normal(n_atoms, d_model, rolled=r) * ((1 - mean_share) / d_model) ** 0.5 for r in (1, 2))
    measured = mmcs(match(a, b)).forward
    assert measured == pytest.approx(expected, abs=0.003)  # docs/mathematics.md, eq. 24
    assert floors.mean_shift(mean_share, d_model, n_atoms) == pytest.approx(measured, abs=0.003)


def test_mean_shift_without_a_mean_is_isotropic_and_with_nothing_else_is_1():
    assert floors.mean_shift(0.0, 32, 64) == floors.isotropic(32, 64)
    assert floors.mean_shift(1.0, 32, 64) == 1


def test_random_subspaces_overlap_by_their_floor():
    overlaps = [subspace_overlap(normal(60, 40, rolled=r), normal(60, 40, rolled=99 + r), rank=10) for r in range(20)]
    assert sum(o.value for o in overlaps) / 20 == pytest.approx(floors.subspace(10, 40), abs=0.01)
    assert floors.subspace(10, 40) == 10 / 40


def test_a_floor_is_the_mean_over_pairs_of_draws_by_the_same_matching():
    draws = [normal(20, 6, rolled=r) for r in range(3)]
    pairs = [match(draws[i], draws[j]).agreement for i, j in ((0, 1), (0, 2), (1, 2))]
    floor = floors.from_draws(draws, policy="data")
    assert floor.value == pytest.approx(sum(pairs) / 3)
    assert floor.spread == pytest.approx(torch.tensor(pairs).std().item(), abs=1e-6)
    assert (floor.n, floor.policy, floor.reason) == (3, "data", "")
    open_sign = floors.from_draws(draws, policy="data", sign="abs")
    assert open_sign.value > floor.value


def test_any_measure_has_a_floor_from_the_same_draws():
    draws = [normal(20, 6, rolled=r) for r in range(3)]
    floor = floors.measured(draws, lambda a, b: subspace_overlap(a, b, rank=6).value, policy="data")
    assert floor.value == pytest.approx(1)


def test_too_few_draws_are_no_floor():
    one = floors.from_draws([torch.eye(3)], policy="step 0")
    assert math.isnan(one.value)
    assert one.reason == "1 draws make no pair; 2 are needed"
    two = floors.from_draws([torch.eye(3), torch.eye(3)], policy="step 0")
    assert two.value == 1
    assert math.isnan(two.spread)
    empty = floors.from_draws([torch.eye(3)[:0]] * 2, policy="step 0")
    assert empty.reason == "a pair of draws has no agreement"


def test_permuting_a_start_is_no_floor():
    start = normal(40, 8)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert floors.from_draws([start, start[order]], policy="step 0").value == pytest.approx(1, abs=1e-12)


def planted_activations(offset, rolled):
    """3-sparse mixtures of 32 planted directions in 16 dimensions, `offset` away from the origin."""
    codes = normal(4000, 32, rolled=rolled).abs()
    codes[codes < codes.kthvalue(30, dim=1, keepdim=True).values] = 0
    truth = torch.nn.functional.normalize(normal(32, 16, rolled=7), dim=1)
    x = codes @ truth
    return x - x.mean(dim=0) + offset * torch.nn.functional.normalize(normal(16, rolled=8), dim=0)


@pytest.mark.parametrize(("offset", "lowest", "highest"), [(0.0, 0.4, 0.9), (8.0, 0.93, 1.0)])
def test_untrained_dictionaries_agree_far_more_where_data_is_off_centre(offset, lowest, highest):
    samples = [planted_activations(offset, rolled) for rolled in range(3)]
    data = floors.from_draws([x[:32] for x in samples], policy="data")
    centroids = [kmeans(x, 32, steps=20, rolled=r).points for r, x in enumerate(samples)]
    k_means = floors.from_draws(centroids, policy="k-means")
    assert lowest < data.value < k_means.value < highest


def test_spectrum_atoms_share_mean_and_covariance_with_the_dictionary():
    atoms = torch.nn.functional.normalize(normal(20_000, 5) * torch.tensor([3, 2, 1, 1, 0.5]) + 1, dim=1)
    drawn = floors.spectrum_atoms(atoms, rolled=3)
    assert torch.allclose(drawn.mean(dim=0), atoms.mean(dim=0), atol=0.02)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(atoms.T), atol=0.02)
    assert not torch.equal(drawn, floors.spectrum_atoms(atoms, rolled=4))


def test_spectrum_atoms_survive_zero_atoms_and_few_atoms():
    atoms = torch.zeros(6, 20)
    atoms[0, 0] = atoms[1, 1] = 1
    drawn = floors.spectrum_atoms(atoms, rolled=0)
    assert drawn.shape == (6, 20)
    assert drawn.isfinite().all()
    assert drawn[:, 2:].abs().max() < 1e-6


def test_hull_atoms_do_not_depend_on_how_many_rows_are_drawn_at_a_time(monkeypatch):
    weights, points = normal(9, 7).abs().float(), normal(7, 3).float()
    whole = floors.hull_atoms(points, weights, rolled=0)
    monkeypatch.setattr("reseed.floors.hull._AT_A_TIME", 14)  # two rows
    assert torch.equal(floors.hull_atoms(points, weights, rolled=0), whole)


def test_hull_atoms_keep_the_weights_and_move_the_points():
    points, weights = torch.eye(50, dtype=torch.float64), torch.zeros(8, 50, dtype=torch.float64)
    weights[:, :3] = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    drawn = floors.hull_atoms(points, weights, rolled=0)  # with these points an atom is its weights
    assert torch.equal(drawn.sort(dim=1).values, weights.sort(dim=1).values)
    assert len({tuple(row.nonzero().flatten().tolist()) for row in drawn}) == 8


def test_mixing_many_points_agrees_more_than_mixing_few():
    points = normal(64, 32) + 1
    floors_by_mixture = []
    for n_mixed in (1, 4, 16):
        weights = torch.zeros(40, 64, dtype=torch.float64)
        weights[:, :n_mixed] = 1 / n_mixed
        draws = [floors.hull_atoms(points, weights, rolled=r) for r in range(2)]
        floors_by_mixture.append(floors.from_draws(draws, policy="hull").value)
    assert floors_by_mixture[1] < floors_by_mixture[2]
    assert floors_by_mixture[0] < 0.9 < floors_by_mixture[2]
