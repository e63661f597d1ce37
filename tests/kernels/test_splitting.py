"""Non-negative least squares by splitting, beside scipy and coordinate descent."""

import pytest
import torch
from implementations import GPU
from scipy.optimize import nnls

from reseed import kernels

RUNS, BATCH, N_ATOMS, D_MODEL = 2, 60, 40, 24

DTYPES = {"single": torch.float32, "double": torch.float64}


@pytest.fixture(params=DTYPES.values(), ids=DTYPES)
def parts(request):
    chance = torch.Generator().manual_seed(6)
    u = torch.randn(RUNS, BATCH, D_MODEL, generator=chance, dtype=torch.float64)
    atoms = torch.randn(RUNS, N_ATOMS, D_MODEL, generator=chance, dtype=torch.float64)
    return u.to(request.param), atoms.to(request.param)


def codes_of(u, atoms, **settings):
    return kernels.nonnegative_codes(u @ atoms.mT, atoms @ atoms.mT, **settings)


def errors(u, atoms, z):
    return (u.double() - z.double() @ atoms.double()).square().sum(-1)


def least(u, atoms):
    """Codes by scipy."""
    runs = zip(u.double().numpy(), atoms.double().numpy(), strict=True)
    return torch.tensor(
        [[nnls(atoms_of.T, token)[0].tolist() for token in tokens] for tokens, atoms_of in runs]
    ).double()


def test_after_many_rounds_it_is_scipys(parts):
    u, atoms = parts[0], parts[1][:, : D_MODEL - 4]  # fewer atoms than dimensions: one minimum
    z, expected = codes_of(u, atoms, rounds=3000), least(u, atoms)
    torch.testing.assert_close(z.double(), expected, rtol=0, atol=2e-5 if u.dtype == torch.float32 else 1e-7)


def test_codes_are_not_negative_and_mostly_zero_and_50_rounds_leave_little(parts):
    u, atoms = parts
    z = codes_of(u, atoms)
    above = errors(u, atoms, z) - errors(u, atoms, least(u, atoms))
    assert above.mean() < 2e-3 * u.square().sum(-1).mean()
    assert (z >= 0).all()
    assert (z == 0).double().mean() > 0.3


def test_atoms_that_nearly_point_one_way_are_no_trouble(parts):
    """As those of activations far from the origin do."""
    u, atoms = (each + 5 for each in parts)
    z = codes_of(u, atoms, rounds=500)
    above = errors(u, atoms, z) - errors(u, atoms, least(u, atoms))
    assert above.mean() < 1e-3 * u.square().sum(-1).mean()


def test_atoms_of_zeros_have_no_codes_and_no_tokens_are_none(parts):
    u, atoms = parts
    atoms[:, ::7] = 0.0
    z = codes_of(u, atoms)
    assert (z[..., ::7] == 0).all()
    assert (z != 0).any()
    assert (codes_of(u, torch.zeros_like(atoms)) == 0).all()
    assert codes_of(u[:, :0], atoms).shape == (RUNS, 0, N_ATOMS)


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    products, gram = parts[0] @ parts[1].mT, parts[1] @ parts[1].mT
    assert torch.equal(codes_of(*parts)[1:], kernels.nonnegative_codes(products[1:], gram[1:]))


def test_on_the_device_that_is_there_it_is_the_same(parts):
    u, atoms = (each.float() for each in parts)
    z = kernels.nonnegative_codes((u @ atoms.mT).to(GPU), (atoms @ atoms.mT).to(GPU)).cpu()
    torch.testing.assert_close(z, codes_of(u, atoms), rtol=1e-3, atol=1e-4)
