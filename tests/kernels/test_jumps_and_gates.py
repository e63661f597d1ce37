"""Passes with thresholds and with gates against dense autograd in float64, on both of their ways."""

import pytest
import torch

from reseed import kernels
from reseed.kernels import cpu, dense, reference

SHAPES = {
    "small": (3, 50, 40, 16),
    "one atom": (1, 7, 1, 3),
    "one token": (2, 1, 300, 8),
    "no multiple of anything": (1, 1031, 263, 31),
}
SHIFTS = {"sparse": -2.0, "nothing fires": -60.0, "dense": 0.0}
WAYS = {"cpu": (cpu, torch.float32), "dense": (dense, torch.float32), "dense, double": (dense, torch.float64)}


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def sizes(request):
    return request.param


def jump_parts(sizes, shift=0.0):
    runs, batch, n_atoms, d_model = sizes
    encoder = normal(runs, n_atoms, d_model, rolled=1)
    bias = normal(runs, n_atoms, rolled=2) + shift * encoder.norm(dim=-1)
    threshold = normal(runs, n_atoms, rolled=4).abs()
    u, dictionary = normal(runs, batch, d_model), normal(runs, n_atoms, d_model, rolled=3)
    return {"u": u, "encoder": encoder, "encoder_bias": bias, "dictionary": dictionary, "threshold": threshold}


def gated_parts(sizes, shift=0.0):
    parts = jump_parts(sizes, shift)
    gate_bias = parts.pop("encoder_bias")
    del parts["threshold"]
    log_gain, magnitude_bias = 0.3 * normal(*gate_bias.shape, rolled=5), 2 * normal(*gate_bias.shape, rolled=6)
    return parts | {"gate_bias": gate_bias, "log_gain": log_gain, "magnitude_bias": magnitude_bias}


def tensors_of(passed):
    """Every tensor of a pass by its name, those of passes within it included."""
    for name, part in zip(passed._fields, passed, strict=True):
        if isinstance(part, torch.Tensor):
            yield name, part
        elif part is not None:
            yield from tensors_of(part)


def assert_same(actual, expected):
    for (name, ours), (_, theirs) in zip(tensors_of(actual), tensors_of(expected), strict=True):
        if theirs.is_floating_point():
            tolerance = 1e-12 if ours.dtype == torch.float64 else 4e-6
            assert (ours.double() - theirs).norm() <= tolerance * theirs.norm() + 1e-12, name
        else:
            assert torch.equal(ours, theirs), name


def of_type(parts, dtype):
    return {name: part.to(dtype) for name, part in parts.items()}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
@pytest.mark.parametrize("bandwidth", [0.01, 3.0])
def test_a_jump_pass_equals_dense_autograd(way, sizes, shift, bandwidth):
    kernel, dtype = way
    parts = jump_parts(sizes, shift)
    actual = kernel.jump_pass(**of_type(parts, dtype), bandwidth=bandwidth)
    assert_same(actual, reference.jump_pass(**of_type(parts, torch.float64), bandwidth=bandwidth))


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
@pytest.mark.parametrize("settings", [{"penalty": 0.0}, {"penalty": 0.01, "teach_decoder": True}])
def test_a_gated_pass_equals_dense_autograd(way, sizes, shift, settings):
    kernel, dtype = way
    parts = gated_parts(sizes, shift)
    actual = kernel.gated_pass(**of_type(parts, dtype), **settings)
    assert_same(actual, reference.gated_pass(**of_type(parts, torch.float64), **settings))


def test_a_code_at_its_threshold_is_none_and_a_place_at_the_edge_is_outside_the_band(way):
    kernel, dtype = way
    u = torch.tensor([[[1.0], [1.5], [2.0], [2.5], [3.0], [2.25], [1.75]]], dtype=dtype)
    one, zero = torch.ones(1, 1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
    found = kernel.jump_pass(u, one, zero, one, threshold=zero + 2.0, bandwidth=1.0)
    assert found.passed.n_active.tolist() == [3]
    assert found.above.tolist() == [[1]]  # 2.25: 2.5 and 3 are too far above
    assert found.below.tolist() == [[2]]  # 2 and 1.75: 1.5 is at the edge
    pull = sum(2 / 7 * residual for residual in (0.0, -2.0, -1.75))
    assert found.pull.item() == pytest.approx(pull, rel=1e-6)


def test_an_open_gate_without_a_magnitude_is_no_code_and_learns_from_the_gate_alone(way):
    kernel, dtype = way
    u = torch.tensor([[[1.0], [3.0]]], dtype=dtype)
    one, zero = torch.ones(1, 1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
    found = kernel.gated_pass(u, one, zero, one, log_gain=zero, magnitude_bias=zero - 2.0, penalty=0.1)
    assert found.passed.n_active.tolist() == [1]
    assert found.gate_sum.tolist() == [4.0]
    assert found.passed.gradients.encoder_bias.item() == pytest.approx(0.2, rel=1e-6)  # the gates say u: no error
    assert found.magnitude_bias.item() == pytest.approx(-2.0, rel=1e-6)  # of 3 there is 1


@pytest.mark.parametrize(
    ("name", "make", "settings"),
    [("jump_pass", jump_parts, {"bandwidth": 1.0}), ("gated_pass", gated_parts, {"penalty": 0.1})],
)
@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_a_run_in_a_stack_gives_the_bits_of_the_run_alone(sizes, name, make, settings, shift):
    parts, kernel = make(sizes, shift), getattr(cpu, name)
    together = dict(tensors_of(kernel(**parts, **settings)))
    for run in range(sizes[0]):
        alone = kernel(**{field: part[run : run + 1] for field, part in parts.items()}, **settings)
        for field, tensor in tensors_of(alone):
            assert torch.equal(tensor[0], together[field][run]), field


@pytest.mark.parametrize("name", ["jump_pass", "gated_pass"])
def test_few_codes_take_the_sparse_way_and_many_the_dense_one(monkeypatch, name):
    make, settings = (jump_parts, {"bandwidth": 0.1}) if name == "jump_pass" else (gated_parts, {"penalty": 0.1})
    taken, whole = [], getattr(dense, name)
    monkeypatch.setattr(dense, name, lambda *parts, **more: taken.append(1) or whole(*parts, **more))
    sizes = (1, 40, 200, 16)
    getattr(cpu, name)(**make(sizes, -3.0), **settings)
    assert not taken
    getattr(cpu, name)(**make(sizes, 3.0), **settings)
    assert taken


@pytest.mark.parametrize("shift", [-2.0, 0.0])
def test_a_nan_among_the_activations_reaches_the_loss(way, shift):
    kernel, dtype = way
    sizes = (1, 40, 200, 16)
    parts = of_type(jump_parts(sizes, shift), dtype)
    parts["encoder_bias"][0, 7] = float("nan")
    assert kernel.jump_pass(**parts, bandwidth=0.1).passed.residual.isnan().all()
    parts = of_type(gated_parts(sizes, shift), dtype)
    parts["gate_bias"][0, 7] = float("nan")
    assert kernel.gated_pass(**parts, penalty=0.1).gate_residual.isnan().all()


def test_codes_from_a_snapshot_are_those_of_a_pass():
    parts = jump_parts(SHAPES["small"])
    found = cpu.jump_pass(**parts, bandwidth=0.1).passed
    codes = kernels.encode_jump(*(parts[name] for name in ("u", "encoder", "encoder_bias", "threshold")))
    torch.testing.assert_close(codes @ parts["dictionary"] - parts["u"], found.residual, rtol=1e-4, atol=1e-4)
    parts = gated_parts(SHAPES["small"])
    found = cpu.gated_pass(**parts, penalty=0.1).passed
    offset = parts["magnitude_bias"] - parts["log_gain"].exp() * parts["gate_bias"]
    codes = kernels.encode_gated(*(parts[name] for name in ("u", "encoder", "gate_bias", "log_gain")), offset)
    torch.testing.assert_close(codes @ parts["dictionary"] - parts["u"], found.residual, rtol=1e-4, atol=1e-4)
