"""Starts of other libraries, beside what the installed ones begin with; blends and principal directions."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import DictionaryLearning

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.errors import SpecError
from reseed.methods import parse, unit_rows
from reseed.starts import Start, draw

N_ATOMS, D_MODEL = 400, 16
OF_LIBRARIES = ["sae-lens", "dictionary-learning", "sparsify", "overcomplete"]


def method_of(kind="topk", **settings):
    return parse({"kind": kind, "n_atoms": N_ATOMS, "k": 4, **settings})


@pytest.fixture(scope="module")
def seen():
    chance = torch.Generator().manual_seed(0)
    mixing = torch.randn(D_MODEL, D_MODEL, generator=chance)
    return preprocessed(open_activations(torch.randn(2000, D_MODEL, generator=chance) @ mixing + 3), "none")


def rolls(run=0):
    return {die: roll(die, run) for die in DICE}


def begun(kind, seen, method=None, run=0, **start):
    method = method or method_of()
    state = method.initialise(draw(Start(kind=kind, **start), method, seen, rolls(run)), rolls(run)["encoder"])
    return {name: tensor[0] for name, tensor in state.items()}


def alike(ours, theirs):
    """Whether numbers come from one distribution, by the test of Kolmogorov and Smirnov."""
    return stats.ks_2samp(ours.flatten().numpy(), theirs.detach().flatten().numpy()).pvalue > 1e-3


def test_the_default_of_dictionary_learning(seen, dictionary_learning_trainers):
    trainer = dictionary_learning_trainers.TopKTrainer(
        steps=10,
        activation_dim=D_MODEL,
        dict_size=N_ATOMS,
        k=4,
        layer=0,
        lm_name="",
        warmup_steps=0,
        seed=1,
        device="cpu",
    )
    state, model = begun("dictionary-learning", seen), trainer.ae
    assert alike(state["atoms"], model.decoder.weight)
    assert torch.equal(model.encoder.weight, model.decoder.weight.T)
    torch.testing.assert_close(state["encoder"], state["atoms"])
    sample = draw(Start(kind="data"), method_of(), seen, rolls()).sample
    median = dictionary_learning_trainers.top_k.geometric_median(sample)
    torch.testing.assert_close(state["decoder_bias"] * state["scale"], median, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(median, sample.mean(0), rtol=1e-2)


def test_the_default_of_overcomplete(seen, overcomplete_sae):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = overcomplete_sae.TopKSAE(D_MODEL, N_ATOMS, top_k=4).train()
    (linear,) = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    state = begun("overcomplete", seen)
    assert alike(state["atoms"], model.get_dictionary())
    assert alike(state["encoder"], linear.weight)
    assert (unit_rows(state["encoder"]) * state["atoms"]).sum(1).abs().mean() < 0.3  # no relation, as in theirs
    assert (state["decoder_bias"] == 0).all()


def test_the_default_of_sparsify_copies_the_encoder(seen):
    state = begun("sparsify", seen)
    assert alike(state["encoder"], torch.nn.Linear(D_MODEL, N_ATOMS).weight)
    torch.testing.assert_close(state["atoms"], unit_rows(state["encoder"]))
    assert (state["decoder_bias"] == 0).all()


def test_the_default_of_saelens_has_norms_of_a_tenth(seen):
    state = begun("sae-lens", seen)
    torch.testing.assert_close(state["encoder"], 0.1 * state["atoms"])
    assert alike(state["atoms"], unit_rows(torch.nn.init.kaiming_uniform_(torch.empty(N_ATOMS, D_MODEL))))
    assert (state["decoder_bias"] == 0).all()


@pytest.mark.parametrize("kind", OF_LIBRARIES)
def test_a_start_that_says_the_encoder_leaves_no_other_to_a_method(kind, seen):
    with pytest.raises(SpecError, match=f"a {kind} start says the encoder as well: leave out encoder_start of topk"):
        draw(Start(kind=kind), method_of(encoder_start="independent"), seen, rolls())


@pytest.mark.parametrize("kind", [*OF_LIBRARIES, "blend", "pca"])
def test_an_archetypal_method_needs_points(kind, seen):
    with pytest.raises(SpecError, match="mixes points, so it cannot start at"):
        draw(Start(kind=kind), method_of("ra-topk"), seen, rolls())


@pytest.mark.parametrize("kind", [*OF_LIBRARIES, "blend"])
def test_a_method_without_an_encoder_begins_at_the_same_atoms(kind, seen):
    torch.testing.assert_close(begun(kind, seen, method_of("mp"))["atoms"], begun(kind, seen)["atoms"])


@pytest.mark.parametrize("decoder_bias", [True, False])
def test_a_blend_is_of_centred_activations_whatever_the_method(decoder_bias, seen):
    method = method_of(decoder_bias=decoder_bias)
    rows = begun("blend", seen, method, blend=1.0)["atoms"]
    centred = unit_rows(seen.rows(torch.arange(seen.n_tokens)) - seen.moments.mean.float())
    assert ((rows @ centred.T).max(1).values > 1 - 1e-5).all()
    noise = begun("blend", seen, method, blend=0.0)["atoms"]
    assert ((noise @ centred.T).max(1).values < 1 - 1e-5).all()
    published = begun("blend", seen, method)["atoms"]
    assert 0.8 < (published * rows).sum(1).mean() < 0.99


def test_a_blend_takes_no_activation_twice_and_refuses_more_atoms_than_there_are(seen):
    point = draw(Start(kind="blend", blend=1.0), method_of(), seen, rolls())
    assert len(torch.unique(point.atoms, dim=0)) == N_ATOMS
    few = preprocessed(open_activations(seen.rows(torch.arange(300)).clone()), "none")
    with pytest.raises(SpecError, match=r"400 atoms from .* activations: use fewer atoms, or more activations"):
        draw(Start(kind="blend"), method_of(), few, rolls())


def test_principal_directions_come_strongest_first_and_in_all_runs_alike(seen):
    method = parse({"kind": "topk", "n_atoms": D_MODEL, "k": 4})
    atoms = begun("pca", seen, method)["atoms"]
    _, _, axes = np.linalg.svd(seen.rows(torch.arange(seen.n_tokens)).double().numpy() - seen.moments.mean.numpy())
    cosines = np.abs((atoms.double().numpy() * axes).sum(1))
    assert (cosines > 1 - 1e-6).all()
    assert torch.equal(atoms, begun("pca", seen, method, run=1)["atoms"])


def test_singular_vectors_are_those_that_scikit_learn_begins_with_in_all_runs_alike(seen):
    """After no iteration, but for their signs, which are by the codes there."""
    x = seen.rows(torch.arange(seen.n_tokens))
    library = DictionaryLearning(D_MODEL, max_iter=0, transform_algorithm="threshold").fit(x.double().numpy())
    expected = torch.from_numpy(library.components_)
    method = parse({"kind": "random", "n_atoms": D_MODEL, "k": 4})
    atoms = draw(Start(kind="svd"), method, seen, rolls()).atoms
    signs = (atoms * expected).sum(1, keepdim=True).sign()
    assert (atoms * signs - expected).norm() < 1e-5 * expected.norm()
    assert torch.equal(atoms, draw(Start(kind="svd"), method, seen, rolls(1)).atoms)
    few = parse({"kind": "random", "n_atoms": 5, "k": 4})
    assert torch.equal(draw(Start(kind="svd"), few, seen, rolls()).atoms, atoms[:5])


def test_more_atoms_than_singular_vectors_are_refused(seen):
    with pytest.raises(SpecError, match=r"400 atoms from 16 singular vectors.* use at most 16 atoms, or another start"):
        draw(Start(kind="svd"), method_of(), seen, rolls())


def test_beyond_the_principal_directions_atoms_vary_as_activations_do(seen):
    atoms, other = (begun("pca", seen, run=run)["atoms"] for run in (0, 1))
    assert torch.equal(atoms[:D_MODEL], other[:D_MODEL])
    assert not torch.equal(atoms[D_MODEL:], other[D_MODEL:])
    variances = torch.linalg.eigvalsh(seen.moments.covariance).flip(0)
    along = (atoms[D_MODEL:] @ atoms[:D_MODEL].T).square().mean(0)
    assert stats.spearmanr(along.numpy(), variances.numpy()).statistic > 0.9
