import pytest
import torch

from reseed import kernels
from reseed.kernels import reference, sparse

RUNS, BATCH, N_ATOMS, D_MODEL, K = 3, 50, 40, 16, 5


@pytest.fixture
def parts():
    chance = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    return {
        "x": normal(RUNS, BATCH, D_MODEL),
        "encoder": normal(RUNS, N_ATOMS, D_MODEL),
        "bias": normal(RUNS, N_ATOMS),
        "dictionary": normal(RUNS, N_ATOMS, D_MODEL),
    }


@pytest.fixture
def codes(parts):
    return sparse.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)


def densify(codes):
    return kernels.densify(codes, n_atoms=N_ATOMS)


def test_the_sparse_encoder_equals_the_dense_formula(parts, codes):
    expected = reference.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    torch.testing.assert_close(codes.values, expected.values)
    torch.testing.assert_close(densify(codes), densify(expected))


def test_the_sparse_decoder_equals_the_dense_product(parts, codes):
    torch.testing.assert_close(sparse.decode(codes, parts["dictionary"]), densify(codes) @ parts["dictionary"])


def test_code_gradients_equal_dense_autograd(parts, codes):
    expected = reference.code_gradients(codes, parts["dictionary"], parts["x"])
    torch.testing.assert_close(sparse.code_gradients(codes, parts["dictionary"], parts["x"]), expected)


def test_row_gradients_equal_dense_autograd(parts, codes):
    expected = reference.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    actual = sparse.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(actual, densify(codes).mT @ parts["x"])


def test_an_atom_without_tokens_gets_a_zero_gradient(parts):
    parts["bias"][:, 7] = -1e6
    codes = sparse.encode_topk(parts["x"], parts["encoder"], parts["bias"], k=K)
    gradient = sparse.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)
    assert (gradient[:, 7] == 0).all()
    assert (gradient[:, 8] != 0).any()


def test_places_below_zero_are_empty_and_have_no_gradient(parts):
    bias = parts["bias"] - 8.0
    codes = sparse.encode_topk(parts["x"], parts["encoder"], bias, k=K)
    empty = codes.values == 0
    assert empty.any()
    assert (~empty).any()
    gradient = sparse.code_gradients(codes, parts["dictionary"], parts["x"])
    assert (gradient[empty] == 0).all()
    assert (gradient[~empty] != 0).all()


def test_among_equal_activations_the_lowest_index_wins():
    x = torch.ones(1, 2, 1)
    encoder = torch.tensor([[1.0], [2.0], [2.0], [2.0], [3.0], [2.0]]).unsqueeze(0)
    codes = sparse.encode_topk(x, encoder, torch.zeros(1, 6), k=3)
    assert codes.indices.tolist() == [[[4, 1, 2]] * 2]
    assert codes.values.tolist() == [[[3.0, 2.0, 2.0]] * 2]


def test_duplicated_atoms_are_broken_the_same_way_as_in_the_reference(parts):
    encoder = parts["encoder"][:, : N_ATOMS // 4].repeat(1, 4, 1)
    bias = torch.zeros_like(parts["bias"])
    codes = sparse.encode_topk(parts["x"], encoder, bias, k=K)
    expected = reference.encode_topk(parts["x"], encoder, bias, k=K)
    assert torch.equal((densify(codes) > 0), (densify(expected) > 0))


@pytest.mark.parametrize("run", range(RUNS))
def test_a_run_in_a_stack_equals_the_run_alone(parts, codes, run):
    alone = {name: part[run : run + 1] for name, part in parts.items()}
    own = sparse.encode_topk(alone["x"], alone["encoder"], alone["bias"], k=K)
    torch.testing.assert_close(own.values, codes.values[run : run + 1])
    torch.testing.assert_close(
        sparse.row_gradients(own, own.values, alone["x"], n_atoms=N_ATOMS),
        sparse.row_gradients(codes, codes.values, parts["x"], n_atoms=N_ATOMS)[run : run + 1],
    )


def test_the_same_call_gives_the_same_bits(parts):
    single = {name: part.float() for name, part in parts.items()}

    def everything():
        codes = sparse.encode_topk(single["x"], single["encoder"], single["bias"], k=K)
        return (
            sparse.decode(codes, single["dictionary"]),
            sparse.code_gradients(codes, single["dictionary"], single["x"]),
            sparse.row_gradients(codes, codes.values, single["x"], n_atoms=N_ATOMS),
        )

    assert all(torch.equal(a, b) for a, b in zip(everything(), everything(), strict=True))
