"""NMF and semi-NMF beside scikit-learn and beside closed forms, iteration by iteration, on the same arrays."""

from functools import partial

import numpy as np
import pytest
import torch
from method_cases import born, settings_of
from scipy.optimize import nnls
from sklearn.decomposition import NMF as Reference  # noqa: N811 (an acronym)

from reseed import kernels
from reseed.activations import open_activations, preprocessed
from reseed.errors import SpecError
from reseed.matching import match
from reseed.methods import Schedule, StartPoint, parse
from reseed.pipeline.shapes import shape_of
from reseed.spec import Study
from reseed.starts import Start

N_ATOMS, D_MODEL, STEPS = 10, 14, 25


def drawn(*shape, roll=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(roll), dtype=torch.float64)


TRUE = drawn(N_ATOMS, D_MODEL, roll=1)


@pytest.fixture
def positive():
    """Sums of few positive atoms, and a little that is none."""
    return drawn(400, 12).clamp(min=0) @ drawn(12, D_MODEL, roll=1).abs() + 0.3 * drawn(400, D_MODEL, roll=2).abs()


@pytest.fixture
def signed():
    """Sums of few atoms of any sign, and a little that is none."""
    codes = drawn(600, N_ATOMS).clamp(min=0) * (drawn(600, N_ATOMS, roll=4) > 0)
    return codes @ TRUE + 0.05 * drawn(600, D_MODEL, roll=2)


@pytest.fixture
def exact(monkeypatch):
    """Codes as exact as double precision has them, which a study does not wait for."""
    monkeypatch.setattr(kernels, "coordinate_codes", partial(kernels.coordinate_codes, tolerance=1e-13))


def begun(kind, rows, *, n_atoms=N_ATOMS, **settings):
    """A method and its state at step 0 in double precision; the scale is 1."""
    method = parse(settings_of(kind, memory=0.0, l1=0.0) | {"n_atoms": n_atoms} | settings)
    start = drawn(n_atoms, D_MODEL, roll=3)
    start[:N_ATOMS] = 0.8 * start[:N_ATOMS] + TRUE
    start = start.abs() if kind == "nmf" and method.signs == "refused" else start
    point = StartPoint(atoms=start, points=None, weights=None, mean=rows.mean(0), scale=1.0, sample=rows[:50])
    return method, {name: tensor.double() for name, tensor in method.initialise(point, 0).items()}


def step(method, state, batch):
    return method.update(state, batch.unsqueeze(0), Schedule(0, 1))


def best_codes(rows, atoms):
    """Non-negative least squares by another library, token by token."""
    return np.stack([nnls(atoms.T, row)[0] for row in rows])


def unit(atoms):
    return atoms / np.linalg.norm(atoms, axis=-1, keepdims=True)


def halves(rows):
    return np.hstack([rows.clip(min=0), (-rows).clip(min=0)])


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("signs", ["refused", "split"])
def test_an_iteration_of_nmf_is_that_of_scikit_learn_from_the_same_codes(positive, signed, signs):
    rows = positive if signs == "refused" else signed
    method, state = begun("nmf", rows, signs=signs)
    seen = rows.numpy() if signs == "refused" else halves(rows.numpy())
    atoms, losses = state["atoms"][0].numpy().copy(), []
    for _ in range(STEPS):
        codes = best_codes(seen, atoms)
        reference = Reference(N_ATOMS, init="custom", solver="cd", max_iter=1, tol=0)
        moved = reference.fit_transform(seen, W=codes.copy(), H=atoms.copy())
        np.testing.assert_allclose(moved, codes, atol=1e-9)  # the best codes are those that it keeps
        losses.append(step(method, state, rows).loss.item())
        assert losses[-1] == pytest.approx(((seen - codes @ atoms) ** 2).sum() / rows.numel(), rel=1e-8)
        np.testing.assert_allclose(state["atoms"][0].numpy(), unit(reference.components_), atol=1e-9)
        atoms = unit(reference.components_)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


def one_pass(a, b, atoms):
    """Every atom in turn, fitted to what the others leave, by the definition (eq. 159)."""
    for i in range(len(atoms)):
        if a[i, i] > 0:
            others = a[i] @ atoms - a[i, i] * atoms[i]
            atoms[i] = np.maximum(0, (b[i] - others) / a[i, i])
    return atoms


def least_squares(a, b, atoms):
    """What solves a D = b and moves least, an atom counting as its codes do (eq. 159b); an atom without codes stays."""
    used = a.diagonal() > 0
    size = np.where(used, a.diagonal(), 1) ** -0.5 * used
    return (
        atoms
        + size[:, None] * np.linalg.lstsq(size[:, None] * a * size, size[:, None] * (b - a @ atoms), rcond=1e-12)[0]
    )


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("memory", [0.0, 0.8, 1.0])
@pytest.mark.parametrize(("kind", "fitted"), [("nmf", one_pass), ("semi-nmf", least_squares)])
def test_batches_are_remembered_as_if_atoms_had_kept_their_lengths(signed, kind, fitted, memory):
    method, state = begun(kind, signed, memory=memory)
    atoms = state["atoms"][0].numpy().copy()
    a, b = np.zeros((N_ATOMS, N_ATOMS)), np.zeros_like(atoms)
    for number in range(STEPS):
        batch = signed[24 * number : 24 * number + 24]
        seen = batch.numpy() if kind == "semi-nmf" else halves(batch.numpy())
        codes = best_codes(seen, atoms)
        a, b = memory * a + codes.T @ codes, memory * b + codes.T @ seen
        atoms = fitted(a, b, atoms)
        outcome = step(method, state, batch)
        assert outcome.fired[0].tolist() == (codes > 0).any(0).tolist()
        np.testing.assert_allclose(state["atoms"][0].numpy(), unit(atoms), atol=1e-9)


@pytest.mark.usefixtures("exact")
def test_an_iteration_of_semi_nmf_is_least_squares_on_the_best_codes(signed):
    method, state = begun("semi-nmf", signed)
    atoms, losses = state["atoms"][0].numpy().copy(), []
    for _ in range(STEPS):
        codes = best_codes(signed.numpy(), atoms)
        atoms = unit(np.linalg.lstsq(codes, signed.numpy(), rcond=None)[0])
        losses.append(step(method, state, signed).loss.item())
        np.testing.assert_allclose(state["atoms"][0].numpy(), atoms, atol=1e-9)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("kind", ["nmf", "semi-nmf"])
def test_single_precision_takes_the_same_way(signed, kind):
    method, state = begun(kind, signed, l1=0.3)
    single = {name: tensor.float() for name, tensor in state.items()}
    for _ in range(20):
        step(method, state, signed)
        step(method, single, signed.float())
    torch.testing.assert_close(single["atoms"].double(), state["atoms"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["nmf", "semi-nmf"])
def test_an_atom_without_codes_stays_and_has_not_fired(signed, kind):
    method, state = begun(kind, signed)
    lone = torch.zeros_like(state["atoms"][0, 0])
    lone[0] = 1.0
    state["atoms"][0, 0] = lone
    batch = torch.cat([signed[:200, :1].clamp(max=0), signed[:200, 1:]], dim=1)
    used = state["atoms"][0, 1:].clone()
    state["atoms"][0, 1:, 0] = used[:, 0].abs()  # all others point to where no activation does
    outcome = step(method, state, batch)
    assert not outcome.fired[0, 0]
    assert torch.equal(state["atoms"][0, 0], lone)
    assert outcome.fired[0, 1:].any()
    assert state["atoms"].isfinite().all()


def test_more_atoms_than_a_batch_asks_for_stay_finite_and_unit(signed):
    method, state = begun("semi-nmf", signed, n_atoms=13)
    single = {name: tensor.float() for name, tensor in state.items()}
    for number in range(10):
        step(method, single, signed[3 * number : 3 * number + 3].float())  # fewer tokens than atoms: A is singular
    torch.testing.assert_close(single["atoms"].norm(dim=-1), torch.ones(1, 13))


def test_halves_are_atoms_and_their_error_bounds_that_of_activations(signed):
    method, state = begun("nmf", signed)
    parameters = method.parameters({name: tensor.float() for name, tensor in state.items()})
    positive, negative = parameters["halves"].chunk(2, dim=-1)
    assert (parameters["halves"] >= 0).all()
    assert torch.equal(parameters["atoms"], positive - negative)
    x = signed.float().unsqueeze(0)
    codes = method.encode(parameters, x)
    left = (x - codes @ parameters["atoms"]).square().mean()
    assert left <= 2 * step(method, state, signed).loss * (1 + 1e-5)


def test_of_activations_without_signs_the_split_form_is_nmf_as_published(positive):
    ends = []
    for signs in ("refused", "split"):
        method, state = begun("nmf", positive, signs=signs)
        if signs == "split":
            state["atoms"] = torch.cat([ends[0][0], torch.zeros_like(ends[0][0])], dim=-1)
        start = state["atoms"].clone()
        for _ in range(10):
            step(method, state, positive)
        ends.append((start, method.parameters(state)["atoms"]))
    torch.testing.assert_close(ends[0][1], ends[1][1], rtol=1e-9, atol=1e-9)


def test_negative_entries_are_refused_where_the_settings_say_so(positive, signed):
    with pytest.raises(SpecError, match="negative entries; set signs = 'split', or use the method semi-nmf"):
        begun("nmf", signed, signs="refused")
    method, state = begun("nmf", positive, signs="refused")
    with pytest.raises(SpecError, match="negative entries"):
        step(method, state, signed)


def test_a_study_says_before_it_begins_what_would_make_negative_entries():
    def made(preprocess, surrogate, signs="refused"):
        arm = {"name": "nmf", "method": {"kind": "nmf", "n_atoms": 8, "signs": signs}, "start": {"kind": "data"}}
        return Study.parse(
            {"activations": "x.npy", "arms": [arm], "preprocess": preprocess, "floors": {"surrogate": surrogate}}
        )

    with pytest.raises(
        SpecError, match="nmf refuses negative entries, and centre makes some: preprocess by none or unit"
    ):
        made(["none", "centre"], "off")
    with pytest.raises(
        SpecError, match=r"the rows of a surrogate have some: leave this null out with floors.surrogate"
    ):
        made(["none"], "elliptical")
    assert made(["none", "unit-norm"], "off").arms[0].method.non_negative
    assert not made(["centre"], "elliptical", signs="split").arms[0].method.non_negative


@pytest.mark.parametrize("signs", ["split", "refused"])
def test_its_size_is_known_before_there_are_activations(positive, signs):
    method, _ = begun("nmf", positive, signs=signs)
    point = StartPoint(
        atoms=positive[:N_ATOMS], points=None, weights=None, mean=positive[0], scale=1.0, sample=positive[:5]
    )
    state = method.initialise(point, 0)
    found = shape_of(method, Start(kind="random"), D_MODEL)
    assert found.state == sum(tensor.nbytes for tensor in state.values()) + 8 * N_ATOMS
    assert found.snapshot == sum(tensor.nbytes for tensor in method.parameters(state).values())


@pytest.mark.parametrize(("kind", "most"), [("nmf", 28), ("semi-nmf", 14)])
def test_more_atoms_than_columns_need_a_penalty(kind, most):
    for n_atoms, l1, fits in ((most, 0.0, True), (most + 1, 0.0, False), (most + 1, 0.1, True)):
        told = parse({"kind": kind, "n_atoms": n_atoms, "l1": l1}).misfit(D_MODEL)
        assert (told is None) == fits
        assert fits or f"set l1 above 0, or use at most {most} atoms" in told


@pytest.mark.parametrize("kind", ["nmf", "semi-nmf"])
def test_a_larger_penalty_leaves_fewer_codes_and_is_paid(signed, kind):
    active, losses = [], []
    for l1 in (0.0, 0.1, 1.0):
        method, state = begun(kind, signed, l1=l1)
        parameters = method.parameters({name: tensor.float() for name, tensor in state.items()})
        codes = method.encode(parameters, signed.float().unsqueeze(0))
        active.append((codes > 0).sum().item())
        losses.append(step(method, state, signed).loss.item())
        expected = l1 * codes.sum().item() / (len(signed) * D_MODEL**0.5)
        seen = method.seen(signed.unsqueeze(0))[0].float()
        error = (seen - codes[0] @ parameters[method.coded_in][0]).square().sum().item() / signed.numel()
        assert losses[-1] == pytest.approx(error + expected, rel=1e-4)
    assert active == sorted(active, reverse=True)
    assert losses == sorted(losses)


@pytest.mark.parametrize(("kind", "l1"), [("nmf", 0.02), ("semi-nmf", 0.1)])
def test_it_finds_planted_atoms_that_fit_its_signs(kind, l1):
    chance = torch.Generator().manual_seed(2)
    atoms = torch.randn(16, 24, generator=chance)
    atoms = atoms * (torch.rand(16, 24, generator=chance) < 0.4) if kind == "nmf" else atoms
    atoms = torch.nn.functional.normalize(atoms.abs() if kind == "nmf" else atoms, dim=1)
    codes = torch.rand(6000, 16, generator=chance) * (torch.rand(6000, 16, generator=chance) < 0.15)
    seen = preprocessed(open_activations(codes @ atoms + 0.005 * torch.randn(6000, 24, generator=chance)), "none")
    method = parse(settings_of(kind, l1=l1, memory=0.5) | {"n_atoms": 16})
    state = born(method, seen, kind="kmeans++")
    for number in range(200):
        step(method, state, seen.rows(torch.arange(500) + 500 * (number % 10)))
    cosines = match(atoms, method.parameters(state)["atoms"][0]).cosines
    assert (cosines > 0.95).float().mean() >= 15 / 16
