"""Mixtures of points: constraints, mechanisms and degenerate cases."""

import pytest
import torch
from method_cases import D_MODEL, N_ATOMS, born, perturbed, rolls_of, settings_of, stacked

from reseed.activations import open_activations, preprocessed
from reseed.errors import SpecError
from reseed.methods import METHODS, Schedule, parse
from reseed.starts import Start, draw

ARCHETYPAL = [kind for kind in METHODS if "multiplier" in METHODS[kind].model_fields]


@pytest.fixture(params=ARCHETYPAL)
def kind(request):
    return request.param


@pytest.fixture(params=[kind for kind in ARCHETYPAL if "k" in METHODS[kind].model_fields])
def topk_kind(request):
    return request.param


def test_weights_are_row_stochastic_after_each_projection(kind, tokens):
    method = parse(settings_of(kind))
    weights = perturbed(method, born(method, tokens), amount=1.0)["weights"]
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, N_ATOMS))


@pytest.mark.parametrize(("delta_norm", "radius"), [("reference", 0.04), ("paper", 0.2)])
def test_the_relaxation_stays_in_the_ball_of_its_convention(tokens, delta_norm, radius):
    method = parse(settings_of("ra-topk", delta=0.04, delta_norm=delta_norm))
    assert method.radius == pytest.approx(radius)
    norms = perturbed(method, born(method, tokens), amount=1.0)["relaxation"].norm(dim=-1)
    torch.testing.assert_close(norms, torch.full((1, N_ATOMS), radius))


def test_a_relaxation_inside_its_ball_is_left_alone(tokens):
    method = parse(settings_of("ra-topk", delta=100.0))
    state = born(method, tokens)
    state["relaxation"].fill_(0.5)
    method.project(state)
    assert (state["relaxation"] == 0.5).all()


@pytest.mark.parametrize(
    "settings", [settings_of("a-topk"), settings_of("ra-topk", delta=0.0)], ids=["a-topk", "delta=0"]
)
def test_without_a_relaxation_atoms_stay_in_the_hull_and_finite(tokens, settings):
    method = parse(settings)
    state = born(method, tokens)
    _train(method, state, tokens, steps=5)
    assert "relaxation" not in method.trained
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert (state["relaxation"] == 0).all()
    hull = state["weights"] @ state["points"] * state["multiplier"].exp()
    torch.testing.assert_close(method.dictionary(state), hull)


def test_identity_weights_start_at_the_points_in_every_run(kind, tokens):
    method = parse(settings_of(kind))
    points = draw(Start(kind="kmeans"), method, tokens, rolls_of(0)).points
    atoms = method.dictionary(born(method, tokens))[0]
    torch.testing.assert_close(torch.cosine_similarity(atoms, points), torch.ones(N_ATOMS))


def test_the_first_atoms_have_a_root_mean_square_norm_of_one(kind, tokens):
    method = parse(settings_of(kind))
    for weights in ("identity", "dirichlet"):
        atoms = method.dictionary(born(method, tokens, weights=weights))
        assert atoms.square().sum(-1).mean().sqrt().item() == pytest.approx(1.0, rel=1e-4)


def test_the_reference_multiplier_starts_at_one(kind, tokens):
    method = parse(settings_of(kind, multiplier_start="reference", rescale=False))
    point = draw(Start(kind="data"), method, tokens, rolls_of(0))
    assert torch.equal(method.dictionary(method.initialise(point, 0))[0], point.points)


def test_a_snapshot_obeys_the_formula_in_the_units_of_the_activations(kind, tokens):
    method = parse(settings_of(kind))
    read = method.parameters(perturbed(method, born(method, tokens)))
    points = draw(Start(kind="kmeans"), method, tokens, rolls_of(0)).points
    atoms = (read["weights"] @ points + read["relaxation"]) * read["multiplier"].exp().view(-1, 1, 1)
    torch.testing.assert_close(read["atoms"], atoms, rtol=1e-4, atol=1e-4)


def test_with_fewer_points_than_atoms_the_rest_is_zero_and_everything_finite(kind, tokens):
    method = parse(settings_of(kind))
    state = born(method, tokens, n_points=20, allow_fewer_points=True)
    assert (method.dictionary(state).norm(dim=-1) == 0).sum() == N_ATOMS - 20
    _train(method, state, tokens, steps=3)
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert all(part.isfinite().all() for part in method.parameters(state).values())


@pytest.mark.parametrize(("n_points", "kept"), [(1000, 0.800), (4096, 0.494), (32000, 0.111)])
def test_one_step_of_adam_melts_one_hot_weights_on_centred_activations(topk_kind, n_points, kept):
    rows = torch.randn(36_000, D_MODEL, generator=torch.Generator().manual_seed(2))
    centred = preprocessed(open_activations(rows), "centre")
    method = parse({"kind": topk_kind, "n_atoms": 8, "k": 2, "learning_rate": 5e-4})
    state = born(method, centred, kind="data", n_points=n_points)
    x = centred.rows(torch.arange(512)).unsqueeze(0)
    outcome = method.update(state, x, Schedule(0, 10))
    assert outcome.fired.all()
    assert state["weights"][0].diagonal().mean().item() == pytest.approx(kept, abs=0.03)
    assert kept == pytest.approx(1 / (1 + 5e-4 * n_points / 2), abs=0.001)


def test_far_from_the_origin_one_hot_weights_stay_frozen(topk_kind):
    rows = torch.randn(4_000, D_MODEL, generator=torch.Generator().manual_seed(2)) + 9.0
    far, centred = (preprocessed(open_activations(rows), name) for name in ("none", "centre"))
    method = parse(settings_of(topk_kind))
    frozen = []
    for seen in (far, centred):
        state = born(method, seen, kind="data")
        _train(method, state, seen, steps=50)
        frozen.append(method.diagnostics(state)["frozen_rows"].item())
    assert frozen[0] > 0.3
    assert frozen[1] == 0.0


def test_diagnostics_at_known_weights(tokens):
    method = parse(settings_of("ra-topk", delta=2.0))
    state = stacked([born(method, tokens), born(method, tokens)])
    state["weights"][1] = 1 / N_ATOMS
    state["relaxation"][1, :, 0] = 1.0
    state["multiplier"][:] = torch.tensor([0.0, 1.0])
    read = method.diagnostics(state)
    assert read["frozen_rows"].tolist() == [1.0, 0.0]
    assert read["weight_entropy"].tolist() == pytest.approx([0.0, torch.tensor(float(N_ATOMS)).log().item()], rel=1e-5)
    assert read["relaxation_saturation"].tolist() == [0.0, 0.5]
    assert read["multiplier"].tolist() == pytest.approx([1.0, 2.71828], rel=1e-4)


def test_saturation_is_undefined_without_a_relaxation(tokens):
    method = parse(settings_of("a-topk"))
    assert method.diagnostics(born(method, tokens))["relaxation_saturation"].isnan().all()


def test_resampling_mixtures_is_refused(kind):
    with pytest.raises(SpecError, match=f"{kind} has no way to replace dead atoms"):
        parse(settings_of(kind, resample_every=100))


def test_a_start_without_points_is_refused(kind, tokens):
    point = draw(Start(kind="random"), parse(settings_of("topk")), tokens, rolls_of(0))
    with pytest.raises(SpecError, match="mixes points"):
        parse(settings_of(kind)).initialise(point, 0)


def _train(method, state, seen, *, steps):
    x = seen.rows(torch.arange(512)).unsqueeze(0)
    for step in range(steps):
        method.update(state, x, Schedule(step, steps))
