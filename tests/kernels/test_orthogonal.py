"""Orthogonal matching pursuit beside scikit-learn's, and with codes that are not negative beside its definition."""

import numpy as np
import pytest
import torch
from implementations import GPU
from scipy.optimize import nnls
from sklearn.linear_model import orthogonal_mp_gram

from reseed import kernels
from reseed.kernels import orthogonal

RUNS, BATCH, N_ATOMS, D_MODEL, K = 2, 200, 60, 24, 6

DTYPES = {"cpu": torch.float32, "torch": torch.float64}
TO_LIBRARY = {torch.float32: 2e-6, torch.float64: 1e-13}


@pytest.fixture(params=DTYPES.values(), ids=DTYPES)
def parts(request):
    chance = torch.Generator().manual_seed(3)
    u = torch.randn(RUNS, BATCH, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = torch.randn(RUNS, N_ATOMS, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = (atoms / atoms.norm(dim=-1, keepdim=True)).to(request.param)
    return u.to(request.param), atoms


def by_scikit_learn(u, atoms, k=K):
    """Codes of one run, in float64."""
    u, atoms = u.double().numpy(), atoms.double().numpy()
    return torch.from_numpy(orthogonal_mp_gram(atoms @ atoms.T, atoms @ u.T, n_nonzero_coefs=k).T)


def by_definition(u, atoms, k=K):
    """Non-negative codes of one run: the best atom, then non-negative least squares over all that are active."""
    codes = torch.zeros(len(u), len(atoms), dtype=torch.float64)
    for token, code in zip(u.double(), codes, strict=True):
        while (code > 0).sum() < k:
            products = (token - code @ atoms.double()) @ atoms.double().T
            products[code > 0] = 0.0
            if products.max() <= 1e-9:
                break
            active = (code > 0) | (torch.arange(len(atoms)) == products.argmax())
            code[active] = torch.from_numpy(nnls(atoms[active].double().T.numpy(), token.numpy())[0])
    return codes


def distance(actual, expected):
    return ((actual.double() - expected).norm() / expected.norm()).item()


def test_codes_are_scikit_learns(parts):
    codes = kernels.orthogonal_pursuit(*parts, k=K)
    assert ((codes != 0).sum(-1) == K).all()
    assert (codes < 0).any()
    for run, part in enumerate(zip(*parts, strict=True)):
        assert distance(codes[run], by_scikit_learn(*part)) < TO_LIBRARY[codes.dtype]


def test_what_is_left_is_orthogonal_to_the_atoms_that_were_taken(parts):
    u, atoms = parts
    for positive in (False, True):
        codes = kernels.orthogonal_pursuit(u, atoms, k=K, positive=positive).double()
        products = (u.double() - codes @ atoms.double()) @ atoms.double().mT
        assert products[codes != 0].abs().max() < 10 * TO_LIBRARY[u.dtype]


def test_codes_that_are_not_negative_are_those_of_the_definition(parts):
    codes = kernels.orthogonal_pursuit(*parts, k=K, positive=True)
    assert (codes >= 0).all()
    assert (codes != 0).sum(-1).max() == K
    for run, part in enumerate(zip(*parts, strict=True)):
        assert distance(codes[run], by_definition(*part)) < TO_LIBRARY[codes.dtype]


def test_atoms_are_left_again_where_their_best_code_is_negative(parts):
    """One atom more may make do without one that was taken before."""
    u, atoms = parts
    signed = [kernels.orthogonal_pursuit(u, atoms, k=k, positive=True) for k in (K, K + 1)]
    left_again = (signed[0] > 0) & (signed[1] == 0)
    assert left_again.any()


def test_with_as_many_atoms_as_there_are_it_is_non_negative_least_squares(parts):
    u, atoms = (each[:, :20].contiguous() for each in parts)
    codes = kernels.orthogonal_pursuit(u, atoms, k=20, positive=True)
    for run in range(RUNS):
        expected = np.stack([nnls(atoms[run].double().T.numpy(), token.double().numpy())[0] for token in u[run]])
        assert distance(codes[run], torch.from_numpy(expected)) < 10 * TO_LIBRARY[u.dtype]


def test_of_atoms_that_fit_alike_the_lowest_index_is_taken(parts):
    u, _ = parts
    axes = torch.eye(D_MODEL, dtype=u.dtype).repeat(RUNS, 3, 1)  # products without rounding
    axes[:, D_MODEL : 2 * D_MODEL] *= -1
    codes = kernels.orthogonal_pursuit(u, axes, k=K)
    assert (codes[..., D_MODEL:] == 0).all()
    assert ((codes != 0).sum(-1) == K).all()


def test_a_token_that_no_atom_fits_any_more_has_fewer(parts):
    u, atoms = parts
    two = u[..., :1] * atoms[:, :1] + 2 * atoms[:, 1:2]
    codes = kernels.orthogonal_pursuit(two, atoms[:, :2].contiguous(), k=2)
    torch.testing.assert_close(codes[..., :1], u[..., :1], rtol=1e-4, atol=1e-5)
    exact = atoms[:, :1].expand(-1, 5, -1).contiguous()
    codes = kernels.orthogonal_pursuit(exact, atoms, k=K)
    assert ((codes != 0).sum(-1) == 1).all()
    assert (kernels.orthogonal_pursuit(-exact, exact[:, :1].contiguous(), k=1, positive=True) == 0).all()
    assert (kernels.orthogonal_pursuit(torch.zeros_like(u), atoms, k=K) == 0).all()


def test_atoms_of_zeros_and_copies_are_never_taken(parts):
    u, atoms = parts
    atoms[:, 10:20], atoms[:, 20:40] = 0.0, atoms[:, 40:]
    for positive in (False, True):
        codes = kernels.orthogonal_pursuit(u, atoms, k=K, positive=positive)
        assert codes.isfinite().all()
        assert (codes[..., 10:20] == 0).all()
        assert ((codes[..., 20:40] != 0) & (codes[..., 40:] != 0)).sum() == 0


def test_codes_of_tokens_without_a_number_are_not_a_number(parts):
    u, atoms = parts
    u[0, 3, 5] = torch.nan
    codes = kernels.orthogonal_pursuit(u, atoms, k=K)
    assert codes[0, 3].isnan().any()
    assert codes[1].isfinite().all()


def test_a_run_in_a_stack_gives_the_run_alone(parts):
    together = kernels.orthogonal_pursuit(*parts, k=K)
    alone = kernels.orthogonal_pursuit(*(each[1:] for each in parts), k=K)
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-12)


def test_on_the_device_that_is_there_it_is_the_same(parts):
    u, atoms = (each.float().to(GPU) for each in parts)
    for positive in (False, True):
        codes = orthogonal._rounds(u, atoms, K, 4e-6, 1e-6, positive=positive)  # noqa: SLF001 (what a GPU runs, where there is none)
        expected = kernels.orthogonal_pursuit(*(each.float() for each in parts), k=K, positive=positive)
        alike = ((codes.cpu() != 0) == (expected != 0)).all(-1)
        assert alike.float().mean() > 0.99
        assert distance(codes.cpu()[alike], expected[alike].double()) < 1e-5
