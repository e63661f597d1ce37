"""Codes of a whole batch, and nested dictionaries, against dense autograd; ties, empty tokens, bits and NaN."""

import pytest
import torch

from reseed import kernels
from reseed.kernels import Nested, cpu, reference, sparse

IMPLEMENTATIONS = {"sparse": (kernels, torch.float64), "cpu": (cpu, torch.float32)}
SHAPES = {
    "small": (3, 50, 40, 16, 5),
    "several tiles": (2, 700, 70, 12, 3),
    "a list that is full at every row": (1, 1031, 263, 31, 1),
    "one atom": (1, 7, 1, 3, 1),
    "every atom": (2, 9, 12, 5, 12),
    "one token": (2, 1, 300, 8, 17),
}


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def implementation(request):
    return request.param


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def parts(request):
    runs, batch, n_atoms, d_model, k = request.param
    u, encoder = normal(runs, batch, d_model), normal(runs, n_atoms, d_model, rolled=1)
    return (u, encoder, normal(runs, n_atoms, rolled=2), normal(runs, n_atoms, d_model, rolled=3)), k


def cast(tensors, dtype=torch.float64):
    return [tensor.to(dtype) for tensor in tensors]


def nested(n_atoms):
    ends = sorted({max(1, n_atoms // 5), max(1, n_atoms // 2), n_atoms})
    return Nested(tuple(ends), tuple(number / 10 for number in range(1, len(ends) + 1)))


def both(parts, k, kernel, dtype, **more):
    """The pass with a batch's codes, and that with nested dictionaries."""
    tensors = cast(parts, dtype)
    yield kernel.batchtopk_pass(*tensors, k=k, **more)
    yield kernel.matryoshka_pass(*tensors, k=k, nested=nested(parts[1].shape[1]), **more)


def assert_same(actual, expected):
    for name in ("residual", "code_sum", "least"):
        torch.testing.assert_close(getattr(actual, name).double(), getattr(expected, name), rtol=1e-5, atol=1e-4)
    if actual.error is not None:
        torch.testing.assert_close(actual.error.double(), expected.error, rtol=1e-5, atol=0)
    for name in expected.gradients._fields:
        wanted = getattr(expected.gradients, name)
        error = (getattr(actual.gradients, name).double() - wanted).norm()
        assert error <= 3e-6 * wanted.norm(), f"{name}: {error:.1e}"
    assert torch.equal(actual.n_active, expected.n_active)
    assert torch.equal(actual.fired, expected.fired)


@pytest.mark.parametrize("penalty", [0.0, 0.01])
@pytest.mark.parametrize("lower", [0.0, 6.0, 1e3], ids=["all kept", "fewer positive codes", "none positive"])
def test_passes_equal_dense_autograd(implementation, parts, lower, penalty):
    kernel, dtype = implementation
    (u, encoder, bias, dictionary), k = parts
    tensors = (u, encoder, bias - lower, dictionary)
    found = both(tensors, k, kernel, dtype, penalty=penalty)
    for actual, expected in zip(found, both(tensors, k, reference, torch.float64, penalty=penalty), strict=True):
        assert_same(actual, expected)


def test_as_many_codes_are_kept_as_k_says_on_average_and_they_are_the_largest(implementation, parts):
    kernel, dtype = implementation
    (u, encoder, bias, _), k = parts
    codes = kernel.encode_batchtopk(*cast((u, encoder, bias + 100.0), dtype), k=k)
    assert ((codes.values > 0).sum((1, 2)) == k * u.shape[1]).all()
    codes = kernel.encode_batchtopk(*cast((u, encoder, bias), dtype), k=k)
    expected = reference.encode_batchtopk(*cast((u, encoder, bias)), k=k)
    assert torch.equal(codes.indices, expected.indices)
    torch.testing.assert_close(codes.values.double(), expected.values, rtol=1e-5, atol=1e-5)


def test_among_equal_codes_those_of_the_first_tokens_are_kept_and_of_a_token_the_lowest(implementation):
    kernel, dtype = implementation
    u, encoder = torch.ones(1, 600, 1, dtype=dtype), torch.ones(1, 40, 1, dtype=dtype)
    u[0, 500] = 2.0
    codes = kernel.encode_batchtopk(u, encoder, torch.zeros(1, 40, dtype=dtype), k=3)
    counts = (codes.values > 0).sum(-1)[0]
    left = 600 * 3 - 40
    assert counts.tolist() == [40] * (left // 40) + [0] * (500 - left // 40) + [40] + [0] * 99
    assert codes.indices[0, 0].tolist() == list(range(40))


def test_few_ties_are_broken_the_same_way_wherever_the_bound_falls(implementation):
    kernel, dtype = implementation
    u = torch.randint(0, 3, (2, 900, 4), generator=torch.Generator().manual_seed(5)).to(dtype)
    encoder = torch.randint(-1, 2, (2, 30, 4), generator=torch.Generator().manual_seed(6)).to(dtype)
    for k in range(1, 8):
        codes = kernel.encode_batchtopk(u, encoder, torch.zeros(2, 30, dtype=dtype), k=k)
        expected = reference.encode_batchtopk(u, encoder, torch.zeros(2, 30, dtype=dtype), k=k)
        assert torch.equal(codes.values, expected.values)
        assert torch.equal(codes.indices, expected.indices)


def test_a_token_without_codes_is_left_whole_and_has_no_gradient(implementation, parts):
    kernel, dtype = implementation
    (u, encoder, bias, dictionary), k = parts
    silent = torch.cat([u, torch.zeros_like(u[:, :1])], dim=1)
    for passed in both((silent, encoder, bias - bias.max() - 0.1, dictionary), k, kernel, dtype):
        assert (passed.residual[:, -1] == 0).all()


def test_where_nothing_is_positive_every_gradient_of_atoms_is_zero_and_so_is_the_smallest_code(implementation, parts):
    kernel, dtype = implementation
    (u, encoder, bias, dictionary), k = parts
    for passed in both((u, encoder, bias - 1e3, dictionary), k, kernel, dtype):
        assert all((gradient == 0).all() for gradient in passed.gradients[:3])
        assert torch.equal(passed.residual, -u.to(dtype))
        assert (passed.least == 0).all()
        assert not passed.fired.any()


def test_one_dictionary_alone_is_no_matryoshka(implementation, parts):
    kernel, dtype = implementation
    tensors, k = parts
    alone = Nested((tensors[1].shape[1],), (1.0,))
    nest = kernel.matryoshka_pass(*cast(tensors, dtype), k=k, nested=alone)
    plain = kernel.batchtopk_pass(*cast(tensors, dtype), k=k)
    for one, other in zip((nest.residual, *nest.gradients), (plain.residual, *plain.gradients), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(parts):
    tensors, k = parts
    together = list(both(tensors, k, cpu, torch.float32))
    for run in range(len(tensors[0])):
        alone = both([tensor[run : run + 1] for tensor in tensors], k, cpu, torch.float32)
        for one, all_of_them in zip(alone, together, strict=True):
            for part, whole in zip(
                (one.residual, *one.gradients), (all_of_them.residual, *all_of_them.gradients), strict=True
            ):
                assert torch.equal(part[0], whole[run])


@pytest.mark.parametrize("poison", [float("nan"), -float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_taken_for_an_inactive_atom(poison):
    u, encoder, bias = normal(1, 300, 8), normal(1, 30, 8, rolled=1), torch.zeros(1, 30)
    u[0, 280] = poison
    for passed in both((u, encoder, bias, encoder), 3, cpu, torch.float32):
        assert not passed.residual[0, 280].isfinite().any()
        assert passed.residual[0, :280].isfinite().all()


def test_kernels_of_the_package_are_those_of_the_kind_of_tensor(parts):
    tensors, k = parts
    single, double = cast(tensors, torch.float32), cast(tensors)
    assert torch.equal(
        kernels.batchtopk_pass(*single, k=k).gradients.encoder, cpu.batchtopk_pass(*single, k=k).gradients.encoder
    )
    nest = nested(tensors[1].shape[1])
    for given, kernel in ((single, cpu), (double, sparse)):
        ours, own = (each.matryoshka_pass(*given, k=k, nested=nest) for each in (kernels, kernel))
        assert torch.equal(ours.gradients.dictionary, own.gradients.dictionary)
