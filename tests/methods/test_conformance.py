"""What every method promises, in every form."""

import math

import pytest
import torch
from method_cases import (
    D_MODEL,
    N_ATOMS,
    VARIANTS,
    K,
    activations,
    born,
    perturbed,
    reconstruct,
    settings_of,
    stacked,
)
from safetensors.torch import load_file, save_file

from reseed.activations import batch_rows, open_activations, view
from reseed.errors import SpecError
from reseed.kernels import reference
from reseed.methods import METHODS, optimiser, parse
from reseed.methods._autoencoder import without_parallel

COMMON = {"encoder", "encoder_bias", "decoder_bias"}


def batch(tokens, runs=1, size=200):
    return tokens.rows(torch.arange(size)).expand(runs, -1, -1)


def train(method, state, tokens, *, steps, moments=None, first=0):
    moments = moments or optimiser.begin(state, method.trained)
    for step in range(first, first + steps):
        x = tokens.rows(batch_rows(tokens.n_tokens, 256, step, roll=1)).unsqueeze(0)
        gradients, _ = method.gradients(state, x)
        optimiser.update(state, gradients, moments, step=step, learning_rate=3e-3)
        method.project(state)
    return moments


def r2(method, state, x):
    error = (reconstruct(method, state, x) - x).square().sum()
    return 1 - (error / (x - x.mean(1, keepdim=True)).square().sum()).item()


def double(state):
    return {name: tensor.double().requires_grad_() for name, tensor in state.items()}


def dense_loss(method, state, x):
    """The objective as its formula says it, with nothing sparse."""
    x = x.double() / state["scale"].view(-1, 1, 1)
    bias = state["decoder_bias"].unsqueeze(1)
    codes = torch.relu((x - bias) @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1))
    if "k" in type(method).model_fields:
        kept = reference.encode_topk(x - bias, state["encoder"], state["encoder_bias"], k=method.k)
        codes = codes * (reference.densify(kept, n_atoms=method.n_atoms) > 0)
    penalty = getattr(method, "l1", 0.0) * codes.sum(-1).mean(1) / math.sqrt(D_MODEL)
    x_hat = codes @ method.dictionary(state) + bias
    return (x - x_hat).square().mean((1, 2)) + penalty


def test_every_method_has_variants_to_test():
    assert set(VARIANTS) == set(METHODS)
    assert all(METHODS[kind].model_fields["kind"].default == kind for kind in METHODS)


def test_shapes_are_those_of_the_contract(method, tokens):
    state = stacked([born(method, tokens, run) for run in range(2)])
    x = batch(tokens, runs=2)
    gradients, step = method.gradients(state, x)
    codes = method.encode(state, x)
    assert all(len(entry) == 2 for entry in state.values())
    assert {name: g.shape for name, g in gradients.items()} == {name: state[name].shape for name in method.trained}
    assert method.dictionary(state).shape == method.encoder(state).shape == (2, N_ATOMS, D_MODEL)
    assert codes.shape == (2, 200, N_ATOMS)
    assert reconstruct(method, state, x).shape == x.shape
    assert step.loss.shape == step.squared_error.shape == step.l0.shape == (2,)
    assert step.fired.shape == (2, N_ATOMS)
    assert all(figure.shape == (2,) for figure in method.diagnostics(state).values())
    assert all(len(part) == 2 for part in method.snapshot(state).values())


def test_gradients_are_those_of_the_dense_formula(method, tokens):
    state = double(perturbed(method, born(method, tokens)))
    x = batch(tokens)
    loss = dense_loss(method, state, x)
    expected = dict(
        zip(method.trained, torch.autograd.grad(loss.sum(), [state[n] for n in method.trained]), strict=True)
    )
    if getattr(method, "parallel", "kept") == "removed" and getattr(method, "norm", "unit") == "unit":
        expected["atoms"] = without_parallel(expected["atoms"], state["atoms"])
    with torch.no_grad():
        gradients, step = method.gradients(state, x.double())
    torch.testing.assert_close(step.loss, loss.detach(), rtol=1e-9, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-7, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_the_figures_of_a_batch_are_those_of_its_codes(method, tokens):
    state = perturbed(method, born(method, tokens))
    x = batch(tokens)
    _, step = method.gradients(state, x)
    codes = method.encode(state, x)
    torch.testing.assert_close(
        step.squared_error, (x - reconstruct(method, state, x)).square().sum((1, 2)), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(step.l0, (codes > 0).sum((1, 2)) / 200)
    assert torch.equal(step.fired, (codes > 0).any(1))


def test_codes_are_not_negative_and_at_most_k_of_a_token_are_active(method, tokens):
    codes = method.encode(born(method, tokens), batch(tokens))
    assert (codes >= 0).all()
    if "k" in type(method).model_fields:
        assert (codes > 0).sum(-1).max() == K


def test_reading_never_writes(method, tokens):
    state = perturbed(method, born(method, tokens))
    before = {name: tensor.clone() for name, tensor in state.items()}
    x = batch(tokens)
    reconstruct(method, state, x)
    method.gradients(state, x)
    for read in (method.snapshot(state), method.diagnostics(state)):
        for tensor in read.values():
            tensor.fill_(-1.0)
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


def test_a_slice_of_a_wide_stack_is_the_run_alone(method, tokens):
    states = [perturbed(method, born(method, tokens, run)) for run in range(3)]
    wide = stacked(states)
    x = torch.stack([tokens.rows(torch.arange(200) + 200 * run) for run in range(3)])
    gradients, step = method.gradients(wide, x)
    for run, state in enumerate(states):
        own, own_step = method.gradients(state, x[run : run + 1])
        torch.testing.assert_close(own_step.loss, step.loss[run : run + 1])
        for name, gradient in own.items():
            torch.testing.assert_close(gradient, gradients[name][run : run + 1], rtol=1e-4, atol=1e-6)


def test_a_saved_state_goes_on_with_the_same_bits(method, tokens, tmp_path):
    state = born(method, tokens)
    moments = train(method, state, tokens, steps=3)
    parts = {"state": state, "first": moments.first, "second": moments.second}
    for part, tensors in parts.items():
        save_file(tensors, tmp_path / part)
    train(method, state, tokens, steps=3, moments=moments, first=3)
    # Cloned, because sums over rows can differ in the last bit when memory is not aligned as torch aligns it.
    loaded = {part: {name: t.clone() for name, t in load_file(tmp_path / part).items()} for part in parts}
    resumed = optimiser.Moments(first=loaded["first"], second=loaded["second"])
    train(method, loaded["state"], tokens, steps=3, moments=resumed, first=3)
    assert all(torch.equal(state[name], loaded["state"][name]) for name in state)


def test_a_snapshot_is_enough_to_encode_and_decode(method, tokens):
    state = perturbed(method, born(method, tokens))
    x = batch(tokens)
    read = method.snapshot(state)
    assert {"atoms"} | COMMON <= set(read)
    codes = torch.relu(x @ read["encoder"].mT + read["encoder_bias"].unsqueeze(1))
    active = method.encode(state, x) > 0
    torch.testing.assert_close(method.encode(state, x), codes * active, rtol=1e-4, atol=1e-2)
    x_hat = (codes * active) @ read["atoms"] + read["decoder_bias"].unsqueeze(1)
    torch.testing.assert_close(reconstruct(method, state, x), x_hat, rtol=1e-4, atol=1e-2)


def test_untrained_biases_stay_zero(method, tokens):
    state = born(method, tokens)
    train(method, state, tokens, steps=2)
    for name in {"encoder_bias", "decoder_bias"} - set(method.trained):
        assert (state[name] == 0).all()


def test_training_reconstructs_better_than_the_start(method, tokens):
    state = born(method, tokens)
    x = batch(tokens, size=1000)
    start = r2(method, state, x)
    train(method, state, tokens, steps=60)
    assert r2(method, state, x) > start


@pytest.mark.parametrize("kind", METHODS)
def test_activations_a_thousand_times_larger_learn_the_same_dictionary(kind):
    method = parse(settings_of(kind))
    ends = []
    for factor in (1.0, 1000.0):
        seen = view(open_activations(activations() * factor), "none")
        state = born(method, seen)
        train(method, state, seen, steps=20)
        ends.append(method.dictionary(state))
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", METHODS)
def test_settings_survive_a_round_trip(kind):
    method = parse(settings_of(kind, learning_rate=0.25))
    assert parse(method.model_dump()) == method
    assert parse(method) is method


@pytest.mark.parametrize("kind", METHODS)
def test_an_unknown_setting_is_named(kind):
    with pytest.raises(SpecError, match=f"{kind}: colour"):
        parse(settings_of(kind, colour="red"))


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(SpecError, match="'top-k' is not known: use one of topk, relu, ra-topk, a-topk"):
        parse({"kind": "top-k"})


@pytest.mark.parametrize("kind", [kind for kind in METHODS if "k" in METHODS[kind].model_fields])
def test_more_active_atoms_than_atoms_are_refused(kind):
    with pytest.raises(SpecError, match="k must be at most n_atoms"):
        parse(settings_of(kind) | {"k": N_ATOMS + 1})
