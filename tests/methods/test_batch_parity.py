"""From the same arrays, BatchTopK and Matryoshka follow the installed dictionary_learning and overcomplete."""

import importlib

import pytest
import torch
from method_cases import activations

from reseed.activations import open_activations, preprocessed
from reseed.dice import generator
from reseed.methods import Schedule, StartPoint, parse, unit_rows

N_ATOMS, D_MODEL, K, STEPS, BATCH, RATE = 32, 12, 4, 50, 128, 2e-3
SETTINGS = {"n_atoms": N_ATOMS, "k": K, "rescale": False, "learning_rate": RATE}
FRACTIONS = (1 / 8, 1 / 4, 5 / 8)


@pytest.fixture(scope="module")
def rows():
    seen = preprocessed(open_activations(activations(6000)), "none")
    return (seen.rows(torch.arange(seen.n_tokens)) - seen.moments.mean.float()) / seen.scale


@pytest.fixture(scope="module")
def batches(rows):
    order = torch.randperm(len(rows), generator=generator(9))
    return [rows[order[BATCH * (step % 40) : BATCH * (step % 40 + 1)]] for step in range(STEPS)]


@pytest.fixture
def unclipped(monkeypatch):
    """dictionary_learning clips the norm of its gradient, which no formula of its methods has."""
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)


def trainer_of(class_, *, loss_over_ours, **settings):
    """A trainer of dictionary_learning, whose threshold counts from the first batch on, at a constant rate."""
    sizes = {"steps": STEPS, "activation_dim": D_MODEL, "dict_size": N_ATOMS, "k": K, "lr": RATE}
    told = {"layer": 0, "lm_name": "", "warmup_steps": 0, "threshold_start_step": -1, "device": "cpu"}
    with torch.random.fork_rng():
        trainer = class_(**sizes, **told, seed=4, **settings)
    trainer.optimizer.param_groups[0]["eps"] *= loss_over_ours  # so that a factor of the loss changes no update
    return trainer


def ours_from(method, trainer, batches, *, atoms, encoder):
    """Our state with the arrays of the trainer, whose bias becomes the geometric median of the first batch."""
    first = batches[0]
    point = StartPoint(
        atoms=atoms.contiguous(),
        points=None,
        weights=None,
        mean=trainer.geometric_median(first),
        scale=1.0,
        sample=first,
    )
    state = method.initialise(point, 0)
    state["encoder"] = encoder.contiguous().unsqueeze(0).clone()
    return state | method.also(state, point)  # its threshold begins as the smallest code of the first batch


def follow(method, state, trainer, batches, *, dictionary, loss_over_ours):
    """Both trainings, compared at every step; returns how far the dictionary has moved."""
    start = method.dictionary(state).clone()
    for step, x in enumerate(batches):
        theirs = trainer.update(step, x.clone())
        outcome = method.update(state, x.unsqueeze(0), Schedule(step, STEPS))
        assert outcome.loss.item() * loss_over_ours == pytest.approx(theirs, rel=1e-5)
        their_atoms = dictionary(trainer.ae).detach()
        assert (method.dictionary(state)[0] - their_atoms).abs().max() <= 1e-5 * their_atoms.abs().max()
        assert state["threshold"].item() == pytest.approx(float(trainer.ae.threshold), rel=1e-4)
    parameters = method.parameters(state)
    codes, theirs = method.encode(parameters, batches[0].unsqueeze(0))[0], trainer.ae.encode(batches[0])
    torch.testing.assert_close(codes, theirs, rtol=1e-3, atol=1e-4)
    return (method.dictionary(state) - start).abs().max()


@pytest.mark.usefixtures("unclipped")
def test_batchtopk_follows_dictionary_learning(dictionary_learning_trainers, batches):
    trainer = trainer_of(dictionary_learning_trainers.batch_top_k.BatchTopKTrainer, loss_over_ours=D_MODEL)
    method = parse({"kind": "batchtopk", "threshold_momentum": 0.999, **SETTINGS})
    weights = {"atoms": trainer.ae.decoder.weight.detach().T, "encoder": trainer.ae.encoder.weight.detach()}
    state = ours_from(method, trainer, batches, **weights)
    both = {"dictionary": lambda ae: ae.decoder.weight.T, "loss_over_ours": D_MODEL}
    assert follow(method, state, trainer, batches, **both) > 1e-2


@pytest.mark.usefixtures("unclipped")
def test_matryoshka_follows_dictionary_learning(dictionary_learning_trainers, batches):
    factor = D_MODEL / len(FRACTIONS)  # it divides by the groups in its weights, and again in its mean
    module = importlib.import_module(f"{dictionary_learning_trainers.__name__}.matryoshka_batch_top_k")
    trainer = trainer_of(module.MatryoshkaBatchTopKTrainer, loss_over_ours=factor, group_fractions=list(FRACTIONS))
    method = parse({"kind": "matryoshka", "threshold_momentum": 0.999, "groups": FRACTIONS, **SETTINGS})
    assert method.group_sizes == tuple(trainer.group_sizes)
    weights = {"atoms": trainer.ae.W_dec.detach(), "encoder": trainer.ae.W_enc.detach().T}
    state = ours_from(method, trainer, batches, **weights)
    both = {"dictionary": lambda ae: ae.W_dec, "loss_over_ours": factor}
    assert follow(method, state, trainer, batches, **both) > 1e-2


def test_batchtopk_follows_overcomplete(overcomplete_sae, rows, batches):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = overcomplete_sae.BatchTopKSAE(D_MODEL, N_ATOMS, top_k=K * BATCH, encoder_module="linear").train()
    method = parse(
        {"kind": "batchtopk", "threshold_momentum": 0.9, "parallel": "kept", "decoder_bias": False, **SETTINGS}
    )
    (linear,) = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    atoms = unit_rows(rows[:N_ATOMS])
    model.dictionary._weights.data = atoms.clone()  # noqa: SLF001 (there is no public way to set them without a copy warning)
    point = StartPoint(atoms, None, None, mean=torch.zeros(D_MODEL), scale=1.0, sample=batches[0])
    state = method.initialise(point, 0)
    state |= {
        "encoder": linear.weight.detach().clone().unsqueeze(0),
        "encoder_bias": linear.bias.detach().clone().unsqueeze(0),
    }
    state |= method.also(state, point)
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    for step, x in enumerate(batches):
        _, codes, x_hat = model(x)
        loss = (x - x_hat).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        outcome = method.update(state, x.unsqueeze(0), Schedule(step, STEPS))
        theirs = model.get_dictionary().detach()
        assert outcome.loss.item() == pytest.approx(loss.item(), rel=1e-5)
        assert (method.dictionary(state)[0] - theirs).abs().max() <= 1e-5 * theirs.abs().max()
        assert state["threshold"].item() == pytest.approx(model.running_threshold.item(), rel=1e-4)
        assert (codes > 0).sum() == K * BATCH
    assert (theirs - atoms).abs().max() > 1e-2
