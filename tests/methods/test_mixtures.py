"""Archetypal analysis and convex NMF beside quadratic programmes, published updates, and planted archetypes."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from method_cases import born, rolls_of, settings_of, updated
from scipy.optimize import linear_sum_assignment, nnls

from reseed.activations import open_activations, preprocessed
from reseed.errors import SpecError
from reseed.methods import Schedule, parse
from reseed.starts import Start, draw

KINDS = ["archetypal-analysis", "convex-nmf"]
N_ATOMS, D_MODEL = 6, 8


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def seen():
    """A few hundred correlated tokens away from the origin."""
    chance = torch.Generator().manual_seed(4)
    rows = torch.randn(300, D_MODEL, generator=chance) @ torch.randn(D_MODEL, D_MODEL, generator=chance)
    return preprocessed(open_activations(rows + 2), "none")


def begun(method, seen, *, n_points=40, **start):
    """One run at step 0, and all tokens in the method's units, in double precision."""
    point = draw(Start(**{"kind": "data", "n_points": n_points, **start}), method, seen, rolls_of(0))
    state = method.initialise(point, 0)
    x = seen.rows(torch.arange(seen.n_tokens)).unsqueeze(0)
    return {name: tensor.double() for name, tensor in state.items()}, x.double()


def iterated(method, state, x):
    """The error of all tokens after an iteration, by the codes of the iteration: from the statistics that it kept."""
    u = x / state["scale"].view(-1, 1, 1)
    method.update(state, x, Schedule(0, 1))
    atoms = state["atoms"]
    fitted = (atoms * (state["products"] @ atoms - 2 * state["sums"])).sum()
    return ((u.square().sum() + fitted) / u.numel()).item()


def settings(kind, **others):
    exact = {"rounds": 2000} if kind == "convex-nmf" else {}
    return {"kind": kind, "n_atoms": N_ATOMS, "memory": 0.0, **exact, **others}


def test_the_error_falls_at_every_iteration_on_all_tokens(kind, seen):
    """After the codes, and after the dictionary."""
    method = parse(settings(kind))
    state, x = begun(method, seen)
    errors = []
    for _ in range(20):
        u = x / state["scale"].view(-1, 1, 1)
        codes = method.codes(u, state["atoms"])
        errors.append((u - codes @ state["atoms"]).square().mean().item())
        errors.append(iterated(method, state, x))
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(errors))
    assert errors[-1] < 0.9 * errors[0]


def test_archetypal_analysis_is_the_alternation_of_quadratic_programmes(seen):
    """Codes, then one row of the weights after the other, by scipy in double precision."""
    method = parse(settings("archetypal-analysis"))
    state, x = begun(method, seen)
    u, points = (x / state["scale"]).squeeze(0).numpy(), state["points"].squeeze(0).numpy()
    weights = state["weights"].squeeze(0).numpy().copy()
    for _ in range(20):
        codes = np.array([on_the_simplex(token, weights @ points) for token in u])
        for i in range(N_ATOMS):
            others = u - codes @ weights @ points + np.outer(codes[:, i], weights[i] @ points)
            target = codes[:, i] @ others / (codes[:, i] @ codes[:, i])
            weights[i] = on_the_simplex(target, points)
        expected = np.mean((u - codes @ weights @ points) ** 2)
        assert iterated(method, state, x) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(state["atoms"].squeeze(0).numpy(), weights @ points, atol=1e-3)


def on_the_simplex(target, rows):
    """Weights of rows, by non-negative least squares with a heavy row for their sum."""
    weight = 1e4 * np.linalg.norm(rows, axis=1).mean()
    z, _ = nnls(np.vstack([rows.T, np.full(len(rows), weight)]), np.append(target, weight))
    return z / z.sum()


@pytest.mark.parametrize("centred", [False, True])
def test_no_iteration_of_convex_nmf_ends_above_the_published_updates_from_the_same_point(seen, centred):
    method = parse(settings("convex-nmf"))
    seen = preprocessed(seen.activations, "centre" if centred else "none")
    state, x = begun(method, seen, n_points=seen.n_tokens)
    u = (x / state["scale"]).squeeze(0)
    order = [(state["points"][0] - token).square().sum(-1).argmin() for token in u]
    state["points"] = u.unsqueeze(0).clone()  # the points are the tokens, in their order
    state["weights"] = state["weights"][..., order] + 0.01
    factor = torch.rand(len(u), N_ATOMS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        weights = state["weights"][0]
        ours = {name: tensor.clone() for name, tensor in state.items()}
        ours["atoms"] = ours["weights"] @ ours["points"]
        reached = iterated(method, ours, x)
        factor, weights = published(u, factor, weights)
        state["weights"] = weights.unsqueeze(0)
        assert reached <= (u - factor @ weights @ u).square().mean().item()


def published(u, factor, weights):
    """An iteration of Ding, Li and Jordan (2010), eq. 26 and 27: their X is u', G `factor` and W `weights`'."""
    inner = u @ u.T
    above, below, w = inner.clamp(min=0), (-inner).clamp(min=0), weights.T
    factor = factor * ((above @ w + factor @ w.T @ below @ w) / (below @ w + factor @ w.T @ above @ w)).sqrt()
    squares = factor.T @ factor
    w = w * ((above @ factor + below @ w @ squares) / (below @ factor + above @ w @ squares)).sqrt()
    return factor, w.T


def test_the_published_updates_are_monotone_as_written_here(seen):
    u = seen.rows(torch.arange(seen.n_tokens)).double()
    chance = torch.Generator().manual_seed(1)
    factor = torch.rand(len(u), N_ATOMS, dtype=torch.float64, generator=chance)
    weights = torch.rand(N_ATOMS, len(u), dtype=torch.float64, generator=chance)
    errors = []
    for _ in range(20):
        errors.append((u - factor @ weights @ u).square().mean().item())
        factor, weights = published(u, factor, weights)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_planted_archetypes_are_found(offset):
    """Corners of a simplex, tokens inside of it and a few at corners; from atoms in the middle of points far apart."""
    chance = torch.Generator().manual_seed(2)
    corners = torch.randn(N_ATOMS, D_MODEL, generator=chance) + offset
    mixed = torch.from_numpy(np.random.Generator(np.random.PCG64(0)).dirichlet(np.full(N_ATOMS, 0.5), size=2000))
    rows = torch.cat([mixed.float(), torch.eye(N_ATOMS).repeat(20, 1)]) @ corners
    rows = rows[torch.randperm(len(rows), generator=chance)]
    seen = preprocessed(open_activations(rows), "none")
    method = parse(settings("archetypal-analysis"))
    state, x = begun(method, seen, kind="furthest-sum", weights="dirichlet")
    for _ in range(40):
        error = iterated(method, state, x)
    atoms = state["atoms"][0] * state["scale"]
    distances = torch.cdist(atoms, corners.double())
    own, planted = linear_sum_assignment(distances.numpy())
    assert distances[own, planted].max() < 0.1 * torch.cdist(corners, corners).mean()
    assert error < 1e-3


def test_planted_rays_are_found():
    """Rays of a cone, tokens inside of it with few rays each, and some on the rays themselves."""
    chance = torch.Generator().manual_seed(3)
    rays = torch.nn.functional.normalize(torch.randn(N_ATOMS, 2 * D_MODEL, generator=chance), dim=1)
    codes = torch.rand(2000, N_ATOMS, generator=chance) * (torch.rand(2000, N_ATOMS, generator=chance) < 0.3)
    rows = torch.cat([codes, torch.eye(N_ATOMS).repeat(20, 1)]) @ rays
    seen = preprocessed(open_activations(rows[torch.randperm(len(rows), generator=chance)]), "none")
    method = parse(settings("convex-nmf", rounds=200))
    state, x = begun(method, seen, kind="kmeans", n_points=60)
    for _ in range(60):
        iterated(method, state, x)
    cosines = state["atoms"][0].float() @ rays.T
    own, planted = linear_sum_assignment(-cosines.numpy())
    assert cosines[own, planted].min() > 0.95


def test_atoms_are_the_mixtures_that_the_weights_say(kind, tokens):
    method = parse(settings_of(kind))
    state = updated(method, born(method, tokens), tokens)
    weights, lengths = state["weights"], state["atoms"].norm(dim=-1)
    torch.testing.assert_close(weights @ state["points"], state["atoms"], rtol=1e-4, atol=1e-4)
    assert (weights >= 0).all()
    bound = weights.sum(-1) if kind == "archetypal-analysis" else lengths
    torch.testing.assert_close(bound, torch.ones_like(bound))
    parameters = method.parameters(state)
    assert torch.equal(parameters["weights"], weights)
    assert (method.diagnostics(state)["weight_entropy"] > 0).all()


def test_a_batch_of_tokens_that_are_all_alike_changes_only_the_atoms_that_they_use(kind, tokens):
    method = parse(settings_of(kind, memory=0.0))
    state = born(method, tokens)
    before, x = state["atoms"].clone(), tokens.rows(torch.zeros(50, dtype=torch.int64)).unsqueeze(0)
    fired = method.update(state, x, Schedule(0, 1)).fired
    changed = (state["atoms"] != before).any(-1)
    assert fired.any()
    assert not (changed & ~fired).any()


def test_codes_of_archetypal_analysis_stay_where_all_activations_move(tokens):
    method = parse(settings_of("archetypal-analysis"))
    state = born(method, tokens)
    x = tokens.rows(torch.arange(100)).unsqueeze(0)
    parameters = method.parameters(state)
    before = parameters["atoms"], method.encode(parameters, x)
    parameters["atoms"] = parameters["atoms"] + 50
    after = method.encode(parameters, x + 50)
    fits = [codes @ before[0] for codes in (before[1], after)]
    torch.testing.assert_close(*fits, rtol=1e-3, atol=0.05)


def test_as_many_points_as_atoms_leave_nothing_to_learn(kind, tokens):
    method = parse(settings_of(kind))
    with pytest.raises(
        SpecError, match="points are atoms at the start, and no mixtures fit better: use n_points above"
    ):
        born(method, tokens, n_points=method.n_atoms)
    state = born(method, tokens, n_points=method.n_atoms, weights="dirichlet")
    before = state["weights"].clone()
    assert (updated(method, state, tokens)["weights"] != before).any()


def test_points_whose_products_do_not_fit_are_refused(kind, tokens, monkeypatch):
    monkeypatch.setattr("reseed.methods._mixtures._MOST_POINTS", 50)
    with pytest.raises(SpecError, match=f"{kind} needs the products of all .*: use n_points of 50 at most, not 60"):
        born(parse(settings_of(kind)), tokens, n_points=60)
