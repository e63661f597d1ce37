"""Online dictionary learning, MOD and K-SVD beside scikit-learn and beside their definitions, step by step."""

from itertools import pairwise

import pytest
import torch
from method_cases import activations, born, settings_of, tokens, updated
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.decomposition._dict_learning import _update_dict
from sklearn.linear_model import Lasso, orthogonal_mp_gram

from reseed.errors import SpecError
from reseed.methods import Schedule, parse

N_TOKENS, N_ATOMS, D_MODEL, K, STEPS = 400, 24, 32, 3, 25

PRECISIONS = pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-6), (torch.float32, 1e-6)])


def planted(roll=0, n_tokens=N_TOKENS, *, positive=False):
    """Tokens that are K of some unit atoms each, and a little noise; the atoms; and unit rows to start from."""
    chance = torch.Generator().manual_seed(roll)
    atoms, start = (unit(torch.randn(N_ATOMS, D_MODEL, generator=chance).double()) for _ in range(2))
    codes = torch.zeros(n_tokens, N_ATOMS, dtype=torch.float64)
    for code in codes:
        values = 2 + torch.rand(K, generator=chance).double()
        signs = 1 if positive else torch.randint(2, (K,), generator=chance) * 2 - 1
        code[torch.randperm(N_ATOMS, generator=chance)[:K]] = values * signs
    noise = 0.02 * torch.randn(n_tokens, D_MODEL, generator=chance).double()
    return codes @ atoms + noise, atoms, start


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)


def method_of(kind, **settings):
    return parse({"kind": kind, "n_atoms": N_ATOMS, **settings})


def state_of(method, atoms, dtype=torch.float64):
    """A state that starts at these atoms, where activations are in the method's units already."""
    state = {"atoms": atoms.to(dtype).unsqueeze(0).clone(), "scale": torch.ones(1, dtype=dtype)}
    return state | method.statistics(state["atoms"])


def steps_of(method, state, x, steps=STEPS, batch=None):
    """The dictionary after each step; each batch is the next so many tokens, or all of them."""
    for step in range(steps):
        rows = torch.arange(len(x)) if batch is None else (torch.arange(batch) + step * batch) % len(x)
        outcome = method.update(state, x[rows].to(state["atoms"].dtype).unsqueeze(0), Schedule(step, steps))
        yield rows, outcome, state["atoms"][0].double()


def by_pursuit(u, atoms, k=K):
    atoms = unit(atoms)
    return torch.from_numpy(orthogonal_mp_gram((atoms @ atoms.T).numpy(), (atoms @ u.T).numpy(), n_nonzero_coefs=k).T)


def distance(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


def recovered(actual, atoms):
    """Share of planted atoms that a learnt one has a cosine above .99 with."""
    return (unit(atoms) @ unit(actual).T).abs().amax(1).gt(0.99).double().mean().item()


@PRECISIONS
def test_online_dictionary_learning_is_scikit_learns_step_by_step(dtype, within):
    """With its least angle regression, whose codes are exact: its coordinate descent ends early."""
    x, _, start = planted()
    method = method_of("online-dl", l1=0.4)
    library = MiniBatchDictionaryLearning(N_ATOMS, alpha=0.4, fit_algorithm="lars", dict_init=start.numpy().copy())
    for rows, outcome, atoms in steps_of(method, state_of(method, start, dtype), x, batch=60):
        codes = torch.from_numpy(sparse_encode(x[rows].numpy(), start.numpy(), algorithm="lasso_lars", alpha=0.4))
        cost = 0.5 * (x[rows] - codes @ start).square().sum(1).mean() + 0.4 * codes.abs().sum(1).mean()
        assert outcome.loss.item() == pytest.approx(2 * cost.item() / D_MODEL, rel=10 * within)
        library.partial_fit(x[rows].numpy())
        start = torch.from_numpy(library.components_).clone()
        assert distance(atoms, start) < within


@pytest.mark.parametrize("codes", ["omp", "lasso"])
@pytest.mark.parametrize("memory", [0.0, 0.5, 1.0])
def test_with_other_codes_and_memories_its_dictionary_moves_as_scikit_learns(codes, memory):
    x, _, start = planted(positive=codes == "lasso")
    settings = {"k": K} if codes == "omp" else {"l1": 0.3, "positive": True}
    method = method_of("online-dl", codes_by=codes, memory=memory, **settings)
    expected, products, sums = start.numpy().copy(), 0.0, 0.0
    lasso = Lasso(0.3 / D_MODEL, fit_intercept=False, positive=True, tol=1e-14, max_iter=10_000)
    for rows, _, atoms in steps_of(method, state_of(method, start), x, batch=200):
        u = x[rows].numpy()
        if codes == "omp":  # its atoms are not divided by their length, which is at most 1
            z = orthogonal_mp_gram(expected @ expected.T, expected @ u.T, n_nonzero_coefs=K).T
        else:
            z = lasso.fit(expected.T, u.T).coef_
        products, sums = memory * products + z.T @ z, memory * sums + u.T @ z
        _update_dict(expected, u, z, products, sums, random_state=0)
        assert distance(atoms, torch.from_numpy(expected)) < 1e-5


@PRECISIONS
def test_the_method_of_optimal_directions_is_least_squares_step_by_step(dtype, within):
    x, _, start = planted()
    method = method_of("mod", k=K)
    for _, outcome, atoms in steps_of(method, state_of(method, start, dtype), x):
        codes = by_pursuit(x, start)
        assert outcome.loss.item() == pytest.approx((x - codes @ start).square().mean().item(), rel=10 * within)
        start = unit(torch.linalg.lstsq(codes, x).solution)
        assert distance(atoms, start) < within


def test_with_a_memory_it_is_least_squares_over_all_tokens_so_far():
    """A shorter atom has larger codes: what A and B say of the tokens behind them stays the same."""
    x, _, start = planted()
    method = method_of("mod", k=K, memory=1.0)
    state, codes, read = state_of(method, start), [], []
    for rows, _, atoms in steps_of(method, state, x, steps=4, batch=100):
        codes.append(by_pursuit(x[rows], start))
        read.append(x[rows])
        solution = torch.linalg.lstsq(torch.cat(codes), torch.cat(read)).solution
        codes = [each * solution.norm(dim=1) for each in codes]
        start = unit(solution)
        assert distance(atoms, start) < 1e-6


def test_where_codes_leave_the_dictionary_open_the_nearest_best_one_is_taken():
    """Two atoms that always come together have no best of their own, and one that never comes stays."""
    x, _, start = planted()
    method, codes = method_of("mod", k=K), by_pursuit(x, start)
    codes[:, 1], codes[:, 5] = 2 * codes[:, 0], 0.0
    state = state_of(method, start)
    state["products"], state["sums"] = (codes.T @ codes).unsqueeze(0), (codes.T @ x).unsqueeze(0)
    method.fit(state)
    atoms, products, sums = (state[name][0] for name in ("atoms", "products", "sums"))
    torch.testing.assert_close(atoms[5], start[5])
    left = x.square().sum() - 2 * (atoms * sums).sum() + (atoms @ atoms.T * products).sum()
    solution = torch.linalg.lstsq(codes, x, driver="gelsd").solution
    torch.testing.assert_close(left, (x - codes @ solution).square().sum(), rtol=1e-8, atol=0.0)


def ksvd_by_definition(x, atoms, codes, solve):
    """An iteration of K-SVD, atom by atom; `solve` has the direction and the codes for what is left of its tokens."""
    atoms, codes = atoms.clone(), codes.clone()
    for i in range(N_ATOMS):
        users = codes[:, i] != 0
        if users.any():
            left = x[users] - codes[users] @ atoms + torch.outer(codes[users, i], atoms[i])
            atoms[i], codes[users, i] = solve(left, codes[users, i])
    return atoms


def singular_vector(left, _):
    u, s, v = torch.linalg.svd(left, full_matrices=False)
    return v[0], s[0] * u[:, 0]


def one_alternation(left, codes):
    direction = unit(left.T @ codes)
    return direction, left @ direction


@PRECISIONS
def test_k_svd_in_its_approximate_form_is_that_of_the_definition_step_by_step(dtype, within):
    x, _, start = planted()
    method = method_of("ksvd", k=K)
    for _, outcome, atoms in steps_of(method, state_of(method, start, dtype), x):
        codes = by_pursuit(x, start)
        assert outcome.loss.item() == pytest.approx((x - codes @ start).square().mean().item(), rel=10 * within)
        start = ksvd_by_definition(x, start, codes, one_alternation)
        assert distance(atoms, start) < within


def test_k_svd_with_many_alternations_takes_singular_vectors():
    x, _, start = planted()
    method = method_of("ksvd", k=K, alternations=100)
    for _, _, atoms in steps_of(method, state_of(method, start), x, steps=20):
        start = ksvd_by_definition(x, start, by_pursuit(x, start), singular_vector)
        signs = (atoms * start).sum(1).sign()
        assert distance(atoms * signs.unsqueeze(1), start) < 1e-5


def test_no_atom_of_k_svd_makes_the_error_of_its_batch_larger():
    x, _, start = planted(positive=True)
    for settings in ({}, {"alternations": 5}, {"positive": True}):
        method = method_of("ksvd", k=K, **settings)
        state = state_of(method, start)
        u = x.unsqueeze(0)
        codes = method.codes(u, state["atoms"])
        left = (u - codes @ state["atoms"])[0]
        errors = [left.square().sum()]
        for i in range(N_ATOMS):
            alone = torch.zeros_like(codes[0].T)
            alone[i] = codes[0, :, i]
            method._fit(state["atoms"][0], alone, left)  # noqa: SLF001 (one atom at a time)
            errors.append(left.square().sum())
        assert all(after <= before * (1 + 1e-12) for before, after in pairwise(errors))
        assert errors[-1] < 0.9 * errors[0]


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("online-dl", {"l1": 0.8}),
        ("online-dl", {"codes_by": "omp", "k": K, "memory": 0.5}),
        ("mod", {"k": K}),
        ("mod", {"k": K, "memory": 0.9}),
        ("ksvd", {"k": K}),
        ("ksvd", {"k": K, "alternations": 5}),
    ],
)
def test_planted_atoms_are_found(kind, settings, positive):
    x, truth, _ = planted(3, 3000, positive=positive)
    method = method_of(kind, positive=positive, **settings)
    start = unit(x[:N_ATOMS])
    *_, (_, _, atoms) = steps_of(
        method, state_of(method, start, torch.float32), x, steps=80 if kind == "ksvd" else 250, batch=500
    )
    assert recovered(start, truth) < 0.1
    assert recovered(atoms, truth) > 0.8
    if positive:
        assert (unit(truth) @ unit(atoms).T).amax(1).gt(0.99).double().mean() > 0.8  # with its own sign
    assert method.sign == ("signed" if positive else "abs")


def test_a_random_dictionary_never_moves_and_has_codes_that_fit():
    seen = tokens()
    method = parse(settings_of("random"))
    state = born(method, seen)
    before = {name: tensor.clone() for name, tensor in state.items()}
    updated(method, state, seen, steps=10)
    assert all(torch.equal(state[name], before[name]) for name in before)
    x = activations()[:50]
    codes = method.encode(method.parameters(state), x.unsqueeze(0))[0]
    atoms = method.parameters(state)["atoms"][0]
    for token, code in zip(x, codes, strict=True):
        active = atoms[code != 0]
        best = torch.linalg.lstsq(active.T.double(), token.double().unsqueeze(1)).solution[:, 0]
        torch.testing.assert_close(code[code != 0].double(), best, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["online-dl", "mod", "ksvd"])
def test_an_atom_that_no_token_uses_stays_where_it_is(kind):
    x, _, start = planted()
    start[7] = unit(torch.randn(D_MODEL, generator=torch.Generator().manual_seed(9)).double())
    x = x - (x @ start[7]).unsqueeze(1) * start[7]
    start -= (start @ start[7]).unsqueeze(1) * start[7] * (torch.arange(N_ATOMS) != 7).unsqueeze(1)
    start = unit(start)
    method = method_of(kind, **({} if kind == "online-dl" else {"k": K}))
    *_, (_, outcome, atoms) = steps_of(method, state_of(method, start), x, steps=5)
    assert not outcome.fired[0, 7]
    torch.testing.assert_close(atoms[7], start[7])
    assert outcome.fired[0].sum() > N_ATOMS / 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"codes_by": "omp"}, "codes_by = 'omp' takes k atoms"),
        ({"k": 3}, "k = 3: as many atoms as l1 leaves are active"),
        ({"codes_by": "omp", "k": 3, "l1": 0.5}, "l1 = 0.5: with codes_by = 'omp' k decides"),
    ],
)
def test_settings_of_other_codes_are_refused(settings, said):
    with pytest.raises(SpecError, match=said):
        method_of("online-dl", **settings)
    assert method_of("online-dl").penalty == "l1"
    assert method_of("online-dl", codes_by="omp", k=3).penalty is None
