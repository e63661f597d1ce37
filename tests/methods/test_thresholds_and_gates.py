"""Straight-through gradients, prices and gates: what only JumpReLU, RA-JumpReLU and Gated have."""

import math

import pytest
import torch
from method_cases import D_MODEL, N_ATOMS, VARIANTS, born, name_of, perturbed, settings_of, updated
from torch.autograd import Function

from reseed.errors import SpecError
from reseed.kernels import without_parallel
from reseed.methods import Schedule, parse

JUMPS = [settings_of(kind, **more) for kind in ("jumprelu", "ra-jumprelu") for more in VARIANTS[kind]]
GATES = [settings_of("gated", **more) for more in VARIANTS["gated"]]


class Jump(Function):
    """pre where it is above the threshold; the pseudo-derivatives of the paper, eq. 11."""

    @staticmethod
    def forward(context, pre, threshold, bandwidth):
        context.save_for_backward(pre, threshold)
        context.bandwidth = bandwidth
        return pre * (pre > threshold)

    @staticmethod
    def backward(context, gradient):
        pre, threshold = context.saved_tensors
        band = (pre - threshold).abs() < context.bandwidth / 2
        return gradient * (pre > threshold), -threshold / context.bandwidth * band * gradient, None


class Step(Function):
    """1 where pre is above the threshold; the pseudo-derivative of the paper, eq. 12, or that of the upper half."""

    @staticmethod
    def forward(context, pre, threshold, bandwidth, band):
        context.save_for_backward(pre, threshold)
        context.bandwidth, context.band = bandwidth, band
        return (pre > threshold).to(pre)

    @staticmethod
    def backward(context, gradient):
        pre, threshold = context.saved_tensors
        band = (pre - threshold).abs() < context.bandwidth / 2
        if context.band == "above":
            band &= pre > threshold
        return None, -1 / context.bandwidth * band * gradient, None, None


def jump_loss(method, state, x):
    x = x.double() / state["scale"].view(-1, 1, 1)
    bias = state["decoder_bias"].unsqueeze(1)
    pre = (x - bias) @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1)
    threshold = state["threshold"] if method.threshold_as == "value" else state["threshold"].exp()
    edges = threshold.unsqueeze(1).expand_as(pre)
    x_hat = Jump.apply(pre, edges, method.bandwidth) @ method.dictionary(state) + bias
    active = Step.apply(pre, edges, method.bandwidth, method.band).sum(-1).mean(1)
    if method.target_l0 is not None:
        active = method.target_l0 * (active / method.target_l0 - 1).square()
    return (x - x_hat).square().mean((1, 2)) + method.l0 * state["penalty_share"] * active / D_MODEL


def gated_loss(method, state, x):
    x = x.double() / state["scale"].view(-1, 1, 1)
    bias = state["decoder_bias"].unsqueeze(1)
    linear = (x - bias) @ state["encoder"].mT
    gates = torch.relu(linear + state["encoder_bias"].unsqueeze(1))
    magnitudes = torch.relu(linear * state["log_gain"].exp().unsqueeze(1) + state["magnitude_bias"].unsqueeze(1))
    error = (x - (gates > 0) * magnitudes @ state["atoms"] - bias).square().mean((1, 2))
    decoder = (state["atoms"], bias)
    if method.gates_teach == "encoder":
        decoder = [part.detach() for part in decoder]
    of_gates = (x - gates @ decoder[0] - decoder[1]).square().mean((1, 2))
    return error + of_gates + method.l1 * gates.sum(-1).mean(1) / math.sqrt(D_MODEL)


def moved(method, tokens, **entries):
    state = perturbed(method, born(method, tokens)) | entries
    return {name: tensor.double().requires_grad_() for name, tensor in state.items()}


@pytest.mark.parametrize("settings", JUMPS + GATES, ids=name_of)
def test_gradients_are_those_of_the_formula(settings, tokens):
    method = parse(settings)
    share = {} if method.kind == "gated" else {"penalty_share": torch.tensor([0.7])}
    state = moved(method, tokens, **share)
    x = tokens.rows(torch.arange(200)).unsqueeze(0)
    loss = (gated_loss if method.kind == "gated" else jump_loss)(method, state, x)
    expected = dict(
        zip(method.trained, torch.autograd.grad(loss.sum(), [state[n] for n in method.trained]), strict=True)
    )
    assert all(gradient.abs().max() > 0 for gradient in expected.values())
    if getattr(method, "parallel", "kept") == "removed":
        expected["atoms"] = without_parallel(expected["atoms"], state["atoms"])
    with torch.no_grad():
        gradients, outcome = method.gradients(state, x.double())
    torch.testing.assert_close(outcome.loss, loss.detach(), rtol=1e-9, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-7, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("threshold_as", ["value", "logarithm"])
@pytest.mark.parametrize("target", [4.0, 8.0])
def test_a_target_is_met_from_above_and_from_below(tokens, threshold_as, target):
    settings = {"target_l0": target, "l0": 50.0, "threshold_as": threshold_as, "learning_rate": 1e-2}
    method = parse(settings_of("jumprelu", **settings))
    state = updated(method, born(method, tokens), tokens, steps=600)
    codes = method.encode(method.parameters(state), tokens.rows(torch.arange(1000)).unsqueeze(0))
    assert (codes > 0).sum(-1).float().mean().item() == pytest.approx(target, rel=0.1)


def test_a_target_above_all_atoms_is_refused():
    with pytest.raises(SpecError, match="target_l0 = 25 active atoms of n_atoms = 24"):
        parse(settings_of("jumprelu", target_l0=25.0))


def test_a_higher_price_leaves_fewer_active_atoms(tokens):
    active = []
    for price in (0.0, 0.3, 3.0):
        method = parse(settings_of("jumprelu", l0=price, learning_rate=5e-3))
        state = updated(method, born(method, tokens), tokens, steps=300)
        codes = method.encode(method.parameters(state), tokens.rows(torch.arange(1000)).unsqueeze(0))
        active.append((codes > 0).sum(-1).float().mean().item())
    assert active[0] > 1.5 * active[1] > 2 * active[2] > 0


def test_the_penalty_rises_over_its_steps(tokens):
    method = parse(settings_of("jumprelu", l0_warmup=4))
    state, shares = born(method, tokens), []
    for step in range(6):
        method.update(state, tokens.rows(torch.arange(64)).unsqueeze(0), Schedule(step, 6))
        shares.append(state["penalty_share"].item())
    assert shares == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    at_once = parse(settings_of("jumprelu"))
    assert born(at_once, tokens)["penalty_share"].item() == 1.0


def test_a_threshold_does_not_become_negative(tokens):
    method = parse(settings_of("jumprelu"))
    state = born(method, tokens)
    state["threshold"].fill_(-0.5)
    method.project(state)
    assert (state["threshold"] == 0).all()


@pytest.mark.parametrize("kind", ["jumprelu", "gated"])
def test_an_atom_that_is_replaced_begins_with_the_threshold_or_gate_of_the_start(tokens, kind):
    method = parse(settings_of(kind, resample_every=10))
    first = born(method, tokens)
    state = updated(method, {name: tensor.clone() for name, tensor in first.items()}, tokens, steps=20)
    dead = torch.zeros(1, N_ATOMS, dtype=torch.bool)
    dead[0, 3] = True
    others = {name: state[name][~dead].clone() for name in method.also_trained}
    method.resample(state, dead, tokens.rows(torch.arange(N_ATOMS)).unsqueeze(0))
    for name in method.also_trained:
        assert torch.equal(state[name][dead], first[name][dead])
        assert torch.equal(state[name][~dead], others[name])
        assert state[f"adam.first.{name}"][dead].item() == 0


def test_published_methods_without_momentum_have_none_and_the_others_their_ids():
    assert parse(settings_of("jumprelu")).beta1 == parse(settings_of("gated")).beta1 == 0.0
    assert "beta1" not in parse(settings_of("topk")).identity
    assert parse(settings_of("topk", beta1=0.0)).identity["beta1"] == 0.0


def test_without_momentum_a_step_of_adam_forgets_the_gradient_before(tokens):
    method = parse(settings_of("topk", beta1=0.0, norm="free"))
    state = born(method, tokens)
    mine = {name: state[name].clone().requires_grad_() for name in method.trained}
    adam = torch.optim.Adam(mine.values(), lr=method.learning_rate, betas=(0.0, 0.999))
    for step in range(3):
        x = tokens.rows(torch.arange(100) + 100 * step).unsqueeze(0)
        for name, gradient in method.gradients(state, x)[0].items():
            mine[name].grad = gradient.clone()
        adam.step()
        method.update(state, x, Schedule(step, 3))
        for name, entry in mine.items():
            torch.testing.assert_close(state[name], entry.detach(), rtol=1e-5, atol=1e-6)
