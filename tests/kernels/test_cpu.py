"""The kernels for float32 on a CPU against dense autograd in float64, and their rules about order, bits and NaN."""

import pytest
import torch

from reseed import kernels
from reseed.kernels import cpu, dense, reference

SHAPES = {
    "small": (3, 50, 40, 16, 5),
    "more atoms than groups": (2, 64, 700, 24, 9),
    "one atom": (1, 7, 1, 3, 1),
    "every atom": (2, 9, 12, 5, 12),
    "one token": (2, 1, 300, 8, 17),
    "no multiple of anything": (1, 1031, 263, 31, 6),
}


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def parts(request):
    runs, batch, n_atoms, d_model, k = request.param
    u, encoder = normal(runs, batch, d_model), normal(runs, n_atoms, d_model, rolled=1)
    return (u, encoder, normal(runs, n_atoms, rolled=2), normal(runs, n_atoms, d_model, rolled=3)), k


def double(tensors):
    return [tensor.double() for tensor in tensors]


def assert_same(actual, expected):
    for name in ("residual", "code_sum"):
        torch.testing.assert_close(getattr(actual, name).double(), getattr(expected, name), rtol=1e-5, atol=1e-4)
    for name in expected.gradients._fields:
        wanted = getattr(expected.gradients, name)
        error = (getattr(actual.gradients, name).double() - wanted).norm()
        assert error <= 3e-6 * wanted.norm(), f"{name}: {error:.1e}"
    assert torch.equal(actual.n_active, expected.n_active)
    assert torch.equal(actual.fired, expected.fired)


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_a_topk_pass_equals_dense_autograd(parts, penalty):
    tensors, k = parts
    expected = reference.topk_pass(*double(tensors), k=k, penalty=penalty)
    assert_same(cpu.topk_pass(*tensors, k=k, penalty=penalty), expected)


@pytest.mark.parametrize("shift", [-3.0, -60.0, 0.0], ids=["sparse", "nothing fires", "dense"])
def test_a_relu_pass_equals_dense_autograd(parts, shift):
    (u, encoder, bias, dictionary), _ = parts
    bias = bias + shift * encoder.norm(dim=-1)
    expected = reference.relu_pass(*double((u, encoder, bias, dictionary)), penalty=0.01)
    for relu_pass in (cpu.relu_pass, dense.relu_pass):
        actual = relu_pass(u, encoder, bias, dictionary, penalty=0.01)
        if shift == -60.0:
            assert actual.n_active.sum() == 0
            assert all((part == 0).all() for part in actual.gradients[:3])
        else:
            assert_same(actual, expected)


def test_codes_with_few_active_atoms_take_the_sparse_way_and_others_the_dense_one(monkeypatch):
    u, encoder, dictionary = normal(1, 40, 16), normal(1, 200, 16, rolled=1), normal(1, 200, 16, rolled=2)
    taken = []
    whole = dense.relu_pass
    monkeypatch.setattr(dense, "relu_pass", lambda *parts, **more: taken.append(1) or whole(*parts, **more))
    cpu.relu_pass(u, encoder, torch.full((1, 200), -8.0), dictionary, penalty=0.1)
    assert not taken
    cpu.relu_pass(u, encoder, torch.zeros(1, 200), dictionary, penalty=0.1)
    assert taken


def test_the_codes_are_the_largest_and_the_strongest_comes_first(parts):
    (u, encoder, bias, _), k = parts
    codes = cpu.encode_topk(u, encoder, bias, k=k)
    expected = reference.encode_topk(*double((u, encoder, bias)), k=k)
    torch.testing.assert_close(codes.values.double(), expected.values, rtol=1e-5, atol=1e-5)
    assert (codes.values.diff(dim=-1) <= 0).all()
    active = codes.values > 0
    assert torch.equal(codes.indices[active], expected.indices[active])


@pytest.mark.parametrize("n_atoms", [6, 300, 1000])
def test_among_equal_activations_the_lowest_index_wins(n_atoms):
    u, k = torch.ones(1, 3, 1), 5
    encoder = torch.ones(1, n_atoms, 1)
    encoder[0, -1] = 2
    codes = cpu.encode_topk(u, encoder, torch.zeros(1, n_atoms), k=k)
    assert codes.indices.tolist() == [[[n_atoms - 1, 0, 1, 2, 3]] * 3]
    assert codes.values.tolist() == [[[2.0, 1, 1, 1, 1]] * 3]


def test_more_candidates_than_are_worth_counting_come_in_order_too():
    u, encoder = normal(1, 3, 8), normal(1, 900, 8, rolled=1)
    encoder[0, 100:500] = encoder[0, 100]
    codes = cpu.encode_topk(u, encoder, torch.ones(1, 900), k=900)
    expected = reference.encode_topk(*double((u, encoder, torch.ones(1, 900))), k=900)
    torch.testing.assert_close(codes.values.double(), expected.values, rtol=1e-5, atol=1e-5)
    for token in range(3):
        same = (codes.indices[0, token] >= 100) & (codes.indices[0, token] < 500) & (codes.values[0, token] > 0)
        assert (codes.indices[0, token][same].diff() > 0).all()


@pytest.mark.parametrize("poison", [float("nan"), -float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_taken_for_an_inactive_atom(poison):
    u, encoder, bias = normal(1, 4, 8), normal(1, 30, 8, rolled=1), torch.zeros(1, 30)
    bias[0, 7] = poison
    assert not cpu.topk_pass(u, encoder, bias, encoder, k=3).residual.isfinite().all(-1).any()


def test_a_nan_among_relu_activations_reaches_the_loss():
    u, encoder, bias = normal(1, 4, 8), normal(1, 30, 8, rolled=1), torch.full((1, 30), -9.0)
    bias[0, 7] = float("nan")
    assert cpu.relu_pass(u, encoder, bias, encoder, penalty=0.1).residual.isnan().all()


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    tensors, k = parts
    together = cpu.topk_pass(*tensors, k=k)
    for run in range(len(tensors[0])):
        alone = cpu.topk_pass(*(tensor[run : run + 1] for tensor in tensors), k=k)
        for one, all_of_them in zip(
            (alone.residual, *alone.gradients), (together.residual, *together.gradients), strict=True
        ):
            assert torch.equal(one[0], all_of_them[run])


def test_decoding_and_row_sums_equal_the_dense_products(parts):
    (u, encoder, bias, dictionary), k = parts
    codes = cpu.encode_topk(u, encoder, bias, k=k)
    whole = kernels.densify(codes, n_atoms=dictionary.shape[1]).double()
    torch.testing.assert_close(
        cpu.decode(codes, dictionary).double(), whole @ dictionary.double(), rtol=1e-5, atol=1e-4
    )
    sums = cpu.row_gradients(codes, codes.values, u, n_atoms=dictionary.shape[1])
    torch.testing.assert_close(sums.double(), whole.mT @ u.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.12, 0.13, 1.0])
def test_mixtures_are_the_dense_product_however_sparse_the_weights(density):
    weights, points = normal(2, 30, 400).abs(), normal(2, 400, 7, rolled=1)
    weights *= torch.rand(weights.shape, generator=torch.Generator().manual_seed(2)) < density
    torch.testing.assert_close(cpu.mix(weights, points), weights @ points, rtol=1e-5, atol=1e-4)
