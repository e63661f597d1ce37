"""Dead atoms learn from what the others leave."""

import pytest
import torch
from method_cases import D_MODEL, N_ATOMS, K, born, perturbed, stacked, updated

from reseed.errors import SpecError
from reseed.methods import parse
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

DEAD = [3, 7, 11]


def method_of(**settings):
    return parse({"kind": "topk", "n_atoms": N_ATOMS, "k": K, "auxk": 0.5, "dead_after": 1000, **settings})


@pytest.fixture
def state(tokens):
    state = perturbed(method_of(), born(method_of(), tokens))
    state["encoder"][:, DEAD] *= 1e-3  # they fire for no token, and yet have positive codes
    state["silent"][:, DEAD] = 5000
    return state


def batch(tokens):
    return tokens.rows(torch.arange(200)).unsqueeze(0)


def formula(method, state, x):
    """Eq. 123 alone, dense."""
    u = x.double() / state["scale"].view(-1, 1, 1) - state["decoder_bias"].unsqueeze(1)
    pre = torch.relu(u @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1))
    kept = pre.topk(K).indices
    codes = torch.zeros_like(pre).scatter(-1, kept, pre.gather(-1, kept))
    error = (u - codes @ state["atoms"]).detach()
    dead = torch.zeros(N_ATOMS, dtype=torch.bool)
    dead[DEAD] = True
    said = (pre * dead) @ state["atoms"]  # three are fewer than D_MODEL / 2: all take part
    spread = (error - error.mean(1, keepdim=True)).square().mean()
    return method.auxk * len(DEAD) / (D_MODEL // 2) * (error - said).square().mean() / spread


def test_gradients_and_loss_are_those_of_the_formula(state, tokens):
    method, x = method_of(parallel="kept"), batch(tokens)
    leaves = {name: tensor.double().requires_grad_(name in method.trained) for name, tensor in state.items()}
    loss = formula(method, leaves, x)
    expected = torch.autograd.grad(loss, [leaves[name] for name in method.trained])
    with_it, outcome = method.gradients(state, x)
    with_it = {name: gradient.clone() for name, gradient in with_it.items()}
    without, plain = method_of(parallel="kept", auxk=0.0).gradients(state, x)
    assert not outcome.fired[0, DEAD].any()
    torch.testing.assert_close(outcome.loss - plain.loss, loss.detach().float().unsqueeze(0), rtol=1e-4, atol=1e-6)
    for name, wanted in zip(method.trained, expected, strict=True):
        difference = (with_it[name] - without[name]).double()
        assert (difference - wanted).norm() <= 1e-4 * wanted.norm() + 1e-7, name


def test_without_a_dead_atom_it_is_the_plain_method(tokens):
    plain = updated(method_of(auxk=0.0), born(method_of(auxk=0.0), tokens), tokens)
    beside = updated(method_of(dead_after=10**6), born(method_of(), tokens), tokens)
    assert all(torch.equal(plain[name], beside[name]) for name in plain)


def test_silence_is_counted_in_tokens_and_ends_with_activity(state, tokens):
    after = updated(method_of(), state, tokens, steps=1)["silent"][0]
    assert (after % 256 == 0)[[i for i in range(N_ATOMS) if i not in DEAD]].all()
    assert (after == 0).any()
    assert (after[DEAD] == 5256).all()


def test_dead_atoms_come_back(state, tokens):
    plain = updated(method_of(auxk=0.0, learning_rate=1e-2), {**state}, tokens, steps=0)
    fired = {}
    for auxk in (0.0, 1.0):
        method = method_of(auxk=auxk, learning_rate=1e-2)
        mine = {name: tensor.clone() for name, tensor in plain.items()}
        updated(method, mine, tokens, steps=60)
        fired[auxk] = int((method.encode(method.parameters(mine), batch(tokens)) > 0).any(1)[0, DEAD].sum())
    assert fired[0.0] == 0
    assert fired[1.0] >= 2


def test_a_run_with_dead_atoms_in_company_is_the_run_alone(state, tokens):
    method = method_of()
    other = perturbed(method, born(method, tokens, 1))
    wide = stacked([state, other])
    x = torch.cat([batch(tokens), batch(tokens)])
    together, _ = method.gradients(wide, x)
    together = {name: gradient.clone() for name, gradient in together.items()}
    for run, each in enumerate((state, other)):
        alone, _ = method.gradients(each, x[:1])
        assert all(torch.equal(alone[name][0], together[name][run]) for name in alone)


def test_a_training_too_short_for_any_atom_to_be_dead_is_refused():
    arm = Arm(name="topk", method=method_of(dead_after=10_000_000), start=Start(kind="random"))
    with pytest.raises(SpecError, match=r"topk: in 10 steps of 64 tokens, .* such as 64, or leave out auxk"):
        Study(activations="acts", arms=(arm,), training=Training(steps=10, batch_size=64))
