"""k-means on batches beside scikit-learn, and spherical k-means beside its definition, iteration by iteration."""

import numpy as np
import pytest
import torch
from method_cases import born, settings_of
from sklearn.cluster import KMeans, MiniBatchKMeans

from reseed import kernels
from reseed.activations import open_activations, preprocessed
from reseed.errors import SpecError
from reseed.methods import Schedule, StartPoint, parse

N_ATOMS, D_MODEL, STEPS = 30, 8, 25


@pytest.fixture
def rows():
    chance = torch.Generator().manual_seed(4)
    mixing = torch.randn(D_MODEL, D_MODEL, generator=chance, dtype=torch.float64)
    return 3 * torch.randn(3000, D_MODEL, generator=chance, dtype=torch.float64) @ mixing + 20


def begun(rows, dtype=torch.float64, **settings):
    """A method and its state at step 0, in this precision, with the scale of the rows."""
    method = parse(settings_of("kmeans", **settings) | {"n_atoms": N_ATOMS})
    point = StartPoint(
        atoms=rows[:N_ATOMS], points=None, weights=None, mean=rows.mean(0), scale=rows.std().item(), sample=rows[:9]
    )
    state = method.initialise(point, 0)
    state = {name: tensor.to(dtype) for name, tensor in state.items()}
    state["atoms"] = (point.atoms / point.scale).unsqueeze(0).to(dtype)
    if method.spherical:
        kernels.normalise(state["atoms"])
    return method, state


def step(method, state, batch):
    return method.update(state, batch.unsqueeze(0).to(state["atoms"].dtype), Schedule(0, 1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_with_memory_1_it_follows_mini_batch_kmeans_step_by_step(rows, dtype, tolerance):
    method, state = begun(rows, dtype, memory=1.0)
    start = (state["atoms"][0].double() * state["scale"].double()).numpy()
    reference = MiniBatchKMeans(N_ATOMS, init=start, n_init=1, reassignment_ratio=0, random_state=0)
    for number in range(STEPS):
        batch = rows[100 * number : 100 * (number + 1)]
        reference.partial_fit(batch.numpy())
        step(method, state, batch)
        atoms = method.parameters(state)["atoms"][0].double().numpy()
        np.testing.assert_allclose(atoms, reference.cluster_centers_, rtol=tolerance, atol=tolerance)
    assert (state["counts"].sum() == 100 * STEPS).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_with_memory_0_and_all_tokens_a_step_is_an_iteration_of_lloyd(rows, dtype, tolerance):
    method, state = begun(rows, dtype, memory=0.0)
    start, losses = (state["atoms"][0].double() * state["scale"].double()).numpy(), []
    for number in range(1, STEPS):
        losses.append(step(method, state, rows).loss.item())
        reference = KMeans(N_ATOMS, init=start, n_init=1, max_iter=number, tol=0, algorithm="lloyd").fit(rows.numpy())
        atoms = method.parameters(state)["atoms"][0].double().numpy()
        np.testing.assert_allclose(atoms, reference.cluster_centers_, rtol=tolerance, atol=tolerance)
    assert losses == sorted(losses, reverse=True)
    inertia = step(method, state, rows).loss.item() * rows.numel() * state["scale"].item() ** 2
    assert inertia == pytest.approx(reference.inertia_, rel=1e-5)


@pytest.mark.parametrize("memory", [0.0, 0.7, 1.0])
def test_spherical_centroids_are_the_directions_of_their_directions(rows, memory):
    rows = rows - 20
    method, state = begun(rows, spherical=True, memory=memory)
    centroids, sums = state["atoms"][0].numpy().copy(), np.zeros((N_ATOMS, D_MODEL))
    for number in range(STEPS):
        batch = rows[100 * number : 100 * (number + 1)].numpy()
        directions = batch / np.linalg.norm(batch, axis=1, keepdims=True)
        labels = (directions @ centroids.T).argmax(1)
        sums = memory * sums + np.eye(N_ATOMS)[labels].T @ directions
        used = np.unique(labels)
        centroids[used] = sums[used] / np.linalg.norm(sums[used], axis=1, keepdims=True)
        outcome = step(method, state, torch.from_numpy(batch))
        np.testing.assert_allclose(state["atoms"][0].numpy(), centroids, rtol=1e-7, atol=1e-7)
        assert outcome.fired[0].nonzero().flatten().tolist() == used.tolist()


def test_on_all_tokens_spherical_cosines_never_fall(rows):
    method, state = begun(rows - 20, spherical=True, memory=0.0)
    losses = [step(method, state, rows - 20).loss.item() for _ in range(STEPS)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_what_a_batch_said_is_kept_as_far_as_memory_says(rows):
    method, state = begun(rows, memory=0.5)
    start = state["atoms"].clone()
    step(method, state, rows[:1000])
    first, counts = state["atoms"].clone(), state["counts"].clone()
    again = kernels.nearest(rows[None, 1000:1100] / state["scale"].double(), first, bias=first.square().sum(-1) / -2)
    step(method, state, rows[1000:1100])
    for atom in range(N_ATOMS):
        mine = rows[1000:1100][again.labels[0] == atom] / state["scale"].double()
        weight = 0.5 * counts[0, atom]
        expected = (weight * first[0, atom] + mine.sum(0)) / (weight + len(mine)) if len(mine) else first[0, atom]
        torch.testing.assert_close(state["atoms"][0, atom], expected)
    assert not torch.equal(start, first)


@pytest.mark.parametrize("spherical", [False, True])
def test_a_centroid_without_tokens_stays_where_it_is_and_has_not_fired(rows, spherical):
    method, state = begun(rows - 20, memory=0.0, spherical=spherical)
    far = torch.full((D_MODEL,), 1e3, dtype=torch.float64)
    batch = (rows - 20)[((rows - 20) @ far) < 0]
    state["atoms"][0, 0] = far / far.norm() if spherical else far
    before = state["atoms"][0, 0].clone()
    outcome = step(method, state, batch)
    assert torch.equal(state["atoms"][0, 0], before)
    assert not outcome.fired[0, 0]
    assert outcome.fired[0, 1:].any()


def test_a_token_of_zeros_turns_no_direction(rows):
    method, state = begun(rows - 20, spherical=True, memory=0.0)
    before = state["atoms"].clone()
    outcome = step(method, state, torch.zeros(5, D_MODEL))
    assert torch.equal(state["atoms"], before)
    assert not outcome.fired.any()
    assert outcome.loss.isfinite().all()


def reconstructed(method, state, rows):
    parameters = method.parameters({name: tensor.float() for name, tensor in state.items()})
    codes = method.encode(parameters, rows.float().unsqueeze(0))
    return codes[0], (codes @ parameters["atoms"])[0]


def test_codes_are_the_nearest_centroid_the_projection_or_a_pursuit(rows):
    rows = rows - 20
    method, state = begun(rows)
    codes, x_hat = reconstructed(method, state, rows)
    atoms = method.parameters(state)["atoms"][0].float()
    nearest = torch.cdist(rows.float(), atoms).argmin(1)
    assert torch.equal(codes, torch.nn.functional.one_hot(nearest, N_ATOMS).float())
    torch.testing.assert_close(x_hat, atoms[nearest])
    method, state = begun(rows, spherical=True)
    codes, x_hat = reconstructed(method, state, rows)
    left = rows.float() - x_hat
    assert ((codes > 0).sum(1) <= 1).all()
    assert ((left * x_hat).sum(1).abs() < 1e-4 * rows.float().square().sum(1)).all()  # a projection
    errors = [left.square().sum()]
    for k in (1, 2, 4):
        method, state = begun(rows, codes_by="pursuit", k=k)
        codes, x_hat = reconstructed(method, state, rows)
        assert (codes > 0).sum(1).max() == k
        errors.append((rows.float() - x_hat).square().sum())
    assert errors == sorted(errors, reverse=True)


def test_it_finds_planted_clusters_from_seeds_that_are_far_apart():
    chance = torch.Generator().manual_seed(1)
    centres = 10 * torch.randn(N_ATOMS, 16, generator=chance)
    rows = centres.repeat(200, 1) + torch.randn(200 * N_ATOMS, 16, generator=chance)
    seen = preprocessed(open_activations(rows), "none")
    for spherical in (False, True):
        method = parse(settings_of("kmeans", spherical=spherical) | {"n_atoms": N_ATOMS})
        state = born(method, seen, kind="kmeans++")
        for number in range(20):
            step(method, state, seen.rows(torch.arange(200) + 200 * number))
        atoms = torch.nn.functional.normalize(method.parameters(state)["atoms"][0], dim=1)
        cosines = atoms @ torch.nn.functional.normalize(centres, dim=1).T
        assert (cosines.amax(0) > 0.99).all()


def test_more_than_one_nearest_centroid_is_refused():
    with pytest.raises(SpecError, match="k = 4: the nearest centroid is one; leave k out, or set codes_by = 'pursuit'"):
        parse(settings_of("kmeans", k=4))
