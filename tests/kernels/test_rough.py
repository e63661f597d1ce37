"""The k strongest atoms by way of bfloat16: what is found is what float32 alone would find."""

import pytest
import torch

from reseed import kernels
from reseed._support.products import HAS_BFLOAT16
from reseed.kernels import rough

BATCH, N_ATOMS, D_MODEL, K = 300, 500, 48, 9


def in_bfloat16(product):
    """A product, with bfloat16 as processors that have it make it."""

    def row_products(a, b, *, bias=None):
        if HAS_BFLOAT16 or a.dtype != torch.bfloat16:
            return product(a, b, bias=bias)
        return torch.addmm(bias.float(), a.float(), b.float().T).bfloat16()

    return row_products


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Take the way through bfloat16 on any processor, at any size."""
    monkeypatch.setattr(rough, "row_products", in_bfloat16(rough.row_products))
    monkeypatch.setattr(rough, "HAS_BFLOAT16", True)
    monkeypatch.setattr(rough, "_NUMBERS", 0)


def normal(*shape, roll):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(roll))


def parts(*, scale=1.0, shift=0.0):
    sizes = normal(N_ATOMS, 1, roll=4).exp()
    return (
        normal(BATCH, D_MODEL, roll=1) * scale,
        normal(N_ATOMS, D_MODEL, roll=2) * sizes,
        normal(N_ATOMS, roll=3) + shift,
    )


def assert_strongest(x, encoder, bias, *, k=K):
    """Compared with float64: the values are the k largest, and belong to their atoms."""
    codes = kernels.encode_topk(x[None], encoder[None], bias[None], k=k)
    exact = (x.double() @ encoder.double().T + bias.double()).relu()
    near = {"rtol": 1e-5, "atol": 1e-5 * float(exact.max())}
    torch.testing.assert_close(codes.values[0].double(), exact.topk(k).values, **near)
    torch.testing.assert_close(codes.values[0].double(), exact.gather(1, codes.indices[0]), **near)
    assert (codes.values[0].diff() <= 0).all()
    for row, values in zip(codes.indices[0], codes.values[0], strict=True):
        assert len(row[values > 0].unique()) == (values > 0).sum()


@pytest.fixture
def taken(monkeypatch):
    """Whether each block of tokens went through bfloat16."""
    seen = []
    select = rough.RoughEncoder.select

    def told(self, *given):
        seen.append(select(self, *given))
        return seen[-1]

    monkeypatch.setattr(rough.RoughEncoder, "select", told)
    return seen


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e6])
def test_the_strongest_are_found(scale, taken):
    x, encoder, bias = parts(scale=scale)
    assert_strongest(x, encoder, bias * scale)
    assert taken == [True, True]


def test_what_bfloat16_cannot_tell_apart_is_told_apart():
    x, encoder, bias = parts()
    x, encoder = x.abs(), encoder[:1].abs() * (1 + 1e-4 * torch.arange(N_ATOMS).flip(0).view(-1, 1) / N_ATOMS)
    codes = kernels.encode_topk(x[None], encoder[None], 0.0 * bias[None], k=K)
    assert (codes.values[0, :, 0] >= codes.values[0, :, -1]).all()
    assert_strongest(x, encoder, 0.0 * bias)


def test_errors_that_all_add_up_do_not_hide_the_strongest_atom(taken):
    m, step = 64, 2.0**-7  # from 1 to the next number that bfloat16 has
    x = torch.tensor([1 + 0.49 * step] * m + [1 + 0.51 * step] * m + [1.0]).repeat(BATCH, 1)  # rounded down, and up
    encoder = torch.zeros(80, 2 * m + 1)
    encoder[7] = torch.tensor([1.0] * m + [-0.98] * m + [2.0])
    encoder[9, -1] = 2.96
    rounded = rough.RoughEncoder(encoder, torch.zeros(80)).activations(x)
    assert (rounded.argmax(1) == 9).all()
    codes = kernels.encode_topk(x[None], encoder[None], torch.zeros(1, 80), k=1)
    assert (codes.indices == 7).all()
    assert taken == [True, True]


def test_of_equal_atoms_the_first_come_first(taken):
    x, encoder, bias = parts()
    twice, bias = encoder[: N_ATOMS // 2].repeat(2, 1), bias[: N_ATOMS // 2].repeat(2)
    codes = kernels.encode_topk(x[None], twice[None], bias[None], k=4)
    first, second = codes.indices[0, :, ::2], codes.indices[0, :, 1::2]
    assert taken[0]
    assert torch.equal(first + N_ATOMS // 2, second)


@pytest.mark.parametrize("shift", [-30.0, -4.0, 30.0])
def test_biases_of_any_size_are_counted_in(shift):
    assert_strongest(*parts(shift=shift))


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 3.4e38])
def test_what_is_not_finite_is_left_to_float32(poison, taken):
    x, encoder, bias = parts()
    x[5, 3] = poison
    codes = kernels.encode_topk(x[None], encoder[None], bias[None], k=K)
    assert taken[0] is False
    assert codes.values[0, 5].isfinite().logical_not().any()
    assert codes.values[0, [*range(5), *range(6, BATCH)]].isfinite().all()


def test_a_token_alone_has_the_codes_that_it_has_in_company():
    x, encoder, bias = parts()
    together = kernels.encode_topk(x[None], encoder[None], bias[None], k=K)
    later = kernels.encode_topk(x[None, 20:], encoder[None], bias[None], k=K)
    assert torch.equal(together.values[:, 20:], later.values)
    assert torch.equal(together.indices[:, 20:], later.indices)


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_the_error_of_bfloat16_is_within_its_bound(shift):
    x, encoder, bias = parts(shift=shift)
    rounded = rough.RoughEncoder(encoder, bias)
    exact = x.double() @ encoder.double().T + bias.double()
    made = rounded.activations(x).double()
    allowed = rounded.errors(x).double()[:, None] + 2.0**-8 * made.abs()
    assert ((made - exact).abs() <= allowed).all()
    assert ((made - exact).abs().amax(1) > 0.05 * allowed.amin(1)).all()  # nor is it much wider than it has to be
