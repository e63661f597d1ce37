"""TopK and ReLU: unit atoms, gradients along them, dead atoms."""

import pytest
import torch
from method_cases import D_MODEL, N_ATOMS, born, perturbed, reconstruct, settings_of

from reseed.kernels import without_parallel
from reseed.methods import parse


@pytest.fixture(params=["topk", "relu"])
def kind(request):
    return request.param


def test_unit_atoms_have_norm_one_after_each_projection(kind, tokens):
    method = parse(settings_of(kind))
    norms = method.dictionary(perturbed(method, born(method, tokens), amount=1.0)).norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(1, N_ATOMS))


def test_gradients_have_no_component_along_unit_atoms(kind, tokens):
    method = parse(settings_of(kind))
    state = born(method, tokens)
    gradients, _ = method.gradients(state, tokens.rows(torch.arange(100)).unsqueeze(0))
    along = (gradients["atoms"] * state["atoms"]).sum(-1)
    assert gradients["atoms"].abs().max() > 1e-3
    assert along.abs().max() < 1e-6 * gradients["atoms"].abs().max() * D_MODEL


def test_removing_the_parallel_part_leaves_the_perpendicular_part():
    atoms = torch.tensor([[[0.6, 0.8]]])
    assert without_parallel(torch.tensor([[[1.6, 0.8]]]) - torch.tensor([[[0.8, -0.6]]]), atoms).allclose(
        torch.tensor([[[0.8, 1.4]]]) - 1.6 * atoms, atol=1e-6
    )


def test_free_atoms_start_with_a_root_mean_square_norm_of_one_and_keep_their_proportions(tokens):
    method = parse(settings_of("topk", norm="free"))
    norms = method.dictionary(born(method, tokens, kind="data")).norm(dim=-1)
    assert norms.square().mean().sqrt().item() == pytest.approx(1.0, rel=1e-5)
    assert norms.max() > 1.1 * norms.min()


def test_in_the_published_form_free_atoms_start_as_they_are_drawn(tokens):
    method = parse(settings_of("topk", norm="free", rescale=False, decoder_bias=False))
    rows = tokens.rows(torch.arange(tokens.n_tokens))
    atoms = method.dictionary(born(method, tokens, kind="data"))[0]
    assert all((rows == atom).all(1).any() for atom in atoms)


def test_the_decoder_bias_starts_at_the_mean_activation(kind, tokens):
    method = parse(settings_of(kind))
    bias = method.parameters(born(method, tokens))["decoder_bias"][0]
    torch.testing.assert_close(bias.double(), tokens.moments.mean, rtol=1e-4, atol=1e-4)


def test_an_independent_encoder_depends_on_its_own_die_only(kind, tokens):
    method = parse(settings_of(kind, encoder_start="independent"))
    first, second = born(method, tokens, run=0), born(method, tokens, run=1)
    assert not torch.allclose(first["encoder"], second["encoder"])
    tied = parse(settings_of(kind))
    directions = torch.cosine_similarity(born(tied, tokens)["encoder"], born(tied, tokens)["atoms"], dim=-1)
    torch.testing.assert_close(directions, torch.ones(1, N_ATOMS))


def test_the_size_of_a_tied_encoder_makes_the_first_reconstruction_best(kind, tokens):
    method = parse(settings_of(kind))
    x = tokens.rows(torch.arange(900) * 2).unsqueeze(0)
    errors = []
    for factor in (0.9, 1.0, 1.1):
        state = born(method, tokens)
        state["encoder"] *= factor
        errors.append((reconstruct(method, state, x) - x).square().sum().item())
    assert errors[1] < min(errors[0], errors[2])


def test_a_random_encoder_is_unit_unless_the_first_reconstruction_would_be_too_large(kind, tokens):
    method = parse(settings_of(kind, encoder_start="independent"))
    x = tokens.rows(torch.arange(900) * 2).unsqueeze(0)
    state = born(method, tokens)
    centred = x - method.parameters(state)["decoder_bias"]
    x_hat = reconstruct(method, state, x) - method.parameters(state)["decoder_bias"]
    size = state["encoder"].norm(dim=-1).max().item()
    assert size == pytest.approx(1.0) or (
        size < 1 and x_hat.norm().item() == pytest.approx(centred.norm().item(), rel=0.05)
    )


def test_resampled_atoms_point_at_the_given_activations_and_the_others_stay(kind, tokens):
    method = parse(settings_of(kind, resample_every=10))
    state = perturbed(method, born(method, tokens))
    before = {name: tensor.clone() for name, tensor in state.items()}
    rows = tokens.rows(torch.arange(N_ATOMS)).unsqueeze(0)
    dead = torch.arange(N_ATOMS).unsqueeze(0) < 3
    method.resample(state, dead, rows)
    centred = rows[dead] - method.parameters(state)["decoder_bias"]
    for name in ("atoms", "encoder"):
        assert torch.cosine_similarity(state[name][dead], centred, dim=-1).min() > 0.9999
        assert torch.equal(state[name][~dead], before[name][~dead])
    share = state["encoder"][dead].norm(dim=-1) / before["encoder"][~dead].norm(dim=-1).mean()
    torch.testing.assert_close(share, torch.full((3,), 0.2))
    torch.testing.assert_close(state["atoms"][dead].norm(dim=-1), torch.ones(3))


def test_resampling_every_atom_at_once_stays_finite(kind, tokens):
    method = parse(settings_of(kind))
    state = born(method, tokens)
    rows = tokens.rows(torch.arange(N_ATOMS)).unsqueeze(0)
    method.resample(state, torch.ones(1, N_ATOMS, dtype=torch.bool), rows)
    assert all(tensor.isfinite().all() for tensor in state.values())
