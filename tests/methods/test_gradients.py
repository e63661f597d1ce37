"""What every method promises that learns by gradients, in every form."""

import math

import pytest
import torch
from method_cases import ALL, D_MODEL, PER_BATCH, born, name_of, perturbed, reconstruct, settings_of, updated

from reseed.kernels import reference, without_parallel
from reseed.methods import METHODS, GradientMethod, parse

WRITTEN_OUT = {"topk", "relu", "ra-topk", "a-topk", "batchtopk", "matryoshka"}
"""The methods whose loss `dense_loss` has; another method brings the formula of its own loss to a test of its own."""

BY_GRADIENTS = [settings for settings in ALL if issubclass(METHODS[settings["kind"]], GradientMethod)]


@pytest.fixture(params=BY_GRADIENTS, ids=name_of)
def method(request):
    return parse(request.param)


@pytest.fixture(params=[each for each in BY_GRADIENTS if each["kind"] in WRITTEN_OUT], ids=name_of)
def autoencoder(request):
    return parse(request.param)


def batch(tokens, size=200):
    return tokens.rows(torch.arange(size)).unsqueeze(0)


def double(state):
    return {name: tensor.double().requires_grad_() for name, tensor in state.items()}


def dense_loss(method, state, x):
    """The objective as its formula says it, with nothing sparse."""
    x = x.double() / state["scale"].view(-1, 1, 1)
    bias = state["decoder_bias"].unsqueeze(1)
    codes = torch.relu((x - bias) @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1))
    if "k" in type(method).model_fields:
        encode = reference.encode_batchtopk if method.kind in PER_BATCH else reference.encode_topk
        kept = encode(x - bias, state["encoder"], state["encoder_bias"], k=method.k)
        codes = codes * (reference.densify(kept, n_atoms=method.n_atoms) > 0)
    loss = getattr(method, "l1", 0.0) * codes.sum(-1).mean(1) / math.sqrt(D_MODEL)
    ends, weights = method.nested if method.kind == "matryoshka" else ((method.n_atoms,), (1.0,))
    atoms = method.dictionary(state)
    for end, weight in zip(ends, weights, strict=True):
        x_hat = codes[..., :end] @ atoms[:, :end] + bias
        loss = loss + weight * (x - x_hat).square().mean((1, 2))
    return loss


def test_gradients_are_those_of_the_dense_formula(autoencoder, tokens):
    method = autoencoder
    state = double(perturbed(method, born(method, tokens)))
    x = batch(tokens)
    loss = dense_loss(method, state, x)
    expected = dict(
        zip(method.trained, torch.autograd.grad(loss.sum(), [state[n] for n in method.trained]), strict=True)
    )
    if getattr(method, "parallel", "kept") == "removed" and method.unit:
        expected["atoms"] = without_parallel(expected["atoms"], state["atoms"])
    with torch.no_grad():
        gradients, outcome = method.gradients(state, x.double())
    torch.testing.assert_close(outcome.loss, loss.detach(), rtol=1e-9, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-7, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_gradients_are_for_what_is_trained_and_change_nothing(method, tokens):
    state = perturbed(method, born(method, tokens))
    before = {name: tensor.clone() for name, tensor in state.items()}
    gradients, _ = method.gradients(state, batch(tokens))
    assert {name: g.shape for name, g in gradients.items()} == {name: state[name].shape for name in method.trained}
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_projecting_twice_is_projecting_once(method, tokens):
    state = perturbed(method, born(method, tokens))
    once = {name: tensor.clone() for name, tensor in state.items()}
    method.project(state)
    for name, tensor in once.items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-6, atol=1e-7)


def test_a_start_is_already_projected(method, tokens):
    state = born(method, tokens)
    before = {name: tensor.clone() for name, tensor in state.items()}
    method.project(state)
    for name, tensor in before.items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-6, atol=1e-7)


def test_a_snapshot_says_in_the_units_of_the_activations_what_the_state_says_in_its_own(autoencoder, tokens):
    method = autoencoder
    state = perturbed(method, born(method, tokens))
    x = batch(tokens)
    scale, bias = state["scale"].view(-1, 1, 1), state["decoder_bias"].unsqueeze(1)
    codes = torch.relu((x / scale - bias) @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1)) * scale
    encoded = method.encode(method.parameters(state), x)
    torch.testing.assert_close(encoded, codes * (encoded > 0), rtol=1e-4, atol=1e-2)
    x_hat = (codes * (encoded > 0)) @ method.dictionary(state) + bias * scale
    torch.testing.assert_close(reconstruct(method, state, x), x_hat, rtol=1e-4, atol=1e-2)


def test_untrained_biases_stay_zero(autoencoder, tokens):
    state = updated(autoencoder, born(autoencoder, tokens), tokens, steps=2)
    for name in {"encoder_bias", "decoder_bias"} - set(autoencoder.trained):
        assert (state[name] == 0).all()


@pytest.mark.parametrize("kind", sorted({settings["kind"] for settings in BY_GRADIENTS}))
def test_a_learning_rate_is_what_tuning_may_choose(kind):
    assert parse(settings_of(kind, learning_rate=0.25)).peak_rate == 0.25
