"""Preprocessing against numpy, and the moments that follow from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reseed.activations import PREPROCESSINGS, Preprocess, open_activations, preprocessed
from reseed.activations.preprocess import WHITEN_SHRINKAGE
from reseed.errors import ActivationsError

D = 12


@pytest.fixture(scope="module")
def activations():
    """Correlated rows far from the origin; dimension 7 is constant, row 4 is zero."""
    generator = torch.Generator().manual_seed(8)
    rows = torch.randn(2000, D, generator=generator) @ torch.randn(D, D, generator=generator) + 5
    rows[:, 7] = 2.5
    rows[4] = 0
    rows[4, 7] = 2.5
    return open_activations(rows)


def training(activations):
    return activations.rows(torch.arange(activations.n_tokens)).double().numpy()


def by_numpy(x, name):
    centred, covariance = x - x.mean(0), np.cov(x.T, bias=True)
    if name == "none":
        return x
    if name == "centre":
        return centred
    if name == "centre-scale":
        return centred / np.sqrt((centred**2).sum(1).mean() / D)
    if name == "standardise":
        deviation = x.std(0)
        return np.divide(centred, deviation, out=np.zeros_like(x), where=deviation > 1e-9)
    if name == "whiten":
        shrunk = (1 - WHITEN_SHRINKAGE) * covariance + WHITEN_SHRINKAGE * np.trace(covariance) / D * np.eye(D)
        left, values, _ = np.linalg.svd(shrunk)
        return centred @ (left / np.sqrt(values)) @ left.T
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_rows_are_what_numpy_makes_of_them(activations, name):
    seen = preprocessed(activations, name)
    read = seen.rows(torch.arange(seen.n_tokens))
    assert read.dtype == torch.float32
    np.testing.assert_allclose(read.numpy(), by_numpy(training(activations), name), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_moments_are_those_of_the_rows_afterwards(activations, name):
    moments = preprocessed(activations, name).moments
    rows = by_numpy(training(activations), name)
    np.testing.assert_allclose(moments.mean.numpy(), rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(moments.covariance.numpy(), np.cov(rows.T, bias=True), rtol=1e-5, atol=1e-5)
    assert moments.n_tokens == activations.n_tokens


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_the_heldout_split_is_seen_through_the_training_rows_moments(activations, name):
    seen = preprocessed(activations, name)
    np.testing.assert_array_equal(seen.heldout.rows.numpy(), seen.preprocess(activations.heldout.rows).numpy())
    assert seen.heldout.rows.shape == (200, D)


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_a_preprocess_survives_a_file(tmp_path, activations, name):
    preprocess = preprocessed(activations, name).preprocess
    save_file(preprocess.to_tensors(), tmp_path / "preprocess.safetensors")
    read = Preprocess.from_tensors(load_file(tmp_path / "preprocess.safetensors"))
    rows = activations.rows(torch.arange(50))
    assert torch.equal(read(rows), preprocess(rows))


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_a_view_on_a_device_reads_the_same(activations, name):
    seen, index = preprocessed(activations, name), torch.tensor([[3, 1], [1799, 0]])
    assert torch.equal(seen.to("cpu").rows(index), seen.rows(index))


def test_centre_scale_makes_the_mean_squared_norm_d(activations):
    seen = preprocessed(activations, "centre-scale")
    assert seen.rows(torch.arange(1800)).square().sum(1).mean().item() == pytest.approx(D, rel=1e-5)
    assert seen.scale == pytest.approx(1, rel=1e-6)


def test_whitening_turns_well_conditioned_rows_into_nearly_white_ones():
    rows = torch.randn(5000, D, generator=torch.Generator().manual_seed(2))
    rows[:, 0] += 0.5 * rows[:, 1]
    covariance = preprocessed(open_activations(rows), "whiten").moments.covariance
    np.testing.assert_allclose(covariance.numpy(), np.eye(D), atol=0.02)


def test_whitening_does_not_blow_up_directions_without_variance(activations):
    covariance = preprocessed(activations, "whiten").moments.covariance
    assert torch.linalg.eigvalsh(covariance).max() < 1 / (1 - WHITEN_SHRINKAGE)
    assert covariance[7, 7] < 1e-6


def test_a_zero_row_stays_zero_under_unit_norm():
    rows = torch.randn(100, D, generator=torch.Generator().manual_seed(2))
    rows[4] = 0
    seen = preprocessed(open_activations(rows), "unit-norm").rows(torch.arange(5))
    assert torch.equal(seen[4], torch.zeros(D))
    torch.testing.assert_close(seen[:4].norm(dim=1), torch.ones(4))


def test_the_fingerprint_tells_activations_and_preprocessings_apart(activations):
    prints = {preprocessed(activations, name).fingerprint for name in PREPROCESSINGS}
    other = preprocessed(replace(activations, fingerprint="another"), "none").fingerprint
    assert len(prints | {other}) == len(PREPROCESSINGS) + 1


def test_moments_do_not_follow_through_unit_norms(activations):
    with pytest.raises(ValueError, match="dividing by norms is not linear"):
        preprocessed(activations, "unit-norm").preprocess.moments(activations.moments)


def test_an_unknown_preprocessing_is_refused(activations):
    with pytest.raises(ValueError, match="'center'; use one of 'none', 'centre', 'centre-scale'"):
        preprocessed(activations, "center")


@pytest.mark.parametrize("name", ["centre-scale", "standardise", "whiten"])
def test_activations_without_spread_cannot_be_scaled(name):
    with pytest.raises(ActivationsError, match=f"all activations are equal, which {name} cannot scale"):
        preprocessed(open_activations(torch.ones(50, 3)), name)
