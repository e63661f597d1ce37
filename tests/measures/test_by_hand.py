"""Measures on small examples that can be worked out on paper, and against independent formulas."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.stats import pearsonr

from reseed.matching import match, unit_rows
from reseed.measures import (
    carrying_rank,
    code_agreement,
    code_correlations,
    explained_by_retention,
    firing_mass,
    identity,
    isotropic_beyond,
    leading_directions,
    mass_weighted_agreement,
    mean_norm_squared,
    mmcs,
    persistence,
    projection_agreement,
    r2,
    replicated_share,
    retention,
    shared_fraction,
    shrunk_inverse,
    stable_rank,
    standardise,
    subspace_overlap,
    whitened_agreement,
)


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def plane(*degrees):
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_two_atoms_turned_by_30_degrees():
    a, b = plane(0, 90), plane(30, 120)
    assert match(a, b).agreement == pytest.approx(math.sqrt(3) / 2)
    assert mmcs(match(a, b)).forward == pytest.approx(math.sqrt(3) / 2)


def test_matching_gives_up_a_best_partner_that_two_atoms_want():
    a, b = plane(0, 10), plane(5, 60)
    matching = match(a, b)
    assert matching.cols.tolist() == [0, 1]
    assert matching.agreement == pytest.approx((math.cos(math.radians(5)) + math.cos(math.radians(50))) / 2)
    assert mmcs(matching).forward == pytest.approx(math.cos(math.radians(5)))


def test_a_feature_is_shared_only_if_encoder_and_decoder_both_are():
    decoders, turned = plane(0, 90, 180, 270), plane(10, 100, 190, 320)  # cosines .98 .98 .98 .64
    encoders, encoders_turned = plane(0, 90, 180, 270), plane(0, 90, 270, 270)  # the third one is at 90 degrees
    matching = match(decoders, turned)
    assert shared_fraction(matching, encoders, encoders_turned) == 2 / 4
    assert shared_fraction(matching, encoders, encoders) == 3 / 4
    assert shared_fraction(matching, encoders, encoders, threshold=0.6) == 1


def test_projection_agreement_is_the_correlation_of_the_projections():
    x = normal(5000, 6) @ normal(6, 6, rolled=1)
    a, b = normal(4, 6, rolled=2), normal(4, 6, rolled=3)
    matching, covariance = match(a, b), torch.cov(x.T)
    correlations = [
        pearsonr((x @ a[i]).numpy(), (x @ b[j]).numpy())[0] for i, j in zip(matching.rows, matching.cols, strict=True)
    ]
    assert projection_agreement(matching, a, b, covariance) == pytest.approx(np.mean(correlations), abs=1e-12)


def test_a_direction_without_variance_projects_to_nothing():
    a = torch.eye(3, dtype=torch.float64)
    assert projection_agreement(match(a, a), a, a, torch.diag(torch.tensor([1.0, 1.0, 0.0]))) == 2 / 3


def test_whitening_undoes_a_stretch_of_the_space():
    a, b = normal(5, 7), normal(5, 7, rolled=1)
    stretch = torch.linspace(1, 3, 7, dtype=torch.float64)
    matching = match(a, b)
    plain = projection_agreement(matching, a, b, torch.eye(7))
    stretched = whitened_agreement(matching, a * stretch, b * stretch, stretch.square().diag(), shrinkage=0.0)
    assert stretched == pytest.approx(plain, abs=1e-12)
    assert whitened_agreement(matching, a, b, stretch.diag(), shrinkage=1.0) == pytest.approx(plain, abs=1e-12)


def test_code_correlations_are_pearsons():
    a, b = normal(6, 4), normal(8, 4, rolled=1)
    codes_a, codes_b = normal(50, 6, rolled=2).relu(), normal(50, 8, rolled=3).relu()
    matching = match(a, b)
    expected = [
        pearsonr(codes_a[:, i].numpy(), codes_b[:, j].numpy())[0]
        for i, j in zip(matching.rows, matching.cols, strict=True)
    ]
    assert code_correlations(matching, codes_a, codes_b).tolist() == pytest.approx(expected, abs=1e-12)


def test_dead_and_constant_atoms_have_code_correlation_0_even_with_themselves():
    a = torch.eye(3)
    codes = torch.tensor([[0.1, 0.0, 1.0], [0.1, 0.0, 2.0], [0.1, 0.0, 4.0]], dtype=torch.float64)
    correlations = code_correlations(match(a, a), codes, codes).tolist()
    assert correlations[:2] == [0, 0]  # exactly, though the mean of three .1 is not .1
    assert correlations[2] == pytest.approx(1)


def test_many_pairs_are_the_mean_over_all_of_them():
    a = torch.eye(2500)
    codes = normal(20, 2500)
    assert code_agreement(match(a, a), codes, codes) == pytest.approx(1, abs=1e-12)


def test_subspace_overlap_is_the_mean_squared_cosine_of_the_principal_angles():
    a, b = normal(5, 12), normal(5, 12, rolled=1)
    expected = np.mean(np.cos(subspace_angles(a.numpy().T, b.numpy().T)) ** 2)
    assert subspace_overlap(a, b, rank=5).value == pytest.approx(expected, abs=1e-12)


def test_a_subspace_that_a_dictionary_does_not_span_has_no_overlap():
    reading = subspace_overlap(torch.ones(4, 6), torch.eye(6), rank=2)
    assert math.isnan(reading.value)
    assert "spans fewer than 2 dimensions" in reading.reason
    with pytest.raises(ValueError, match="rank is 7"):
        subspace_overlap(torch.eye(6), torch.eye(6), rank=7)


@pytest.mark.parametrize("offset", [0.0, 3.0], ids=["centred", "far from the origin"])
def test_few_leading_directions_of_many_are_those_of_all(offset):
    a, b = (normal(150, 200, rolled=rolled) + offset for rolled in (0, 1))  # so many dimensions that not all are found
    found = leading_directions(unit_rows(a), 9)
    assert torch.allclose(found.T @ found, torch.eye(9, dtype=torch.float64), atol=1e-10)
    rights = [np.linalg.svd(unit_rows(atoms).numpy())[2][:9] for atoms in (a, b)]
    assert np.linalg.norm(rights[0] @ found.numpy()) ** 2 == pytest.approx(9, abs=1e-9)
    expected = np.linalg.norm(rights[0] @ rights[1].T) ** 2 / 9
    assert subspace_overlap(a, b, rank=9).value == pytest.approx(expected, abs=1e-9)


def test_directions_that_carry_as_much_are_found_all_the_same():
    atoms = torch.eye(200, dtype=torch.float64)[[0] * 4 + [1] * 4 + [2] * 4 + list(range(3, 60))]
    found = leading_directions(atoms, 3)
    assert found.abs().square().sum(dim=1)[:3].tolist() == pytest.approx([1, 1, 1], abs=1e-9)


def test_the_rank_is_the_number_of_dimensions_that_carry_the_variance_and_leaves_room():
    few = torch.tensor([1.0] * 4 + [0.0] * 12).diag()
    assert carrying_rank(few, 100) == 4
    assert carrying_rank(torch.eye(16), 100) == 8  # half of the dimensions
    assert carrying_rank(torch.eye(16), 6) == 3  # half of the atoms
    assert carrying_rank(torch.zeros(16, 16), 6) == carrying_rank(few, 1) == 1


def test_firing_mass_is_the_share_of_what_an_atom_adds_to_the_reconstructions():
    codes = torch.tensor([[1.0, 0.0, 0.0], [3.0, 2.0, 0.0]], dtype=torch.float64)
    atoms = torch.tensor([[3.0, 4.0], [0.0, 10.0], [1.0, 0.0]], dtype=torch.float64)
    assert firing_mass(standardise(codes), atoms).tolist() == pytest.approx([20 / 40, 20 / 40, 0])
    assert firing_mass(standardise(torch.zeros(2, 3)), atoms).isnan().all()


def test_mass_weighted_agreement_is_a_mean_that_busy_atoms_decide():
    a, b = plane(0, 90), plane(0, 150)  # cosines 1 and 1/2
    busy, even = torch.tensor([0.9, 0.1]).double(), torch.tensor([0.5, 0.5]).double()
    assert mass_weighted_agreement(match(a, b), busy, busy) == pytest.approx(0.9 * 1 + 0.1 / 2)
    assert mass_weighted_agreement(match(a, b), busy, even) == pytest.approx(0.7 * 1 + 0.3 / 2)
    assert mass_weighted_agreement(match(a, b), even, even) == pytest.approx(match(a, b).agreement)
    with pytest.raises(ValueError, match="firing masses of 3 and 2"):
        mass_weighted_agreement(match(a, b), torch.ones(3).double(), even)


def test_whitening_where_nothing_varies_is_no_error():
    assert not shrunk_inverse(torch.zeros(3, 3)).any()
    assert torch.allclose(
        shrunk_inverse(torch.diag(torch.tensor([3.0, 1.0])), shrinkage=0.5),
        torch.diag(torch.tensor([1 / 2.5, 1 / 1.5], dtype=torch.float64)),
    )


def test_r2_subtracts_the_mean_of_each_dimension():
    mean = torch.tensor([100.0, -100.0])
    x = mean + torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    assert r2(x, mean.expand_as(x), mean) == 0
    assert r2(x, x, mean) == 1
    assert r2(x, mean + torch.tensor([0.0, 1.0]) * (x - mean), mean) == pytest.approx(8 / 10)
    assert math.isnan(r2(mean.expand(3, 2), mean.expand(3, 2), mean))


def test_norm_and_stable_rank_of_known_dictionaries():
    assert mean_norm_squared(2 * torch.eye(3)) == 4
    assert stable_rank(torch.eye(5)).value == pytest.approx(5)
    assert stable_rank(torch.ones(4, 3)).value == pytest.approx(1)
    assert stable_rank(torch.diag(torch.tensor([2.0, 1.0, 1.0]))).value == pytest.approx(6 / 4)
    assert stable_rank(torch.zeros(2, 2)).reason == "all atoms are zero"


def test_retention_is_each_atoms_cosine_with_itself():
    assert retention(plane(0, 60, 180), plane(0, 0, 0)).tolist() == pytest.approx([1, 0.5, -1])


def test_frozen_runs_agree_exactly_as_much_as_their_starts_did():
    a, b = normal(30, 10), normal(30, 10, rolled=1)
    for other in (a[torch.randperm(30, generator=torch.Generator().manual_seed(2))], b):
        born = match(a, other)
        explained = explained_by_retention(born, retention(a, a), retention(other, other))
        assert explained == pytest.approx(born.agreement, abs=1e-12)


def test_runs_that_left_one_start_in_directions_of_their_own_show_no_convergence():
    d_model, n_atoms = 4096, 40
    start = normal(n_atoms, d_model)
    a, b = (start + normal(n_atoms, d_model, rolled=rolled) for rolled in (1, 2))
    explained = explained_by_retention(match(start, start), retention(a, start), retention(b, start))
    assert explained == pytest.approx(1 / 2, abs=0.01)  # each is at 45 degrees from the start
    assert match(a, b).agreement == pytest.approx(explained, abs=0.01)


def test_persistence_counts_the_pairs_that_stay_together():
    a = torch.eye(6)
    earlier, later = match(a, a), match(a, a[[1, 0, 2, 3, 4, 5]])
    assert persistence(earlier, earlier) == 1
    assert persistence(earlier, later) == 4 / 6


def test_identity_is_the_share_of_birth_partners_beyond_the_one_that_chance_keeps():
    a = torch.eye(6)
    born, swapped = match(a, a), match(a, a[[1, 0, 2, 3, 4, 5]])
    assert identity(born, born) == 1
    assert identity(born, swapped) == pytest.approx((4 - 1) / (6 - 1))
    assert identity(born, match(a, a[[1, 2, 3, 4, 5, 0]])) == pytest.approx((0 - 1) / (6 - 1))


def test_birth_partners_of_a_permuted_start_are_told_by_its_matching():
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    born = match(torch.eye(6), torch.eye(6)[order])
    assert identity(born, born) == 1
    assert identity(born, match(torch.eye(6), torch.eye(6))) == pytest.approx((1 - 1) / (6 - 1))  # atom 4 alone


def test_identity_is_that_of_atoms_that_live_on_both_sides():
    a, all_but_two = torch.eye(6), torch.tensor([False, True, True, True, True, False])
    born, swapped = match(a, a), match(a, a[[5, 1, 2, 4, 3, 0]])
    lives = {"alive_a": all_but_two, "alive_b": torch.ones(6, dtype=torch.bool)}
    assert identity(born, swapped, **lives) == pytest.approx((2 - 4 / 6) / (4 - 4 / 6))
    assert identity(born, born, **lives) == 1
    nobody = torch.zeros(6, dtype=torch.bool)
    assert math.isnan(identity(born, born, alive_a=nobody, alive_b=nobody))


def test_a_matching_without_memory_has_identity_0_on_average():
    chance = torch.Generator().manual_seed(3)
    atoms, alive = torch.eye(12), torch.rand(12, generator=chance) < 0.6
    born = match(atoms, atoms)
    orders = [torch.randperm(12, generator=chance) for _ in range(400)]
    values = [identity(born, match(atoms, atoms[order]), alive_a=alive, alive_b=alive) for order in orders]
    assert np.mean(values) == pytest.approx(0, abs=4 * np.std(values) / math.sqrt(len(values)))


def test_the_replicated_share_counts_pairs_beyond_a_cosine_and_takes_off_the_one_in_a_hundred():
    a, b = plane(0, 90, 180, 270), plane(10, 100, 190, 320)  # cosines .98 .98 .98 .64
    assert replicated_share(match(a, b), 0.9) == pytest.approx((3 / 4 - 0.01) / 0.99)
    assert replicated_share(match(a, b), 0.5) == 1
    assert replicated_share(match(a, b), 0.985) == pytest.approx(-0.01 / 0.99)
    assert math.isnan(replicated_share(match(a, a), 0.995))  # beyond it, the same atom and any other look alike
    assert math.isnan(replicated_share(match(a, b), math.nan))


@pytest.mark.parametrize("sign", ["signed", "abs"])
def test_the_best_of_random_directions_is_beyond_c_once_in_a_hundred_times(sign):
    d_model, n_atoms, trials = 12, 40, 20_000
    directions = unit_rows(normal(trials, d_model, rolled=4))
    others = unit_rows(normal(n_atoms * 500, d_model, rolled=5)).view(500, n_atoms, d_model)
    cosines = torch.einsum("td,gnd->gtn", directions.view(500, trials // 500, d_model)[0], others)
    best = (cosines.abs() if sign == "abs" else cosines).amax(dim=-1).flatten()
    beyond = (best > isotropic_beyond(d_model, n_atoms, sign=sign)).double().mean().item()
    assert beyond == pytest.approx(0.01, abs=0.002)


def test_numbers_of_other_dictionaries_than_the_matched_ones_are_refused():
    matching = match(torch.eye(3), torch.eye(3))
    with pytest.raises(ValueError, match="matching is of 3 with 3 atoms, but 4 and 3 were given"):
        shared_fraction(matching, torch.eye(4), torch.eye(3, 4))
    with pytest.raises(ValueError, match="the codes are of 3 and 4"):
        code_agreement(matching, torch.eye(5)[:, :3], torch.eye(5)[:, :4])
    with pytest.raises(ValueError, match="retentions of 2 and 3"):
        explained_by_retention(matching, torch.ones(2, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="the other of 2 with 2"):
        persistence(matching, match(torch.eye(2), torch.eye(2)))
    with pytest.raises(ValueError, match="the other of 2 with 2"):
        identity(matching, match(torch.eye(2), torch.eye(2)))
    with pytest.raises((ValueError, TypeError), match="tokens"):
        code_agreement(matching, torch.eye(3), torch.eye(4)[:, :3])
