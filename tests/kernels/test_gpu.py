"""What only the GPU's kernels promise; they run in Triton's interpreter, or on a GPU where TRITON_INTERPRET is 0."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from implementations import ALL, GPU, normal

from reseed import kernels
from reseed.kernels import gpu, reference, rows, sparse
from reseed.methods import Schedule, StartPoint, TopK

RUNS, BATCH, N_ATOMS, D_MODEL, K = 2, 19, 40, 12, 5


@pytest.fixture
def x():
    return normal(RUNS, BATCH, D_MODEL, roll=1)


@pytest.fixture
def dictionary():
    return normal(RUNS, N_ATOMS, D_MODEL, roll=4)


@pytest.fixture
def codes(x):
    return gpu.encode_topk(x, normal(RUNS, N_ATOMS, D_MODEL, roll=2), normal(RUNS, N_ATOMS, roll=3), k=K)


def assert_near(actual, expected):
    """Equal up to the order of sums, which leaves an error in proportion to what is summed."""
    largest = expected.abs().max().item() if expected.is_floating_point() else 0.0
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=max(1e-4, 1e-6 * largest))


def assert_same(actual, expected):
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


def test_the_product_is_that_of_the_numbers_rounded_to_bfloat16(x):
    x, encoder, bias = x + 0.01, normal(RUNS, N_ATOMS, D_MODEL, roll=2) * 1.01, normal(RUNS, N_ATOMS, roll=3) * 1.01
    codes = gpu.encode_topk(x, encoder, bias, k=K)
    expected = reference.encode_topk(x.bfloat16().double(), encoder.bfloat16().double(), bias.double(), k=K)
    assert_near(codes.values.double(), expected.values)
    assert torch.equal(codes.indices, expected.indices)


@pytest.mark.parametrize(("batch", "n_atoms", "k"), [(1, 1, 1), (2, 3, 2), (60, 33, 9), (3, 2100, 30), (2, 4096, 5)])
def test_shapes_that_fill_no_tile_are_encoded_exactly(batch, n_atoms, k):
    x, encoder, bias = normal(2, batch, 7, roll=1), normal(2, n_atoms, 7, roll=2), normal(2, n_atoms, roll=3)
    codes = gpu.encode_topk(x, encoder, bias, k=k)
    expected = reference.encode_topk(x, encoder, bias, k=k)
    assert_near(codes.values, expected.values)
    assert_near(kernels.densify(codes, n_atoms=n_atoms), kernels.densify(expected, n_atoms=n_atoms))


@pytest.mark.parametrize(
    ("batch", "n_atoms", "d_model", "k"), [(1, 1, 1, 1), (2, 3, 1, 2), (3, 33, 65, 9), (9, 7, 130, 7), (2, 70, 300, 70)]
)
def test_shapes_that_fill_no_tile_have_the_gradients_of_dense_autograd(batch, n_atoms, d_model, k):
    x, atoms = normal(2, batch, d_model, roll=1), normal(2, n_atoms, d_model, roll=2)
    bias = normal(2, n_atoms, roll=3)
    codes = reference.encode_topk(x, atoms, bias, k=k)
    assert_near(gpu.decode(codes, atoms), reference.decode(codes, atoms))
    passes = (kernels.topk_pass(x, atoms, bias, atoms, k=k) for kernels in (gpu, reference))
    for actual, expected in zip(*map(flat, passes), strict=True):
        assert_near(actual, expected)
    assert_near(
        gpu.row_gradients(codes, codes.values, x, n_atoms=n_atoms),
        reference.row_gradients(codes, codes.values, x, n_atoms=n_atoms),
    )


@pytest.mark.parametrize("k", [1, 7, 40, 64])
def test_ties_zeros_and_the_smallest_and_largest_numbers_are_ranked_exactly(k):
    few = torch.tensor([-(2.0**120), -1.0, -0.0, 0.0, 2.0**-120, 0.5, 1.0, 1.0078125, 2.0**120, float("inf")])
    chosen = torch.randint(len(few), (8, 64, 1), generator=torch.Generator().manual_seed(k))
    one, encoder, bias = torch.ones(8, 1, 1, device=GPU), few.to(GPU)[chosen], torch.zeros(8, 64, device=GPU)
    assert_same(gpu.encode_topk(one, encoder, bias, k=k), reference.encode_topk(one, encoder, bias, k=k))


def test_a_token_that_is_not_a_number_leaves_the_others_alone(x, codes):
    x[1, 3] = float("nan")
    broken = gpu.encode_topk(x, normal(RUNS, N_ATOMS, D_MODEL, roll=2), normal(RUNS, N_ATOMS, roll=3), k=K)
    assert broken.values[1, 3].isnan().all()
    assert broken.values.isnan().sum() == K
    assert torch.equal(broken.values[0], codes.values[0])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # the interpreter multiplies with numpy
@pytest.mark.parametrize("poison", [float("nan"), -float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_taken_for_an_inactive_atom(poison, x, dictionary):
    bias = torch.zeros(RUNS, N_ATOMS, device=GPU)
    bias[:, 7] = poison
    residual = gpu.topk_pass(x, dictionary, bias, dictionary, k=K).residual
    assert not residual.isfinite().all(-1).any()


def test_an_atom_with_many_tokens_is_shared_out_and_joined(monkeypatch, x):
    bias = normal(RUNS, N_ATOMS, roll=3)
    bias[:, 7] = 100.0
    bias[1, N_ATOMS - 1] = 90.0
    codes = gpu.encode_topk(x, normal(RUNS, N_ATOMS, D_MODEL, roll=2), bias, k=K)
    expected = reference.row_gradients(codes, codes.values, x, n_atoms=N_ATOMS)
    for segment in (1, 4, 16):
        monkeypatch.setattr(gpu, "SEGMENT", segment)
        actual = gpu.row_gradients(codes, codes.values, x, n_atoms=N_ATOMS)
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("width", [1, 2, 8, 16])
def test_what_is_chosen_among_groups_of_atoms_is_chosen_among_all(monkeypatch, x, width):
    encoder, bias = normal(RUNS, N_ATOMS, D_MODEL, roll=2), normal(RUNS, N_ATOMS, roll=3)
    ties = torch.zeros(2, BATCH, D_MODEL, device=GPU), encoder, torch.ones(2, N_ATOMS, device=GPU)
    mostly_inactive = x, encoder, bias - 3.0
    few = N_ATOMS // width if width > K else K
    alone = [gpu.encode_topk(*each, k=few) for each in ((x, encoder, bias), ties, mostly_inactive)]
    monkeypatch.setattr(gpu, "NARROWEST", 1)
    monkeypatch.setattr(gpu, "_width", lambda *_: width)
    for given, expected in zip(((x, encoder, bias), ties, mostly_inactive), alone, strict=True):
        assert_same(gpu.encode_topk(*given, k=few), expected)


def test_a_small_buffer_gives_the_same_bits(monkeypatch, x, codes):
    monkeypatch.setattr(gpu, "BUFFER", 4 * N_ATOMS)
    pieces = gpu.encode_topk(x, normal(RUNS, N_ATOMS, D_MODEL, roll=2), normal(RUNS, N_ATOMS, roll=3), k=K)
    assert torch.equal(pieces.indices, codes.indices)
    assert_near(pieces.values, codes.values)


@pytest.fixture
def parts(x, dictionary):
    return x, normal(RUNS, N_ATOMS, D_MODEL, roll=2), normal(RUNS, N_ATOMS, roll=3), dictionary


def flat(passed):
    return *passed[:4], *passed.gradients


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_a_pass_equals_dense_autograd(parts, penalty):
    actual, expected = (kernels.topk_pass(*parts, k=K, penalty=penalty) for kernels in (gpu, reference))
    for a, b in zip(flat(actual), flat(expected), strict=True):
        assert_near(a, b)


def test_a_run_in_company_has_the_bits_of_the_run_alone(parts):
    company = flat(gpu.topk_pass(*parts, k=K))
    for run in range(RUNS):
        alone = gpu.topk_pass(*(part[run : run + 1] for part in parts), k=K)
        assert_same(flat(alone), [each[run : run + 1] for each in company])


def test_tensors_may_lie_in_memory_as_they_like(parts):
    turned = [part.mT.contiguous().mT for part in parts]
    for a, b in zip(flat(gpu.topk_pass(*turned, k=K)), flat(gpu.topk_pass(*parts, k=K)), strict=True):
        assert_near(a, b)


def test_codes_without_a_place_are_as_good_as_empty_ones(x, dictionary):
    nothing = kernels.Codes(x.new_zeros(RUNS, BATCH, 0), torch.zeros(RUNS, BATCH, 0, dtype=torch.int64, device=GPU))
    assert (gpu.decode(nothing, dictionary) == 0).all()
    assert (gpu.row_gradients(nothing, nothing.values, x, n_atoms=N_ATOMS) == 0).all()


@pytest.mark.parametrize("d_model", [1, 12, 1500])
def test_rows_are_normalised_and_gradients_freed_of_their_parallel_part(d_model):
    atoms, gradients = normal(2, 9, d_model, roll=1), normal(2, 9, d_model, roll=2)
    atoms[1, 3] = 0.0
    units, expected = atoms.clone(), atoms.clone()
    gpu.normalise(units)
    rows.normalise(expected)
    assert_near(units, expected)
    assert (units[1, 3] == 0).all()
    assert_near(gpu.without_parallel(gradients, units), rows.without_parallel(gradients, units))
    turned = atoms.mT.contiguous().mT
    gpu.normalise(turned)
    assert torch.equal(turned, units)


def test_training_ends_where_it_ends_with_the_sparse_kernels(monkeypatch):
    method, seen = TopK(n_atoms=24, k=3, learning_rate=0.01), some_rows()
    born, ends = begun(method, seen), []
    for with_codes, with_atoms in ((sparse, rows), (gpu, gpu)):
        for name in ("encode_topk", "decode", "topk_pass"):
            monkeypatch.setattr(kernels, name, getattr(with_codes, name))
        for name in ("normalise", "without_parallel"):
            monkeypatch.setattr(kernels, name, getattr(with_atoms, name))
        ends.append(trained(method, born, seen.to(GPU), steps=8)["atoms"].cpu())
    assert cosine(*ends) > 0.999
    assert cosine(ends[1], born["atoms"]) < 0.999


def some_rows():
    """Sparse sums of a few directions, on the CPU."""
    return normal(400, 24, roll=6, like=ALL["cpu"]) ** 3 @ normal(24, 8, roll=7, like=ALL["cpu"])


def begun(method, seen):
    """Two runs at the start, on the CPU as every run."""
    atoms = normal(2, 24, 8, roll=5, like=ALL["cpu"])
    points = [StartPoint(own, None, None, seen.mean(0), seen.std().item(), seen[:50]) for own in atoms]
    states = [method.initialise(point, 0) for point in points]
    return {name: torch.cat([each[name] for each in states]) for name in states[0]}


def trained(method, born, seen, *, steps):
    """The runs after some steps."""
    state = {name: tensor.clone().to(GPU) for name, tensor in born.items()}
    for step in range(steps):
        method.update(state, seen[20 * step : 20 * step + 20].expand(2, -1, -1), Schedule(step, steps))
    return state


def cosine(a, b):
    return torch.cosine_similarity(a, b, dim=-1).mean().item()


def test_every_kernel_compiles_for_a_gpu(tmp_path):
    script = Path(__file__).with_name("compile_kernels.py")
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, script], env=environment, check=True)


def test_the_kernels_load_without_triton():
    script = "import sys; sys.modules['triton'] = None; import reseed.kernels, reseed.methods"
    subprocess.run([sys.executable, "-c", script], check=True)
