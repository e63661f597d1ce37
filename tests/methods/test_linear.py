"""PCA, FastICA and sparse PCA, iteration by iteration beside scikit-learn and beside what defines them."""

import numpy as np
import pytest
import torch
from method_cases import AT_MOST_D_MODEL, born, settings_of, tokens
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso

from reseed.activations import open_activations, preprocessed
from reseed.errors import SpecError
from reseed.matching import match
from reseed.methods import Schedule, StartPoint, parse
from reseed.methods._elastic_net import elastic_net
from reseed.methods._linear import covariance, orthonormal
from reseed.starts import Start, draw

D_MODEL, N_ATOMS, TOKENS = 20, 12, 3000
NEVER = Schedule(0, 1)


def heavy_tailed(seed=0, tokens=TOKENS, d_model=D_MODEL):
    """Correlated rows with a mean, mixed of Laplace sources; the mixing directions as rows."""
    chance = np.random.default_rng(seed)
    turns = [np.linalg.qr(chance.normal(size=(d_model, d_model)))[0] for _ in range(2)]
    mixing = turns[0] * np.linspace(1, 4, d_model) @ turns[1]
    rows = chance.laplace(size=(tokens, d_model)) @ mixing + 5 * chance.normal(size=d_model)
    return torch.from_numpy(rows), torch.from_numpy(mixing)


def begun(method, rows, atoms=None, seed=0):
    """A state at step 0 in the units of the rows, so that nothing is divided by."""
    chance = torch.Generator().manual_seed(seed)
    atoms = torch.randn(method.n_atoms, rows.shape[1], generator=chance) if atoms is None else atoms
    point = StartPoint(atoms=atoms, points=None, weights=None, mean=torch.zeros(rows.shape[1]), scale=1.0, sample=rows)
    return method.initialise(point, 0)


def full(state, method, rows):
    return method.update(state, rows.unsqueeze(0), NEVER)


# -- PCA ---------------------------------------------------------------------------------------------------------------


def test_a_pass_in_batches_is_the_pca_of_scikit_learn():
    rows, _ = heavy_tailed()
    method, x = parse({"kind": "pca", "n_atoms": N_ATOMS}), rows.float()
    state = begun(method, x)
    theirs = decomposition.PCA(N_ATOMS, svd_solver="full").fit(x.double().numpy())
    for batch in x.split(250):
        full(state, method, batch)
    parameters = method.parameters(state)
    ours, expected = parameters["atoms"][0].double(), torch.from_numpy(theirs.components_)
    assert ((ours * expected).sum(1).abs() - 1).abs().max() < 1e-6
    np.testing.assert_allclose(parameters["decoder_bias"][0], theirs.mean_, rtol=1e-6, atol=1e-6)
    codes = method.encode(parameters, x.unsqueeze(0))[0].double() * (ours * expected).sum(1).sign()
    np.testing.assert_allclose(codes, theirs.transform(x.double().numpy()), atol=1e-4)


def test_every_prefix_of_a_pass_is_the_pca_of_what_was_read():
    rows, _ = heavy_tailed()
    method = parse({"kind": "pca", "n_atoms": N_ATOMS})
    state = begun(method, rows)
    for read in range(150, TOKENS + 1, 150):
        full(state, method, rows[read - 150 : read])
        theirs = decomposition.PCA(N_ATOMS, svd_solver="full").fit(rows[:read].numpy()).components_
        assert (np.abs((state["atoms"][0].numpy() * theirs).sum(1)) - 1).max() < 1e-12


def test_without_memory_pca_is_that_of_the_batch():
    rows, _ = heavy_tailed()
    method = parse({"kind": "pca", "n_atoms": N_ATOMS, "memory": 0.0})
    state = begun(method, rows)
    full(state, method, rows[:2000])
    full(state, method, rows[2000:])
    fresh = begun(method, rows, seed=1)
    full(fresh, method, rows[2000:])
    torch.testing.assert_close(state["atoms"], fresh["atoms"], rtol=1e-9, atol=1e-9)


def test_what_pca_learns_knows_nothing_of_its_start_and_its_largest_entries_are_positive():
    rows, _ = heavy_tailed()
    method = parse({"kind": "pca", "n_atoms": N_ATOMS})
    states = [begun(method, rows, seed=seed) for seed in range(2)]
    assert match(states[0]["atoms"][0], states[1]["atoms"][0], sign="abs").agreement < 0.7
    for state in states:
        full(state, method, rows)
    assert torch.equal(states[0]["atoms"], states[1]["atoms"])
    atoms = states[0]["atoms"][0]
    assert (atoms.gather(1, atoms.abs().argmax(1, keepdim=True)) > 0).all()
    variances = (atoms @ covariance(states[0])[0] @ atoms.T).diagonal()
    assert (variances.diff() <= 0).all()


def test_equal_eigenvalues_determine_the_space_and_not_the_directions():
    chance = torch.Generator().manual_seed(0)
    halves = torch.randn(2, 4000, 8, generator=chance, dtype=torch.float64) * torch.tensor([3.0] * 4 + [1.0] * 4)
    method = parse({"kind": "pca", "n_atoms": 4})
    found = []
    for half in halves:
        state = begun(method, half)
        full(state, method, half)
        found.append(state["atoms"][0])
    assert torch.linalg.svdvals(found[0] @ found[1].T).min() > 0.99
    assert match(*found, sign="abs").agreement < 0.95


# -- ICA ---------------------------------------------------------------------------------------------------------------


def once_more(rows, w, contrast):
    """Whitening and W of scikit-learn after one more iteration of its own."""
    with pytest.warns(ConvergenceWarning):
        k, w, _ = decomposition.fastica(
            rows, len(w), fun=contrast, w_init=w, whiten="unit-variance", max_iter=1, tol=0.0
        )
    return k, w


@pytest.mark.parametrize("contrast", ["logcosh", "cube", "exp"])
@pytest.mark.parametrize("n_atoms", [N_ATOMS, D_MODEL])
def test_every_iteration_is_that_of_fastica(contrast, n_atoms):
    rows, _ = heavy_tailed()
    method = parse({"kind": "ica", "n_atoms": n_atoms, "contrast": contrast})
    state = begun(method, rows)
    k, _ = once_more(rows.numpy(), np.eye(n_atoms), contrast)
    w = state["atoms"][0].numpy() @ k.T
    for _ in range(25):
        full(state, method, rows)
        k, w = once_more(rows.numpy(), w, contrast)
        largest = np.abs(w @ k).max()
        np.testing.assert_allclose(state["encoder"][0], w @ k, atol=1e-8 * largest)
        np.testing.assert_allclose(state["atoms"][0], np.linalg.pinv(w @ k).T, atol=1e-8 / largest)


def test_single_precision_stays_beside_double_precision():
    rows, _ = heavy_tailed()
    method = parse({"kind": "ica", "n_atoms": N_ATOMS})
    double, single = begun(method, rows), begun(method, rows)
    for _ in range(25):
        full(double, method, rows)
        full(single, method, rows.float())
        cosines = torch.cosine_similarity(double["atoms"], single["atoms"], dim=2)
        assert (1 - cosines).max() < 1e-6


def test_planted_independent_sources_are_found_from_every_start_in_batches():
    rows, mixing = heavy_tailed(tokens=60_000)
    method = parse({"kind": "ica", "n_atoms": D_MODEL})
    ends = []
    for seed in range(2):
        state = begun(method, rows.float(), seed=seed)
        for _ in range(3):
            for batch in rows.float().split(10_000):
                full(state, method, batch)
        ends.append(method.parameters(state)["atoms"][0])
        assert match(ends[-1], mixing, sign="abs").agreement > 0.99
    assert match(*ends, sign="abs").agreement > 0.99


def test_normal_rows_have_no_solution_that_starts_would_agree_on():
    chance = torch.Generator().manual_seed(0)
    rows = torch.randn(20_000, 16, generator=chance, dtype=torch.float64)
    method = parse({"kind": "ica", "n_atoms": 16})
    ends = []
    for seed in range(4):
        state = begun(method, rows, seed=seed)
        for batch in (*rows.split(5000),) * 5:
            full(state, method, batch)
        ends.append(state["atoms"][0])
    agreements = [match(ends[i], ends[j], sign="abs").agreement for i in range(4) for j in range(i)]
    turned = [orthonormal(torch.randn(16, 16, generator=chance, dtype=torch.float64)[None])[0] for _ in range(20)]
    null = [match(turned[i], turned[j], sign="abs").agreement for i in range(20) for j in range(i)]
    assert abs(np.mean(agreements) - np.mean(null)) < 4 * np.std(null) / 2  # four runs
    assert max(agreements) < 0.8


def test_sources_go_on_where_they_were_when_the_covariance_moves():
    rows, _ = heavy_tailed(tokens=20_000)
    method = parse({"kind": "ica", "n_atoms": D_MODEL})
    state = begun(method, rows)
    for _ in range(30):
        full(state, method, rows[:10_000])
    before = state["atoms"].clone()
    full(state, method, rows[10_000:])
    assert torch.cosine_similarity(before, state["atoms"], dim=2).abs().min() > 0.95


def test_codes_of_ica_are_uncorrelated_with_variance_one_and_least_squares():
    rows, _ = heavy_tailed()
    method = parse({"kind": "ica", "n_atoms": N_ATOMS})
    state = begun(method, rows)
    full(state, method, rows)
    codes = (rows - rows.mean(0)) @ state["encoder"][0].T
    np.testing.assert_allclose(codes.T @ codes / TOKENS, np.eye(N_ATOMS), atol=1e-9)
    torch.testing.assert_close(state["encoder"], torch.linalg.pinv(state["atoms"]).mT, rtol=1e-8, atol=1e-8)


# -- sparse PCA --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("l1", [0.05, 1.0, 8.0])
def test_every_lasso_and_every_elastic_net_is_that_of_scikit_learn(l1, share):
    """`share` of the penalty is that of absolute values: alpha and l1_ratio as scikit-learn counts them."""
    rows, _ = heavy_tailed()
    x = (rows - rows.mean(0)).numpy()
    responses = np.random.default_rng(1).normal(size=(6, D_MODEL))
    c = torch.from_numpy(x.T @ x / TOKENS).unsqueeze(0)
    targets = torch.from_numpy(responses).unsqueeze(0) @ c
    l2 = l1 * (1 - share) / (2 * share)
    found = elastic_net(c, targets, torch.zeros_like(targets), l1=l1, l2=l2, sweeps=1000)[0]
    alpha = l1 / (2 * share)
    model = Lasso if share == 1 else ElasticNet
    ratio = {} if share == 1 else {"l1_ratio": share}
    for response, own in zip(responses, found, strict=True):
        theirs = model(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000, **ratio).fit(x, x @ response)
        np.testing.assert_allclose(own, theirs.coef_, atol=1e-5)
    assert l1 < 8 or (found == 0).any()


def test_responses_stop_by_themselves_whatever_their_companions_do():
    rows, _ = heavy_tailed()
    c = torch.cov(rows.T, correction=0).unsqueeze(0)
    targets = torch.randn(1, 5, D_MODEL, generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ c
    first = torch.zeros_like(targets)
    together = elastic_net(c, targets, first, l1=0.5, l2=0.0, sweeps=1000)
    for response in range(5):
        alone = elastic_net(c, targets[:, [response]], first[:, [response]], l1=0.5, l2=0.0, sweeps=1000)
        torch.testing.assert_close(alone[:, 0], together[:, response], rtol=1e-10, atol=1e-12)


def criterion(method, state, y):
    left = y - y @ state["loadings"][0].T @ state["axes"][0]
    penalty = method.l2 * state["loadings"].square().sum() + method.l1 * state["loadings"].abs().sum()
    return (left.square().sum() / len(y) + penalty).item()


@pytest.mark.parametrize("l1", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("sweeps", [1, 100])
def test_the_criterion_falls_with_every_iteration(l1, sweeps):
    rows, _ = heavy_tailed()
    method = parse({"kind": "sparse-pca", "n_atoms": N_ATOMS, "l1": l1, "sweeps": sweeps})
    state, y = begun(method, rows), rows - rows.mean(0)
    values = [criterion(method, state, y)]
    for _ in range(25):
        full(state, method, rows)
        values.append(criterion(method, state, y))
        identity = state["axes"][0] @ state["axes"][0].T
        torch.testing.assert_close(identity, torch.eye(N_ATOMS, dtype=torch.float64))
    falls = -np.diff(values)
    assert (falls > -1e-9 * values[0]).all()
    assert falls[0] > 0


def test_the_axes_are_those_of_procrustes():
    """Of the published A: U V' of the singular vectors of X'X B."""
    rows, _ = heavy_tailed()
    method = parse({"kind": "sparse-pca", "n_atoms": N_ATOMS, "l1": 0.3})
    state = begun(method, rows)
    full(state, method, rows)
    y = (rows - rows.mean(0)).numpy()
    u, _, vt = np.linalg.svd(y.T @ y @ state["loadings"][0].numpy().T, full_matrices=False)
    np.testing.assert_allclose(state["axes"][0], (u @ vt).T, atol=1e-10)


def test_without_penalty_principal_directions_stay_and_their_space_is_found_from_any_start():
    rows, _ = heavy_tailed()
    method = parse({"kind": "sparse-pca", "n_atoms": N_ATOMS, "l1": 0.0})
    theirs = torch.from_numpy(decomposition.PCA(N_ATOMS).fit(rows.numpy()).components_)
    there, apart = begun(method, rows, theirs), begun(method, rows)
    for _ in range(100):
        full(there, method, rows)
        full(apart, method, rows)
    assert torch.cosine_similarity(there["atoms"][0], theirs).abs().min() > 1 - 1e-6
    assert torch.linalg.svdvals(orthonormal(apart["atoms"])[0] @ theirs.T).min() > 1 - 1e-6


def test_planted_sparse_directions_are_found():
    chance = torch.Generator().manual_seed(3)
    planted = torch.zeros(3, 30, dtype=torch.float64)
    for atom in range(3):
        planted[atom, 5 * atom : 5 * atom + 5] = 1 / 5**0.5
    codes = torch.randn(5000, 3, generator=chance, dtype=torch.float64) * torch.tensor([6.0, 6.0, 6.0])
    rows = codes @ planted + torch.randn(5000, 30, generator=chance, dtype=torch.float64)
    method = parse({"kind": "sparse-pca", "n_atoms": 3, "l1": 2.0})
    state = begun(method, rows)
    for _ in range(80):
        full(state, method, rows)
    assert match(state["atoms"][0], planted, sign="abs").agreement > 0.99
    assert (state["atoms"] == 0).float().mean() > 0.7
    plain = decomposition.PCA(3).fit(rows.numpy()).components_  # equal variances: PCA turns them within their space
    assert match(torch.from_numpy(plain), planted, sign="abs").agreement < 0.95


def test_a_penalty_that_leaves_nothing_of_an_atom_makes_it_zero_and_dead():
    rows, _ = heavy_tailed()
    method = parse({"kind": "sparse-pca", "n_atoms": N_ATOMS, "l1": 1e6})
    state = begun(method, rows)
    full(state, method, rows)
    assert (state["atoms"] == 0).all()
    assert not full(state, method, rows).fired.any()
    assert all(tensor.isfinite().all() for tensor in state.values())


# -- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(AT_MOST_D_MODEL))
def test_more_atoms_than_dimensions_are_refused_with_the_remedy(kind):
    method = parse(settings_of(kind, n_atoms=13))
    with pytest.raises(SpecError, match=f"{kind} with n_atoms = 13 of d_model = 12.*use n_atoms <= 12"):
        born(method, tokens())


@pytest.mark.parametrize("kind", sorted(AT_MOST_D_MODEL))
def test_a_large_mean_costs_no_digits(kind):
    """Rows a thousand times further from zero than they are wide; activations are float32, and so is what is read."""
    rows, _ = heavy_tailed()
    near = (rows - rows.mean(0)).float()
    far = near + 1000 * near.std()
    ends = []
    for x in (near, far):
        seen = preprocessed(open_activations(x), "none")
        method = parse(settings_of(kind, n_atoms=N_ATOMS))
        state = method.initialise(draw(Start(kind="pca"), method, seen, {"init": 0}), 0)
        for batch in seen.rows(torch.arange(seen.n_tokens)).split(900):
            full(state, method, batch)
        ends.append(method.parameters(state)["atoms"][0])
    assert torch.cosine_similarity(*ends).abs().min() > 0.999


@pytest.mark.parametrize("kind", sorted(AT_MOST_D_MODEL))
def test_activations_without_any_variance_give_finite_numbers(kind):
    method = parse(settings_of(kind))
    rows = torch.ones(100, 12)
    state = begun(method, rows)
    full(state, method, rows)
    assert all(tensor.isfinite().all() for tensor in state.values())
