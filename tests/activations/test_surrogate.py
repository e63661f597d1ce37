"""Surrogate samples: what they keep of activations, against numpy and scipy, and what they lose."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from reseed.activations import open_activations, preprocessed, surrogate, surrogate_fingerprint, surrogate_rank
from reseed.activations.coordinates import SURROGATES
from reseed.activations.moments import moments_of
from reseed.activations.surrogate import sampled
from reseed.errors import ActivationsError

N, D = 6000, 12


def dice(number=0):
    return torch.Generator().manual_seed(number)


def heavy_rows(n_rows=N, d_model=D, degrees=6.0, number=0):
    """Student rows of a few degrees of freedom: one length factor for all coordinates of a row."""
    normal = torch.randn(n_rows, d_model, generator=dice(number), dtype=torch.float64)
    chi2 = torch.from_numpy(scipy.stats.chi2(degrees).rvs(n_rows, random_state=number))
    mixing = torch.randn(d_model, d_model, generator=dice(number + 1), dtype=torch.float64)
    return ((normal * (degrees / chi2).sqrt()[:, None]) @ mixing + 5 * mixing[0]).float()


def rows_of(activations):
    return torch.cat(list(activations.blocks())).double().numpy()


def mahalanobis(rows, activations):
    """By scipy's own route: a pseudo-inverse, not a whitening."""
    off = rows - activations.moments.mean.numpy()
    inverse = scipy.linalg.pinvh(activations.moments.covariance.numpy(), rtol=1e-9)
    return np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off))


@pytest.fixture(scope="module")
def real():
    return open_activations(heavy_rows())


@pytest.fixture(scope="module", params=SURROGATES)
def kind(request):
    return request.param


def test_as_many_rows_and_held_out_rows_with_the_mean_and_covariance_within_sampling_error(real, kind):
    drawn = surrogate(real, kind)
    rows = rows_of(drawn)
    assert (drawn.n_tokens, drawn.d_model, len(drawn.heldout.rows)) == (real.n_tokens, D, len(real.heldout.rows))
    mean, covariance = real.moments.mean.numpy(), real.moments.covariance.numpy()
    # in whitened coordinates u: the variance of u_i is 1, that of u_i u_j is E r^4 / (q (q + 2)) for i != j
    fourth = np.mean(mahalanobis(rows_of(real), real) ** 4) / (D * (D + 2))
    root = scipy.linalg.inv(scipy.linalg.sqrtm(covariance))
    white = (rows - mean) @ root
    assert np.abs(white.mean(axis=0)).max() < 5 / np.sqrt(len(rows))
    assert np.abs(white.T @ white / len(rows) - np.eye(D)).max() < 5 * np.sqrt(3 * fourth / len(rows))
    assert np.allclose(drawn.moments.mean, rows.mean(axis=0), atol=1e-6)
    assert np.allclose(drawn.moments.covariance, np.cov(rows.T, bias=True), rtol=1e-5, atol=1e-5)


def test_elliptical_rows_have_each_length_of_the_training_rows_once_in_another_order(real):
    before, after = mahalanobis(rows_of(real), real), mahalanobis(rows_of(surrogate(real)), real)
    assert np.allclose(np.sort(before), np.sort(after), rtol=1e-4)
    assert not np.allclose(before, after, rtol=1e-2)
    assert abs(np.corrcoef(before, after)[0, 1]) < 5 / np.sqrt(len(before))


def test_held_out_rows_have_the_lengths_of_held_out_rows_and_not_of_training_rows(real):
    held, drawn = real.heldout.rows.double().numpy(), surrogate(real).heldout.rows.double().numpy()
    assert np.allclose(np.sort(mahalanobis(held, real)), np.sort(mahalanobis(drawn, real)), rtol=1e-4)
    training = {row.tobytes() for row in rows_of(surrogate(real))}
    assert not any(row.tobytes() in training for row in drawn)


def test_directions_of_elliptical_rows_are_uniform_and_unrelated_to_lengths(real):
    root = scipy.linalg.inv(scipy.linalg.sqrtm(real.moments.covariance.numpy()))
    white = (rows_of(surrogate(real)) - real.moments.mean.numpy()) @ root
    lengths = np.linalg.norm(white, axis=1)
    cosines = white[:, 0] / lengths
    law = scipy.stats.beta((D - 1) / 2, (D - 1) / 2, loc=-1, scale=2)  # of a coordinate of a uniform direction
    assert scipy.stats.kstest(cosines, law.cdf).pvalue > 1e-3
    assert scipy.stats.kstest(cosines[lengths > np.median(lengths)], law.cdf).pvalue > 1e-3


def test_heavy_tails_along_any_direction_stay_with_lengths_and_go_with_gaussian_rows(real):
    direction = torch.randn(D, generator=dice(9), dtype=torch.float64).numpy()
    kurtosis = {kind: scipy.stats.kurtosis(rows_of(surrogate(real, kind)) @ direction) for kind in SURROGATES}
    of_real = scipy.stats.kurtosis(rows_of(real) @ direction)
    assert of_real > 1.5
    assert kurtosis["elliptical"] > 1.0
    assert abs(kurtosis["gaussian"]) < 0.4


def test_axes_keep_what_lies_along_each_principal_axis_and_lose_what_lies_together():
    shared = torch.rand(N, 1, generator=dice(3)) < 0.1  # coordinates of uncorrelated signs that are active together
    signs = torch.randint(2, (N, 4), generator=dice(4)) * 2 - 1
    own = shared * signs * torch.tensor([1.0, 2.0, 3.0, 4.0])
    real = open_activations(own + 0.01 * torch.randn(N, 4, generator=dice(5)))
    drawn = surrogate(real, "axes")
    directions = np.linalg.eigh(real.moments.covariance.numpy())[1]
    before, after = ((rows_of(each) - real.moments.mean.numpy()) @ directions for each in (real, drawn))
    assert np.allclose(np.sort(before, axis=0), np.sort(after, axis=0), atol=1e-5)
    assert np.corrcoef(np.abs(before).T).min() > 0.8
    assert np.abs(np.corrcoef(np.abs(after).T) - np.eye(4)).max() < 0.1


def explained(rows, atoms):
    """R² of the best single atom for each row: the share of ‖x‖² along it."""
    along = (rows @ atoms.T / np.linalg.norm(atoms, axis=1)) ** 2
    return float((along.max(axis=1) / (rows**2).sum(axis=1)).mean())


@pytest.mark.parametrize("kind", ["elliptical", "gaussian"])
def test_orthogonal_atoms_that_explain_every_real_row_explain_a_surrogate_as_any_others_do(kind):
    atoms, turned = (scipy.stats.ortho_group(24, seed=number).rvs() for number in (3, 4))
    which, signs = torch.randint(24, (4000,), generator=dice(1)), torch.randint(2, (4000, 1), generator=dice(2)) * 2 - 1
    real = open_activations((signs * torch.from_numpy(atoms)[which]).float())
    drawn = rows_of(surrogate(real, kind))
    assert explained(rows_of(real), atoms) > 0.999
    assert abs(explained(drawn, atoms) - explained(drawn, turned)) < 0.02


def test_a_copy_rotated_in_whitened_space_has_a_surrogate_of_the_same_law(real):
    covariance, mean = real.moments.covariance.numpy(), real.moments.mean.numpy()
    root = np.real(scipy.linalg.sqrtm(covariance))
    rotation = scipy.stats.ortho_group(D, seed=1).rvs()
    turn = torch.from_numpy(np.linalg.inv(root) @ rotation @ root)
    rows = torch.cat([*real.blocks(), real.heldout.rows]).double()
    copy = open_activations(((rows - real.moments.mean) @ turn + real.moments.mean).float())
    first, second = rows_of(surrogate(real)), rows_of(surrogate(copy))
    assert np.allclose(covariance, copy.moments.covariance, rtol=0.1, atol=0.05 * covariance.max())
    for number in range(3):
        direction = np.random.default_rng(number).standard_normal(D)
        assert scipy.stats.ks_2samp((first - mean) @ direction, (second - mean) @ direction).pvalue > 1e-3


def test_threads_and_the_place_of_the_rows_change_no_bit(tmp_path, kind):
    real = open_activations(heavy_rows(20_000))
    first = surrogate(real, kind)
    torch.set_num_threads(3)
    try:
        again = surrogate(real, kind, folder=tmp_path)
    finally:
        torch.set_num_threads(1)
    assert np.array_equal(rows_of(first), rows_of(again))
    assert torch.equal(first.heldout.rows, again.heldout.rows)
    assert torch.equal(first.moments.covariance, again.moments.covariance)
    assert not list(tmp_path.iterdir())


def test_a_realisation_and_a_kind_and_other_activations_are_other_draws_known_by_their_fingerprints(real):
    others = [surrogate(real), surrogate(real, realisation=1), surrogate(real, "gaussian")]
    others.append(surrogate(open_activations(heavy_rows() + 1e-3)))
    assert len({each.fingerprint for each in others}) == len({rows_of(each).tobytes() for each in others}) == 4
    assert others[1].fingerprint == surrogate_fingerprint(real, realisation=1)
    assert others[2].fingerprint == surrogate_fingerprint(real, "gaussian")
    assert [each.name for each in others[:3]] == [
        "tensor, elliptical surrogate",
        "tensor, elliptical surrogate 1",
        "tensor, gaussian surrogate",
    ]
    z = [(rows_of(each) - real.moments.mean.numpy())[:, 0] for each in others]
    assert np.abs(np.corrcoef(z) - np.eye(4)).max() < 0.08


def test_what_a_surrogate_says_of_itself(real):
    about = surrogate(real, "axes", realisation=2).about
    assert about["surrogate_of"] == real.fingerprint
    assert (about["surrogate"], about["realisation"], about["rank"]) == ("axes", 2, D)
    assert about["dimensions_per_token"] == D / real.n_tokens


def test_rows_of_low_rank_stay_in_their_span(kind):
    flat = torch.randn(900, 5, generator=dice(1), dtype=torch.float64)
    frame = torch.from_numpy(scipy.stats.ortho_group(9, seed=2).rvs())[:5]
    real = open_activations((flat @ frame + 2.0).float())
    drawn = rows_of(surrogate(real, kind)) - 2.0
    outside = drawn - drawn @ frame.T.numpy() @ frame.numpy()
    assert surrogate_rank(real.moments) == 5
    assert np.abs(outside).max() < 1e-5
    assert np.linalg.matrix_rank(drawn, tol=1e-3) == 5


def test_fewer_tokens_than_dimensions_vary_in_one_direction_less_than_there_are_tokens(kind):
    real = open_activations(torch.randn(40, 64, generator=dice(2)))
    drawn = surrogate(real, kind)
    assert drawn.about["rank"] == real.n_tokens - 1 == np.linalg.matrix_rank(rows_of(real) - rows_of(real).mean(axis=0))
    assert np.linalg.matrix_rank(rows_of(drawn) - real.moments.mean.numpy(), tol=1e-3) <= real.n_tokens - 1


def test_constant_columns_stay_what_they_are_to_the_bit(kind):
    rows = heavy_rows(1000, 6)
    rows[:, 2], rows[:, 5] = 0.1, 0.0
    drawn = surrogate(open_activations(rows), kind)
    for each in (torch.cat(list(drawn.blocks())), drawn.heldout.rows):
        assert bool((each[:, 2] == rows[0, 2]).all())
        assert bool((each[:, 5] == 0).all())
        assert each[:, 0].unique().numel() > 90


def test_a_massive_token_leaves_its_length_to_one_row_of_another_direction():
    rows = torch.randn(3000, 16, generator=dice(3))
    rows[100, 3] = 3000.0
    real = open_activations(rows)
    before, after = (np.sort(mahalanobis(rows_of(each), real)) for each in (real, surrogate(real)))
    assert before[-1] > 7 * before[-2]
    assert np.allclose(before, after, rtol=1e-4)
    largest = rows_of(surrogate(real))[np.argmax(mahalanobis(rows_of(surrogate(real)), real))]
    assert np.abs(largest[:3]).max() > 8  # other columns have a share in it


def test_columns_far_below_the_others_are_told_and_not_drawn():
    rows = torch.randn(500, 4, generator=dice(3)) * torch.tensor([1.0, 1.0, 1.0, 1e-5])
    drawn = surrogate(open_activations(rows))
    assert drawn.about["rank"] == 3
    assert len(drawn.warnings) == 1
    assert "1 of 4 columns" in drawn.warnings[0]
    assert not surrogate(open_activations(rows[:, :3])).warnings


def test_float16_activations_have_a_surrogate_of_the_rows_that_they_hold(kind):
    half = heavy_rows(1000, 6).half()
    a, b = surrogate(open_activations(half), kind), surrogate(open_activations(half.float()), kind)
    assert np.array_equal(rows_of(a), rows_of(b))


def test_preprocessings_see_a_surrogate_as_anything_else(real):
    drawn = surrogate(real)
    centred, unit = preprocessed(drawn, "centre"), preprocessed(drawn, "unit-norm")
    seen = torch.cat([centred.rows(torch.arange(drawn.n_tokens))])
    assert torch.allclose(centred.moments.covariance, moments_of([seen]).covariance, rtol=1e-5, atol=1e-5)
    assert float(seen.mean(dim=0).abs().max()) < 1e-4
    assert torch.allclose(unit.heldout.rows.norm(dim=1), torch.ones(len(unit.heldout.rows)))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (torch.randn(100, 1, generator=torch.Generator().manual_seed(0)), "one column"),
        (torch.full((100, 3), 0.3), "all rows are equal"),
    ],
)
def test_rows_without_directions_are_refused_as_elsewhere(rows, told):
    with pytest.raises(ActivationsError, match=told):
        surrogate(open_activations(rows))


@pytest.mark.parametrize("wrong", [{"kind": "cubic"}, {"realisation": -1}])
def test_other_kinds_and_negative_realisations_are_refused(real, wrong):
    with pytest.raises(ValueError, match="elliptical" if "kind" in wrong else "realisation"):
        surrogate(real, **wrong)


@pytest.mark.parametrize(("of_disk", "told"), [(True, "choose another disk"), (False, "give a folder")])
def test_rows_that_nothing_can_hold_are_refused_before_they_are_drawn(real, tmp_path, of_disk, told):
    folder = tmp_path if of_disk else None
    with (
        sampled(real, "elliptical", realisation=0, folder=folder) as sample,
        pytest.raises(ActivationsError, match=told),
    ):
        sample.empty(10**9, 10**6)
    assert not list(tmp_path.iterdir())
