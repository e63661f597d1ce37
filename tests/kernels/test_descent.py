"""Coordinate descent beside scikit-learn, scipy, and the conditions that its minimum has to meet."""

import numpy as np
import pytest
import torch
from implementations import GPU
from scipy.optimize import nnls
from sklearn.linear_model import Lasso

from reseed import kernels
from reseed.kernels import descent

RUNS, BATCH, N_ATOMS, D_MODEL = 2, 60, 40, 64

DTYPES = {"cpu": torch.float32, "torch": torch.float64}
TO_LIBRARY = {torch.float32: 2e-5, torch.float64: 2e-6}


@pytest.fixture(params=DTYPES.values(), ids=DTYPES)
def parts(request):
    """Tokens and atoms of many lengths, none of them near to orthogonal."""
    chance = torch.Generator().manual_seed(5)
    u = torch.randn(RUNS, BATCH, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = torch.randn(RUNS, N_ATOMS, D_MODEL, generator=chance, dtype=torch.float64)
    atoms *= 0.5 + 2 * torch.rand(RUNS, N_ATOMS, 1, generator=chance, dtype=torch.float64)
    return u.to(request.param), atoms.to(request.param)


def codes_of(u, atoms, **settings):
    return kernels.coordinate_codes(u @ atoms.mT, atoms @ atoms.mT, **settings)


def distance(actual, expected):
    return ((actual.double() - expected).norm() / expected.norm()).item()


def by_scipy(u, atoms):
    return torch.from_numpy(np.stack([nnls(atoms.T, token)[0] for token in u]))


def violation(u, atoms, z, *, l1, positive):
    """How far the code of each token that is furthest from its own best is from it; in float64."""
    u, atoms, z = u.double(), atoms.double(), z.double()
    squares = atoms.square().sum(-1).unsqueeze(1)
    pull = (u - z @ atoms) @ atoms.mT + z * squares
    size = ((pull if positive else pull.abs()) - l1).clamp(min=0.0)
    return (size.copysign(pull) - z * squares).abs().amax(-1)


@pytest.mark.parametrize("positive", [False, True])
def test_the_lasso_is_scikit_learns(parts, positive):
    u, atoms = parts
    z = codes_of(u, atoms, l1=2.0, positive=positive)
    library = Lasso(alpha=2.0 / D_MODEL, fit_intercept=False, positive=positive, tol=1e-14, max_iter=100_000)
    for run in range(RUNS):
        expected = library.fit(atoms[run].double().T.numpy(), u[run].double().T.numpy()).coef_
        assert distance(z[run], torch.from_numpy(expected)) < TO_LIBRARY[u.dtype]
    assert 2 < (z != 0).sum(-1).double().mean() < N_ATOMS - 2


def test_without_a_penalty_it_is_scipys_non_negative_least_squares(parts):
    u, atoms = parts
    z = codes_of(u, atoms, positive=True)
    for run in range(RUNS):
        expected = by_scipy(u[run].double().numpy(), atoms[run].double().numpy())
        assert distance(z[run], expected) < TO_LIBRARY[u.dtype]


def test_atoms_that_are_nearly_alike_are_told_apart(parts):
    """Atoms that are not negative have cosines of .8 with each other: a code moves a little at a time."""
    u, atoms = parts[0].abs(), parts[1].abs()[:, :20]
    z = codes_of(u, atoms, positive=True)
    for run in range(RUNS):
        expected = by_scipy(u[run].double().numpy(), atoms[run].double().numpy())
        assert distance(z[run], expected) < 10 * TO_LIBRARY[u.dtype]


@pytest.mark.parametrize(("l1", "positive"), [(0.5, False), (0.5, True), (0.0, True), (0.0, False)])
def test_codes_meet_the_conditions_of_a_minimum_to_the_tolerance(parts, l1, positive):
    u, atoms = parts
    largest = (u @ atoms.mT).abs().amax(-1).double()
    for tolerance in (1e-2, 1e-5):
        z = codes_of(u, atoms, l1=l1, positive=positive, tolerance=tolerance)
        assert (violation(u, atoms, z, l1=l1, positive=positive) <= 1.2 * tolerance * largest).all()


def test_a_large_penalty_leaves_nothing_and_codes_are_never_negative_zero(parts):
    u, atoms = parts
    for positive in (False, True):
        z = codes_of(u, atoms, l1=1e4, positive=positive)
        assert (z == 0).all()
        assert not z.signbit().any()


def test_an_atom_of_zeros_has_no_code(parts):
    u, atoms = parts
    atoms[:, ::7] = 0.0
    z = codes_of(u, atoms, l1=0.1)
    assert (z[..., ::7] == 0).all()
    assert z.isfinite().all()
    assert (z != 0).any()


def test_the_number_of_sweeps_has_a_limit(parts):
    u, atoms = parts
    one, many = (codes_of(u, atoms, positive=True, sweeps=sweeps) for sweeps in (1, 1000))
    assert distance(one, many.double()) > 1e-3


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    together = codes_of(*parts, l1=0.5)
    products, gram = parts[0] @ parts[1].mT, parts[1] @ parts[1].mT
    assert torch.equal(together[1:], kernels.coordinate_codes(products[1:], gram[1:], l1=0.5))


def test_on_the_device_that_is_there_it_is_the_same(parts):
    u, atoms = (each.float() for each in parts)
    products, gram = (u @ atoms.mT).to(GPU), (atoms @ atoms.mT).to(GPU)
    z = descent._accelerated(  # noqa: SLF001 (what a GPU runs, where there is none)
        products, gram, None, 0.5, tolerance=1e-6, steps=1000, positive=True
    )
    assert z.dtype == torch.float32
    assert distance(z.cpu(), codes_of(u, atoms, l1=0.5, positive=True).double()) < 1e-5


def test_codes_to_begin_with_are_kept_where_they_are_best_and_left_as_given(parts):
    u, atoms = parts
    z = codes_of(u, atoms, positive=True)
    assert torch.equal(codes_of(u, atoms, positive=True, start=z, tolerance=1e-4), z)
    ones = torch.ones_like(z)
    assert distance(codes_of(u, atoms, positive=True, start=ones), z.double()) < 1e-4
    assert (ones == 1).all()


def test_a_single_sweep_makes_no_error_larger(parts):
    u, atoms = parts
    z = torch.rand(RUNS, BATCH, N_ATOMS, dtype=u.dtype, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        after = codes_of(u, atoms, positive=True, start=z, sweeps=1)
        errors = [(u - codes @ atoms).square().sum(-1) for codes in (z, after)]
        assert (errors[1] < errors[0]).all()
        z = after
