"""Matching pursuit beside its definition, round by round under autograd."""

import implementations
import pytest
import torch

from reseed import kernels
from reseed.kernels import pursuit

RUNS, BATCH, N_ATOMS, D_MODEL, K = 2, 300, 40, 12, 6

DTYPES = {"cpu": torch.float32, "torch": torch.float64}


@pytest.fixture(params=DTYPES.values(), ids=DTYPES)
def parts(request):
    chance = torch.Generator().manual_seed(3)
    u = torch.randn(RUNS, BATCH, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = torch.randn(RUNS, N_ATOMS, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = (atoms / atoms.norm(dim=-1, keepdim=True)).to(request.param)
    return u.to(request.param), atoms


def by_definition(u, atoms, k=K):
    """Dense codes and what is left of one run, with a gradient through every round."""
    left, codes = u, torch.zeros(len(u), len(atoms), dtype=u.dtype)
    for _ in range(k):
        products = left @ atoms.T
        value, best = products.max(1)
        value = torch.where(value > 0, value, torch.zeros_like(value))
        codes = codes + torch.nn.functional.one_hot(best, len(atoms)) * value.unsqueeze(1)
        left = left - value.unsqueeze(1) * atoms[best]
    return codes, left


def near(actual, expected):
    return (actual.double() - expected).norm() <= (1e-5 if actual.dtype == torch.float32 else 1e-12) * expected.norm()


def test_codes_and_what_is_left_are_those_of_the_definition(parts):
    codes, left = kernels.pursue(*parts, k=K)
    dense = kernels.densify(codes, n_atoms=N_ATOMS)
    for run, (u, atoms) in enumerate(zip(*parts, strict=True)):
        expected, rest = by_definition(u.double(), atoms.double())
        assert near(dense[run], expected)
        assert near(left[run], rest)
    assert (codes.values > 0).all()


def test_gradients_equal_autograd_through_every_round(parts):
    passed = kernels.pursuit_pass(*parts, k=K)
    for run, (u, atoms) in enumerate(zip(*parts, strict=True)):
        leaves = [each.double().requires_grad_() for each in (u, atoms)]
        _, rest = by_definition(*leaves)
        for_u, for_atoms = torch.autograd.grad(rest.square().mean(), leaves)
        assert near(passed.for_dictionary[run], for_atoms)
        assert near(passed.for_input[run], for_u.sum(0))


def test_an_atom_may_be_taken_twice(parts):
    u, atoms = (each[:, :3] for each in parts)
    codes, _ = kernels.pursue(u, atoms, k=8)
    assert (codes.values > 0).sum(-1).max() > 3
    expected, _ = by_definition(u[0].double(), atoms[0].double(), k=8)
    assert near(kernels.densify(codes, n_atoms=3)[0], expected)


def test_a_token_that_no_atom_fits_takes_none(parts):
    u, atoms = parts
    one = u.new_zeros(RUNS, 1, D_MODEL)
    one[..., 0] = 1.0
    codes, left = kernels.pursue(-u[..., :1].abs() * one, one, k=2)
    assert (codes.values == 0).all()
    assert torch.equal(left, -u[..., :1].abs() * one)
    passed = kernels.pursuit_pass(torch.zeros_like(u), atoms, k=K)
    assert (passed.for_dictionary == 0).all()
    assert not kernels.fired(passed.codes, n_atoms=N_ATOMS).any()


def test_among_equal_products_the_lowest_index_wins(parts):
    u, _ = parts
    axes = torch.eye(D_MODEL, dtype=u.dtype).repeat(RUNS, 3, 1)  # products without rounding
    codes, _ = kernels.pursue(u.abs(), axes, k=K)
    assert codes.indices.max() < D_MODEL


def test_without_a_gram_matrix_it_is_the_same(parts, monkeypatch):
    codes, left = kernels.pursue(*parts, k=K)
    monkeypatch.setattr(pursuit, "_MOST", 0)
    again, rest = kernels.pursue(*parts, k=K)
    assert torch.equal(codes.indices, again.indices)
    torch.testing.assert_close(left, rest)


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    together = kernels.pursuit_pass(*parts, k=K)
    alone = kernels.pursuit_pass(*(each[1:] for each in parts), k=K)
    assert torch.equal(together.for_dictionary[1:], alone.for_dictionary)
    assert torch.equal(together.left[1:], alone.left)


def test_on_the_device_that_is_there_it_is_the_same(parts):
    u, atoms = (each.float().to(implementations.GPU) for each in parts)
    codes, left = pursuit._rounds(u, atoms, K)  # noqa: SLF001 (what a GPU runs, where there is none)
    expected, rest = kernels.pursue(*(each.float() for each in parts), k=K)
    torch.testing.assert_close(left.cpu(), rest, rtol=1e-4, atol=1e-5)
    assert (codes.indices.cpu() == expected.indices).float().mean() > 0.99
