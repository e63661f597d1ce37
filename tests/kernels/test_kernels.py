import implementations
import pytest
import torch

from reseed import kernels
from reseed.kernels import reference

RUNS, BATCH, N_ATOMS, D_MODEL, K = 3, 21, 40, 16, 5


@pytest.fixture(params=implementations.ALL)
def implementation(request):
    return implementations.ALL[request.param]


@pytest.fixture
def fast(implementation):
    return implementation.kernels


@pytest.fixture
def parts(implementation):
    return {
        "x": implementations.normal(RUNS, BATCH, D_MODEL, roll=1, like=implementation),
        "encoder": implementations.normal(RUNS, N_ATOMS, D_MODEL, roll=2, like=implementation),
        "bias": implementations.normal(RUNS, N_ATOMS, roll=3, like=implementation),
        "dictionary": implementations.normal(RUNS, N_ATOMS, D_MODEL, roll=4, like=implementation),
    }


@pytest.fixture
def codes(fast, parts):
    return fast.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)


def densify(codes):
    return kernels.densify(codes, n_atoms=N_ATOMS)


def assert_near(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-4 if actual.dtype == torch.float32 else 1e-10)


def test_the_encoder_equals_the_dense_formula(fast, parts):
    codes = fast.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    expected = reference.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    assert_near(codes.values, expected.values)
    assert_near(densify(codes), densify(expected))


def test_the_decoder_equals_the_dense_product(fast, parts, codes):
    assert_near(fast.decode(codes, parts["dictionary"]), densify(codes) @ parts["dictionary"])


@pytest.mark.parametrize("d_target", [None, 9])
def test_a_pass_from_codes_of_any_choice_equals_dense_autograd(fast, implementation, parts, d_target):
    x, encoder, bias, dictionary = (parts[name] for name in ("x", "encoder", "bias", "dictionary"))
    activations = x @ encoder.mT + bias.unsqueeze(1)
    kept = activations > activations.flatten(1).quantile(0.9, dim=1).view(
        -1, 1, 1
    )  # many for some tokens, none for others
    assert kept.sum(-1).unique().numel() > 3
    target = None if d_target is None else implementations.normal(RUNS, BATCH, d_target, roll=5, like=implementation)
    dictionary = dictionary[..., :d_target].contiguous()
    actual = fast.codes_pass(kernels.compress(activations * kept), x, encoder, dictionary, penalty=0.01, target=target)
    wide = [tensor.double() for tensor in (x, encoder, bias, dictionary)]
    expected = reference.passed(
        lambda u, e, b: (u @ e.mT + b.unsqueeze(1)) * kept,
        *wide,
        penalty=0.01,
        target=None if target is None else target.double(),
    )
    for ours, theirs in zip((*actual[:4], *actual.gradients), (*expected[:4], *expected.gradients), strict=True):
        assert_near(ours, theirs.to(ours.dtype))


@pytest.mark.parametrize("lower", [0.0, 8.0, 1e3], ids=["every place", "some places empty", "all places empty"])
@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_a_pass_equals_dense_autograd(fast, parts, lower, penalty):
    tensors = (parts["x"], parts["encoder"], parts["bias"] - lower, parts["dictionary"])
    actual = fast.topk_pass(*tensors, k=K, penalty=penalty)
    expected = reference.topk_pass(*(tensor.double() for tensor in tensors), k=K, penalty=penalty)
    assert torch.equal(actual.n_active, expected.n_active)
    assert torch.equal(actual.fired, expected.fired)
    floats = zip((actual.residual, *actual.gradients), (expected.residual, *expected.gradients), strict=True)
    for found, wanted in floats:
        assert (found.double() - wanted).norm() <= 3e-6 * wanted.norm()


def test_row_gradients_equal_dense_autograd(fast, parts, codes):
    expected = reference.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    actual = fast.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    assert_near(actual, expected)
    assert_near(actual, densify(codes).mT @ parts["x"])


def test_an_atom_without_tokens_gets_a_zero_gradient(fast, parts):
    parts["bias"][:, 7] = -1e6
    codes = fast.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    gradient = fast.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    assert (gradient[:, 7] == 0).all()
    assert (gradient[:, 8] != 0).any()


def test_an_atom_that_fires_for_every_token_gets_the_sum_over_all_of_them(fast, parts):
    parts["bias"][:, 7] = 1e3
    codes = fast.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    gradient = fast.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    expected = torch.einsum("rb,rbd->rd", codes.values[..., 0], parts["x"])
    torch.testing.assert_close(gradient[:, 7], expected, rtol=1e-4, atol=1e-2)


def test_places_below_zero_are_empty_and_have_no_gradient(fast, parts):
    bias = parts["bias"] - 8.0
    codes = fast.encode_topk(parts["x"], parts["encoder"], bias, k=K)
    empty = codes.values == 0
    assert empty.any()
    assert (~empty).any()
    step = fast.topk_pass(parts["x"], parts["encoder"], bias, parts["dictionary"], k=K)
    assert torch.equal(step.n_active, (~empty).sum((1, 2)))
    assert ((step.gradients.encoder_bias != 0) == step.fired).all()


def test_where_nothing_is_positive_every_place_is_empty(fast, parts):
    codes = fast.encode_topk(parts["x"], parts["encoder"], parts["bias"] - 1e3, k=K)
    assert (codes.values == 0).all()
    assert (fast.decode(codes, parts["dictionary"]) == 0).all()


def test_among_equal_activations_the_lowest_index_wins(fast, implementation):
    x = torch.ones(1, 2, 1, device=implementation.device)
    encoder = torch.tensor([[1.0], [2.0], [2.0], [2.0], [3.0], [2.0]], device=implementation.device).unsqueeze(0)
    codes = fast.encode_topk(x, encoder, torch.zeros(1, 6, device=implementation.device), k=3)
    assert codes.indices.tolist() == [[[4, 1, 2]] * 2]
    assert codes.values.tolist() == [[[3.0, 2.0, 2.0]] * 2]


def test_duplicated_atoms_are_broken_the_same_way_as_in_the_reference(fast, parts):
    encoder = parts["encoder"][:, : N_ATOMS // 4].repeat(1, 4, 1)
    bias = torch.zeros_like(parts["bias"])
    codes = fast.encode_topk(parts["x"], encoder, bias, k=K)
    expected = reference.encode_topk(parts["x"], encoder, bias, k=K)
    assert torch.equal((densify(codes) > 0), (densify(expected) > 0))


@pytest.mark.parametrize("k", [1, N_ATOMS])
def test_one_place_and_as_many_as_there_are_atoms_will_do(fast, parts, k):
    codes = fast.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=k)
    expected = reference.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=k)
    assert_near(densify(codes), densify(expected))
    assert_near(fast.decode(codes, parts["dictionary"]), densify(expected) @ parts["dictionary"])


def test_the_strongest_atoms_come_first(codes):
    assert (codes.values.diff(dim=-1) <= 0).all()


@pytest.mark.parametrize("run", range(RUNS))
def test_a_run_in_a_stack_equals_the_run_alone(fast, parts, codes, run):
    alone = {name: part[run : run + 1] for name, part in parts.items()}
    own = fast.encode_topk(alone["x"], alone["encoder"], alone["bias"], k=K)
    torch.testing.assert_close(own.values, codes.values[run : run + 1])
    torch.testing.assert_close(
        fast.row_gradients(own, own.values, alone["x"], n_atoms=N_ATOMS),
        fast.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)[run : run + 1],
    )


def test_the_same_call_gives_the_same_bits(fast, parts):
    single = {name: part.float() for name, part in parts.items()}

    def everything():
        codes = fast.encode_topk(single["x"], single["encoder"], single["bias"], k=K)
        return (
            fast.decode(codes, single["dictionary"]),
            *fast.topk_pass(*single.values(), k=K).gradients,
            fast.row_gradients(codes, codes.values, single["x"], n_atoms=N_ATOMS),
        )

    assert all(torch.equal(a, b) for a, b in zip(everything(), everything(), strict=True))
