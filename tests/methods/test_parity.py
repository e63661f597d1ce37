"""From the same arrays, methods follow the installed peers that define them step by step."""

import json
from pathlib import Path

import pytest
import torch
from method_cases import activations

from reseed.activations import open_activations, preprocessed
from reseed.dice import generator
from reseed.methods import Schedule, StartPoint, parse
from reseed.starts.lloyd import kmeans

ASSETS = Path(__file__).parents[2] / "docs/assets"
N_ATOMS, D_MODEL, K, STEPS, BATCH = 32, 12, 4, 50, 128
RATE = 2e-3
PUBLISHED = {"n_atoms": N_ATOMS, "k": K, "decoder_bias": False, "rescale": False, "learning_rate": RATE}


@pytest.fixture(scope="module")
def rows():
    seen = preprocessed(open_activations(activations(6000)), "none")
    return seen.rows(torch.arange(seen.n_tokens)) / seen.scale


@pytest.fixture(scope="module")
def points(rows):
    return kmeans(rows, N_ATOMS, steps=10, rolled=1).points


def batches(rows):
    order = torch.randperm(len(rows), generator=generator(9))
    return [rows[order[BATCH * (step % 40) : BATCH * (step % 40 + 1)]] for step in range(STEPS)]


def reference_trajectory(model, rows, *, learning_rate):
    adam = torch.optim.Adam(model.parameters(), lr=learning_rate)
    dictionaries = []
    for x in batches(rows):
        _, _, x_hat = model(x)
        loss = (x - x_hat).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        dictionaries.append(model.get_dictionary().detach().clone())
    return dictionaries, loss.item()


def our_trajectory(method, state, rows):
    dictionaries = []
    for step, x in enumerate(batches(rows)):
        outcome = method.update(state, x.unsqueeze(0), Schedule(step, STEPS))
        dictionaries.append(method.dictionary(state)[0].clone())
    return dictionaries, outcome.loss.item()


def start_point(atoms, points=None):
    weights = None if points is None else torch.eye(N_ATOMS, len(points))
    return StartPoint(
        atoms=atoms,
        points=points,
        weights=weights,
        mean=torch.zeros(D_MODEL),
        scale=1.0,
        sample=torch.zeros(1, D_MODEL),
    )


def with_encoder_of(model, state):
    (linear,) = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    state["encoder"] = linear.weight.detach().clone().unsqueeze(0)
    state["encoder_bias"] = linear.bias.detach().clone().unsqueeze(0)
    return state


def assert_parity(theirs, ours):
    (their_dictionaries, their_loss), (our_dictionaries, our_loss) = theirs, ours
    assert our_loss == pytest.approx(their_loss, rel=1e-5)
    for their, our in zip(their_dictionaries, our_dictionaries, strict=True):
        assert (their - our).abs().max() <= 1e-5 * their.abs().max()
    assert (their_dictionaries[-1] - their_dictionaries[0]).abs().max() > 1e-2 * their_dictionaries[0].abs().max()


@pytest.mark.parametrize("n_points", [N_ATOMS, 3 * N_ATOMS])
@pytest.mark.parametrize("multiplier", [True, False])
def test_ra_topk_follows_overcomplete(overcomplete_sae, rows, n_points, multiplier):
    points = kmeans(rows, n_points, steps=10, rolled=1).points
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = overcomplete_sae.RATopKSAE(
            D_MODEL, N_ATOMS, points.clone(), top_k=K, delta=0.05, use_multiplier=multiplier
        ).train()
    method = parse(
        {
            "kind": "ra-topk",
            "n_atoms": N_ATOMS,
            "k": K,
            "delta": 0.05,
            "multiplier": multiplier,
            "multiplier_start": "reference",
            "rescale": False,
            "learning_rate": RATE,
        }
    )
    state = with_encoder_of(model, method.initialise(start_point(points[:N_ATOMS], points), 0))
    theirs = reference_trajectory(model, rows, learning_rate=RATE)
    assert_parity(theirs, our_trajectory(method, state, rows))


def test_topk_follows_overcomplete(overcomplete_sae, rows, points):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = overcomplete_sae.TopKSAE(D_MODEL, N_ATOMS, top_k=K).train()
    model.dictionary._weights.data = points.clone()  # noqa: SLF001 (there is no public way to set them without a copy warning)
    method = parse(
        {
            "kind": "topk",
            "n_atoms": N_ATOMS,
            "k": K,
            "parallel": "kept",
            "decoder_bias": False,
            "rescale": False,
            "learning_rate": RATE,
        }
    )
    state = with_encoder_of(model, method.initialise(start_point(points), 0))
    theirs = reference_trajectory(model, rows, learning_rate=RATE)
    assert_parity(theirs, our_trajectory(method, state, rows))


def test_free_topk_is_overcomplete_without_a_normalisation(overcomplete_sae, rows, points):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = overcomplete_sae.TopKSAE(
            D_MODEL, N_ATOMS, top_k=K, dictionary_params={"normalization": "identity"}
        ).train()
    model.dictionary._weights.data = points.clone()  # noqa: SLF001 (as above)
    method = parse(
        {
            "kind": "topk",
            "n_atoms": N_ATOMS,
            "k": K,
            "norm": "free",
            "decoder_bias": False,
            "rescale": False,
            "learning_rate": RATE,
        }
    )
    state = with_encoder_of(model, method.initialise(start_point(points), 0))
    theirs = reference_trajectory(model, rows, learning_rate=RATE)
    assert_parity(theirs, our_trajectory(method, state, rows))


def test_matching_pursuit_follows_overcomplete(overcomplete_sae, rows, points):
    """As long as every round finds a positive product: theirs takes the largest in any case."""
    model = overcomplete_sae.MpSAE(D_MODEL, N_ATOMS, k=K).train()
    model.dictionary._weights.data = points.clone()  # noqa: SLF001 (as above)
    settings = {"parallel": "kept", "decoder_bias": False, "rescale": False, "learning_rate": RATE}
    method = parse({"kind": "mp", "n_atoms": N_ATOMS, "k": K, **settings})
    state = method.initialise(start_point(points), 0)
    assert_parity(reference_trajectory(model, rows, learning_rate=RATE), our_trajectory(method, state, rows))
    codes = method.encode(method.parameters(state), batches(rows)[-1].unsqueeze(0))
    assert (codes > 0).any(-1).all()


@pytest.mark.parametrize(("kind", "trainer"), [("topk", "TopKTrainer"), ("batchtopk", "BatchTopKTrainer")])
def test_the_auxiliary_loss_follows_dictionary_learning(dictionary_learning_trainers, rows, points, kind, trainer):
    """Their loss as installed, with more dead atoms than it takes: with fewer, ours weighs less, as in sparsify."""
    trainer = getattr(dictionary_learning_trainers, trainer)(
        steps=STEPS,
        activation_dim=D_MODEL,
        dict_size=N_ATOMS,
        k=K,
        layer=0,
        lm_name="",
        auxk_alpha=6.0,
        warmup_steps=0,
        seed=0,
        device="cpu",
    )
    trainer.dead_feature_threshold = 2 * BATCH
    model = trainer.ae
    model.decoder.weight.data = torch.nn.functional.normalize(points, dim=1).T.clone()
    model.encoder.weight.data = model.decoder.weight.data.T.clone() * 0.3
    model.encoder.weight.data[: N_ATOMS // 2] *= 0.01  # too weak to be among the k largest
    model.b_dec.data = rows.mean(0)
    settings = {"k": K, "rescale": False, "learning_rate": RATE, "auxk": 6.0 / D_MODEL, "dead_after": 2 * BATCH}
    method = parse({"kind": kind, "n_atoms": N_ATOMS, **settings})
    state = method.initialise(start_point(points), 0)
    state["encoder"] = model.encoder.weight.detach().clone().unsqueeze(0)
    state["decoder_bias"] = model.b_dec.detach().clone().unsqueeze(0)
    adam = torch.optim.Adam(model.parameters(), lr=RATE, eps=1e-8 * D_MODEL)  # their loss is D_MODEL times ours
    theirs, least_dead = [], N_ATOMS
    for step, x in enumerate(batches(rows)):
        loss = trainer.loss(x, step=step)
        if step >= 2:
            least_dead = min(least_dead, trainer.dead_features)
        adam.zero_grad()
        loss.backward()
        across = dictionary_learning_trainers.trainer.remove_gradient_parallel_to_decoder_directions
        model.decoder.weight.grad = across(model.decoder.weight, model.decoder.weight.grad, D_MODEL, N_ATOMS)
        adam.step()
        unit = dictionary_learning_trainers.trainer.set_decoder_norm_to_unit_norm
        model.decoder.weight.data = unit(model.decoder.weight, D_MODEL, N_ATOMS)
        theirs.append(model.decoder.weight.detach().T.clone())
    assert least_dead >= D_MODEL // 2
    assert_parity((theirs, loss.item() / D_MODEL), our_trajectory(method, state, rows))


def test_p_annealing_follows_dictionary_learning(dictionary_learning_trainers, rows, points):
    """Their loss and optimiser as installed, in double precision: near z = 0 the slope of z^p magnifies rounding."""
    penalty, first, n_values = 0.5, 5, 5
    trainer = dictionary_learning_trainers.PAnnealTrainer(
        steps=STEPS,
        activation_dim=D_MODEL,
        dict_size=N_ATOMS,
        layer=0,
        lm_name="",
        lr=RATE,
        warmup_steps=0,
        sparsity_warmup_steps=None,
        sparsity_function="Lp^p",
        initial_sparsity_penalty=penalty,
        anneal_start=first,
        p_end=0.6,
        n_sparsity_updates=n_values,
        seed=None,
        device="cpu",
    )
    trainer.optimizer.param_groups[0].update(lr=RATE, eps=1e-8 * D_MODEL)  # their loss is D_MODEL times ours
    model = trainer.ae
    model.decoder.weight.data = torch.nn.functional.normalize(points, dim=1).T.clone()
    model.encoder.weight.data = model.decoder.weight.data.T.clone() * 0.3
    model.encoder.bias.data.zero_()
    model.bias.data = rows.mean(0)
    settings = {"l1": penalty / D_MODEL**0.5, "p_end": 0.6, "anneal_from": first / STEPS, "p_values": n_values}
    method = parse({"kind": "p-anneal", "n_atoms": N_ATOMS, "rescale": False, "learning_rate": RATE, **settings})
    state = method.initialise(start_point(points), 0)
    state["atoms"] = model.decoder.weight.detach().T.contiguous().unsqueeze(0)
    state["encoder"] = model.encoder.weight.detach().clone().unsqueeze(0)
    state["decoder_bias"] = model.bias.detach().clone().unsqueeze(0)
    state, model = {name: tensor.double() for name, tensor in state.items()}, model.double()
    theirs, factors = [], []
    for step, x in enumerate(batches(rows.double())):
        factors.append(trainer.sparsity_coeff / penalty)
        loss = trainer.loss(x, step)
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()
        theirs.append(model.decoder.weight.detach().T.clone())
    assert_parity((theirs, loss.item() / D_MODEL), our_trajectory(method, state, rows.double()))
    assert state["penalty_factor"].item() == pytest.approx(factors[-1], rel=1e-5)
    assert len({*factors}) == n_values - 1


def test_what_the_docs_tell_of_all_peers_is_within_the_bound():
    told = [row for path in sorted(ASSETS.glob("parity*.json")) for row in json.loads(path.read_text(encoding="utf-8"))]
    kinds = {"topk", "batchtopk", "matryoshka", "jumprelu", "gated", "mp", "ra-jumprelu", "transcoder"}
    assert {row["method"] for row in told} >= kinds
    assert {row["peer"] for row in told} == {"overcomplete", "dictionary-learning", "sae-lens", "eai-sparsify"}
    for row in told:
        assert row["largest_relative_difference"] <= 1e-5
        assert row["r2_ours"] == pytest.approx(row["r2_theirs"], abs=2e-4)
