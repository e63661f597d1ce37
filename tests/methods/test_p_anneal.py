"""A penalty whose power falls, and a factor that keeps it as large: what only ReLU with p-annealing has."""

import math

import pytest
import torch
from method_cases import D_MODEL, VARIANTS, born, name_of, perturbed, settings_of, updated

from reseed.errors import SpecError
from reseed.kernels import without_parallel
from reseed.methods import Schedule, parse

FORMS = [settings_of("p-anneal", **more) for more in VARIANTS["p-anneal"]]


def batch(tokens, first=0, size=200):
    return tokens.rows(torch.arange(size) + first).unsqueeze(0)


def codes_of(state, x):
    x = x / state["scale"].view(-1, 1, 1)
    bias = state["decoder_bias"].unsqueeze(1)
    return torch.relu((x - bias) @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1))


def dense_loss(method, state, x, *, p, factor):
    """The objective by its formula; codes of 0 are taken out before the power, whose slope there is infinite."""
    codes = codes_of(state, x)
    powers = torch.where(codes > 0, codes.where(codes > 0, 1.0) ** p, 0.0)
    x_hat = codes @ state["atoms"] + state["decoder_bias"].unsqueeze(1)
    error = (x / state["scale"].view(-1, 1, 1) - x_hat).square().mean((1, 2))
    return error + method.l1 * factor * powers.sum(-1).mean(1) / math.sqrt(D_MODEL)


@pytest.mark.parametrize("p", [1.0, 0.6, 0.2])
@pytest.mark.parametrize("settings", FORMS, ids=name_of)
def test_gradients_are_those_of_the_formula(settings, p, tokens):
    method = parse(settings)
    changed = {"p": torch.tensor([p]), "penalty_factor": torch.tensor([1.7])}
    moved = perturbed(method, born(method, tokens)) | changed
    state = {name: tensor.double().requires_grad_() for name, tensor in moved.items()}
    x = batch(tokens).double()
    loss = dense_loss(method, state, x, p=state["p"].item(), factor=state["penalty_factor"].item())
    expected = dict(
        zip(method.trained, torch.autograd.grad(loss.sum(), [state[n] for n in method.trained]), strict=True)
    )
    if method.parallel == "removed":
        expected["atoms"] = without_parallel(expected["atoms"], state["atoms"])
    with torch.no_grad():
        gradients, outcome = method.gradients(state, x)
    torch.testing.assert_close(outcome.loss, loss.detach(), rtol=1e-9, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-7, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_while_p_is_1_it_is_relu(tokens):
    annealed, plain = parse(settings_of("p-anneal")), parse(settings_of("relu"))
    x, state = batch(tokens), perturbed(annealed, born(annealed, tokens))
    ours, outcome = annealed.gradients(state, x)
    theirs, expected = plain.gradients(state, x)
    torch.testing.assert_close(outcome.loss, expected.loss)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6)


def test_p_falls_in_equal_steps_and_stops_one_before_its_end():
    method = parse(settings_of("p-anneal", p_end=0.2, p_values=5, anneal_from=0.2))
    values = [method.p_at(step, 100) for step in range(100)]
    assert values == sorted(values, reverse=True)
    assert [step for step in range(1, 100) if values[step] != values[step - 1]] == [41, 61, 81]
    assert [values[step] for step in (0, 41, 61, 81)] == pytest.approx([1.0, 0.8, 0.6, 0.4])
    assert [method.next_change(step, 100) for step in (0, 20, 40, 41, 60, 61)] == [41, 41, 41, 61, 61, 81]


@pytest.mark.parametrize("n_steps", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize(("p_values", "anneal_from"), [(2, 0.0), (10, 0.0), (10, 0.99), (300, 0.3)])
def test_a_training_of_any_length_knows_when_p_changes(n_steps, p_values, anneal_from):
    method = parse(settings_of("p-anneal", p_values=p_values, anneal_from=anneal_from))
    values = [method.p_at(step, n_steps) for step in range(n_steps)]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert values[-1] > method.p_end
    for step in range(n_steps):
        change = next((later for later in range(step, n_steps) if values[later] != values[step]), n_steps)
        assert min(method.next_change(step, n_steps), n_steps) == change


def test_a_change_of_p_leaves_the_penalty_of_the_batches_before_it_as_large(tokens):
    method = parse(settings_of("p-anneal", p_values=5, p_batches=3))
    state, seen = born(method, tokens), []
    for step in range(7):  # of 20: p changes at step 6, for the first time
        x = batch(tokens, 100 * step)
        seen.append(codes_of(state, x))
        method.update(state, x, Schedule(step, 20))
    assert state["p"].item() == pytest.approx(0.8)
    before, after = (sum(codes.pow(p).sum() for codes in seen[3:6]) for p in (1.0, 0.8))
    assert state["penalty_factor"].item() == pytest.approx((before / after).item(), rel=1e-5)
    assert method.diagnostics(state)["p"].item() == pytest.approx(0.8)


def test_without_active_atoms_the_factor_stays(tokens):
    method = parse(settings_of("p-anneal", p_values=5, encoder_bias=False))
    state = born(method, tokens)
    state["encoder_bias"].fill_(-1e6)
    updated(method, state, tokens, steps=300)
    assert state["penalty_factor"].item() == 1.0


def test_a_larger_penalty_leaves_fewer_active_atoms(tokens):
    active = []
    for l1 in (0.01, 0.1, 1.0):
        method = parse(settings_of("p-anneal", l1=l1, learning_rate=5e-3))
        state = updated(method, born(method, tokens), tokens, steps=600)
        active.append((codes_of(state, batch(tokens, size=1000)) > 0).sum(-1).float().mean().item())
    assert active[0] > active[1] > active[2] > 0


@pytest.mark.parametrize("p_end", [0.0, 1.0])
def test_an_end_at_which_nothing_falls_or_no_slope_is_left_is_refused(p_end):
    with pytest.raises(SpecError, match="p_end"):
        parse(settings_of("p-anneal", p_end=p_end))
