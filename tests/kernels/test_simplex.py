"""Least squares on the simplex beside quadratic programmes of scipy, and the gap that certifies it."""

import numpy as np
import pytest
import torch
from implementations import GPU
from scipy.optimize import minimize, nnls

from reseed import kernels
from reseed.kernels import simplex

RUNS, BATCH, N_ATOMS, D_MODEL = 2, 40, 20, 12
HEAVY = 1e4  # times the atoms' length: a row that makes codes sum to 1

DTYPES = {"cpu": torch.float32, "torch": torch.float64}


@pytest.fixture(params=DTYPES.values(), ids=DTYPES)
def parts(request):
    """Tokens outside and inside of the hull of atoms that are far from 0 and from orthogonal."""
    chance = torch.Generator().manual_seed(9)
    atoms = 2 + torch.randn(RUNS, N_ATOMS, D_MODEL, generator=chance, dtype=torch.float64)
    u = 2 + torch.randn(RUNS, BATCH, D_MODEL, generator=chance, dtype=torch.float64)
    u[:, ::4] = torch.rand(RUNS, BATCH // 4, N_ATOMS, generator=chance, dtype=torch.float64).softmax(-1) @ atoms
    return u.to(request.param), atoms.to(request.param)


def codes_of(u, atoms, **settings):
    return kernels.simplex_codes(u @ atoms.mT, atoms @ atoms.mT, **settings)


def half_errors(u, atoms, z):
    return (u.double() - z.double() @ atoms.double()).square().sum(-1) / 2


def limits(u, atoms, tolerance):
    largest, squares = (u @ atoms.mT).abs().amax(-1), atoms.square().sum(-1).mean(-1, keepdim=True)
    return tolerance * (largest + squares).double()


def gaps(u, atoms, z):
    u, atoms, z = u.double(), atoms.double(), z.double()
    slope = (z @ atoms - u) @ atoms.mT
    return (z * (slope - slope.amin(-1, keepdim=True))).sum(-1)


def by_nnls(token, atoms):
    """With a heavy row for the sum, and scaled back onto the simplex."""
    weight = HEAVY * np.linalg.norm(atoms, axis=1).mean()
    tall = np.vstack([atoms.T, np.full(len(atoms), weight)])
    z, _ = nnls(tall, np.append(token, weight))
    return z / z.sum()


def by_slsqp(token, atoms):
    return minimize(
        lambda z: 0.5 * np.sum((token - z @ atoms) ** 2),
        np.full(len(atoms), 1 / len(atoms)),
        jac=lambda z: atoms @ (z @ atoms - token),
        bounds=[(0, 1)] * len(atoms),
        constraints={"type": "eq", "fun": lambda z: z.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 1000},
    ).x


@pytest.mark.parametrize("programme", [by_nnls, by_slsqp])
def test_errors_are_those_of_a_quadratic_programme_to_the_tolerance(parts, programme):
    u, atoms = parts
    found = half_errors(u, atoms, codes_of(u, atoms))
    for run in range(RUNS):
        tokens = zip(u[run].double().numpy(), [atoms[run].double().numpy()] * BATCH, strict=True)
        expected = torch.from_numpy(np.array([programme(*token) for token in tokens]))
        above = found[run] - half_errors(u[run], atoms[run], expected)
        assert (above <= 1.5 * limits(u, atoms, 1e-5)[run]).all()
        assert (above >= -1e-5).all()


def test_codes_are_those_of_the_programme_where_there_are_fewer_atoms_than_dimensions(parts):
    u, atoms = parts[0], parts[1][:, :8]
    z = codes_of(u, atoms, tolerance=1e-9 if u.dtype == torch.float64 else 1e-6)
    for run in range(RUNS):
        expected = np.array([by_nnls(token, atoms[run].double().numpy()) for token in u[run].double().numpy()])
        largest = np.abs(z[run].double().numpy() - expected).max()
        assert largest < (1e-4 if u.dtype == torch.float64 else 3e-3)  # an error is flat about its least value
    assert 1 < (z > 0).sum(-1).double().mean() < 8


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_the_gap_is_within_the_tolerance_and_codes_are_on_the_simplex(parts, tolerance):
    u, atoms = parts
    z = codes_of(u, atoms, tolerance=tolerance)
    assert (gaps(u, atoms, z) <= 1.1 * limits(u, atoms, tolerance)).all()
    assert (z >= 0).all()
    torch.testing.assert_close(z.sum(-1), torch.ones_like(z[..., 0]))
    assert (z == 0).sum() > z.numel() / 2


def test_an_atom_is_its_own_code_and_a_lone_atom_everybodys(parts):
    _, atoms = parts
    torch.testing.assert_close(codes_of(atoms, atoms), torch.eye(N_ATOMS, dtype=atoms.dtype).expand(RUNS, -1, -1))
    assert (codes_of(atoms, atoms[:, :1]) == 1).all()


def test_of_equal_atoms_the_first_is_taken_and_another_changes_nothing(parts):
    u, atoms = ((4 * each).round() / 4 for each in parts)  # products without rounding
    twice = codes_of(u, torch.cat([atoms, atoms], 1))
    if u.dtype == torch.float32:  # sums of a matrix product may differ in the last bit, column by column
        assert torch.equal(twice[..., :N_ATOMS], codes_of(u, atoms))
        assert (twice[..., N_ATOMS:] == 0).all()
    merged = twice[..., :N_ATOMS] + twice[..., N_ATOMS:]
    assert (gaps(u, atoms, merged) <= 1.1 * limits(u, atoms, 1e-5)).all()


def test_codes_to_begin_with_are_kept_where_they_are_best_and_left_as_given(parts):
    u, atoms = parts
    z = codes_of(u, atoms)
    assert torch.equal(codes_of(u, atoms, start=z, tolerance=1.1e-5), z)
    even = torch.full_like(z, 1 / N_ATOMS)
    found = codes_of(u, atoms, start=even)
    assert (even == 1 / N_ATOMS).all()
    assert (gaps(u, atoms, found) <= 1.1 * limits(u, atoms, 1e-5)).all()


def test_codes_stay_as_they_are_where_tokens_and_atoms_move_together(parts):
    u, atoms = parts
    before, after = codes_of(u, atoms), codes_of(u + 1, atoms + 1)
    torch.testing.assert_close(half_errors(u, atoms, after), half_errors(u, atoms, before), rtol=1e-4, atol=1e-3)


def test_the_number_of_steps_has_a_limit(parts):
    u, atoms = parts
    few = simplex.simplex_codes(u @ atoms.mT, atoms @ atoms.mT, steps=1)
    assert (gaps(u, atoms, few) > limits(u, atoms, 1e-5)).any()
    assert (few >= 0).all()


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    together = codes_of(*parts)
    products, gram = parts[0] @ parts[1].mT, parts[1] @ parts[1].mT
    assert torch.equal(together[1:], kernels.simplex_codes(products[1:], gram[1:]))


def test_on_the_device_that_is_there_it_is_the_same(parts):
    u, atoms = (each.float() for each in parts)
    products, gram = (u[0] @ atoms[0].T).to(GPU), (atoms[0] @ atoms[0].T).to(GPU)
    limit = limits(u, atoms, 1e-5)[0].float().to(GPU)
    z = simplex._together(products, gram, None, limit, 10_000).cpu()  # noqa: SLF001 (what a GPU runs, where there is none)
    assert (gaps(u[0], atoms[0], z) <= 1.1 * limit.cpu()).all()
    expected = half_errors(u, atoms, codes_of(u, atoms))[0]
    torch.testing.assert_close(half_errors(u[0], atoms[0], z), expected, rtol=1e-3, atol=1e-3)
