"""What the parts of a step cost on a CPU, by each way to compute them; `reseed.kernels` uses the last one of each part.

    python benchmarks/kernels.py [--threads N]

Ways take turns, and every answer is checked against the first way's. Times are medians of several, in milliseconds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from reseed._support.products import row_products
from reseed.kernels import cpu, dense, densify, reference, sparse

SHAPES = [(1024, 576, 512, 16), (4096, 256, 2048, 32), (4096, 768, 4096, 32), (1024, 768, 16384, 64)]
"""batch, d_model, n_atoms, k"""
ROUNDS = 7
ALMOST_ALL = 0.99
"""Of the entries must agree: whether an atom is active for a token can hang on the last bit of a product."""
Ways = dict[str, Callable[[], Tensor]]


def ways_of(batch: int, d_model: int, n_atoms: int, k: int) -> dict[str, Ways]:
    """For each part the ways to compute it."""
    chance = torch.Generator().manual_seed(0)
    u = torch.randn(1, batch, d_model, generator=chance)
    encoder, atoms = (torch.randn(1, n_atoms, d_model, generator=chance) / d_model**0.5 for _ in range(2))
    bias = torch.zeros(1, n_atoms)
    rare = bias - 2.0  # a ReLU with one code in forty
    activations = row_products(u[0], encoder[0])
    codes = cpu.encode_topk(u, encoder, bias, k=k)
    whole = densify(codes, n_atoms=n_atoms)
    return {
        "product": {
            "@": lambda: u[0] @ encoder[0].T,
            "bfloat16": lambda: u[0].bfloat16() @ encoder[0].bfloat16().T,
            "oneDNN": lambda: row_products(u[0], encoder[0]),
        },
        "encode": {
            "product, torch.topk": lambda: activations.topk(k).values,
            "torch": lambda: sparse.encode_topk(u, encoder, bias, k=k).values[0],
            "loops, float32": lambda: in_float32(cpu.encode_topk)(u, encoder, bias, k=k).values[0],
            "loops": lambda: cpu.encode_topk(u, encoder, bias, k=k).values[0],
        },
        "decode": {
            "dense": lambda: whole[0] @ atoms[0],
            "torch": lambda: sparse.decode(codes, atoms)[0],
            "loops": lambda: cpu.decode(codes, atoms)[0],
        },
        "row gradients": {
            "dense": lambda: whole[0].T @ u[0],
            "torch": lambda: sparse.row_gradients(codes, codes.values, u, n_atoms=n_atoms)[0],
            "loops": lambda: cpu.row_gradients(codes, codes.values, u, n_atoms=n_atoms)[0],
        },
        "top-k step": {
            "autograd": lambda: reference.topk_pass(u, encoder, bias, atoms, k=k).gradients.encoder[0],
            "torch": lambda: sparse.topk_pass(u, encoder, bias, atoms, k=k).gradients.encoder[0],
            "loops, float32": lambda: in_float32(cpu.topk_pass)(u, encoder, bias, atoms, k=k).gradients.encoder[0],
            "loops": lambda: cpu.topk_pass(u, encoder, bias, atoms, k=k).gradients.encoder[0],
        },
        "ReLU step": {
            "autograd": lambda: reference.relu_pass(u, encoder, rare, atoms, penalty=0.1).gradients.encoder[0],
            "dense": lambda: dense.relu_pass(u, encoder, rare, atoms, penalty=0.1).gradients.encoder[0],
            "loops": lambda: cpu.relu_pass(u, encoder, rare, atoms, penalty=0.1).gradients.encoder[0],
        },
    }


def in_float32(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same without a product in bfloat16 that finds what can be among the k largest."""

    def called(*args: Tensor, k: int) -> object:
        with patch.object(cpu, "pays", lambda *_, **__: False):
            return call(*args, k=k)

    return called


def milliseconds(ways: Ways) -> dict[str, float]:
    """The median time of each way."""
    taken = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            taken[name].append(1e3 * (time.perf_counter() - begun))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def check(ways: Ways) -> None:
    """Raise AssertionError where a way gives another answer than the first one."""
    expected, *others = (way() for way in ways.values())
    for found in others:
        scale = expected.abs().max()
        assert ((found - expected).abs() <= 1e-2 * scale).float().mean() >= ALMOST_ALL


def main() -> None:
    """Print one table per shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    for shape in SHAPES:
        print("batch {}, d_model {}, {} atoms, k = {}: milliseconds".format(*shape))
        for part, ways in ways_of(*shape).items():
            check(ways)
            for name, time_taken in milliseconds(ways).items():
                print(f"  {part:15} {name:20} {time_taken:9.2f}")


if __name__ == "__main__":
    main()
