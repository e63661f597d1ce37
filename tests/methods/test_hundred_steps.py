"""Training with the fast kernels ends where training with dense autograd ends."""

import pytest
import torch
from method_cases import ALL, born, name_of, tokens

from reseed import kernels
from reseed.activations import batch_rows
from reseed.kernels import reference
from reseed.methods import METHODS, GradientMethod, Schedule, parse

STEPS = 100
BY_GRADIENTS = [settings for settings in ALL if issubclass(METHODS[settings["kind"]], GradientMethod)]
SMOOTH = {"p-anneal": 60}
"""Of the hundred steps, how many are compared where rounding grows: the slope of z^p, p < 1, has no limit at z = 0, and
from double precision with arrays that differ by 6e-8 such a training ends as far apart as from single precision."""


def trained(method, seen, dtype):
    """The dictionary after some steps, in any precision."""
    state = {name: tensor.to(dtype) for name, tensor in born(method, seen).items()}
    for step in range(SMOOTH.get(method.kind, STEPS)):
        x = seen.rows(batch_rows(seen.n_tokens, 256, step, roll=1)).unsqueeze(0).to(dtype)
        method.update(state, x, Schedule(step, STEPS))
    return method.dictionary(state).double()


@pytest.mark.parametrize("settings", BY_GRADIENTS, ids=name_of)
def test_a_hundred_steps_end_within_1e_5_of_dense_autograd(settings, monkeypatch):
    method, seen = parse(settings), tokens()
    fast = trained(method, seen, torch.float32)
    passes = ("topk_pass", "batchtopk_pass", "matryoshka_pass", "relu_pass", "jump_pass", "gated_pass")
    for name in passes:
        monkeypatch.setattr(kernels, name, getattr(reference, name))
    dense = trained(method, seen, torch.float64)
    assert (fast - born_in_double(method, seen)).norm() > 1e-2 * dense.norm()  # something was learnt
    assert (fast - dense).norm() < 1e-5 * dense.norm()


def born_in_double(method, seen):
    return method.dictionary(born(method, seen)).double()
