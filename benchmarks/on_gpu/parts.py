"""What the parts of a top-k step cost on a GPU, beside torch's ops and the bare product of the encoder in bfloat16.

    python benchmarks/on_gpu/parts.py [--runs N] [--batch N] [--json FILE]

Answers are checked first: kernels against torch's ops, the top-k against a stable sort of the same product, the same
bits twice, and a run alone against the run in company. Times are medians of several, in milliseconds; `of product` is
the time of the bare product divided by the time: the share of its throughput that is left. Without a GPU nothing is
measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reseed.kernels import rows, sparse
from reseed.methods import _adam

if TYPE_CHECKING:
    from types import ModuleType

SIZES = [(4096, 768, 32), (16384, 768, 64), (4096, 2304, 32), (16384, 2304, 64)]
"""n_atoms, d_model, k"""
DEVICE = "cuda"
Ways = dict[str, Callable[[], object]]


def median_of(call: Callable[[], object], *, times: int = 15) -> float:
    """How long a call keeps the GPU busy, in milliseconds, once it is compiled and warm."""
    taken = []
    for _ in range(times + 3):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        call()
        ended.record()
        ended.synchronize()
        taken.append(begun.elapsed_time(ended))
    return statistics.median(taken[3:])


def parts(runs: int, batch: int, n_atoms: int, d_model: int) -> dict[str, Tensor]:
    """Activations and unit atoms; the encoder starts as the dictionary, as in training."""
    chance = torch.Generator(DEVICE).manual_seed(0)
    x = torch.randn(runs, batch, d_model, generator=chance, device=DEVICE)
    atoms = torch.randn(runs, n_atoms, d_model, generator=chance, device=DEVICE)
    atoms /= atoms.norm(dim=-1, keepdim=True)
    return {"x": x, "encoder": atoms.clone(), "bias": torch.zeros(runs, n_atoms, device=DEVICE), "dictionary": atoms}


def check(x: Tensor, encoder: Tensor, bias: Tensor, dictionary: Tensor, *, k: int) -> None:
    """Raises AssertionError where the kernels break a promise."""
    from reseed.kernels import gpu  # noqa: PLC0415 (takes triton, which comes with torch for a GPU)

    n_atoms = encoder.shape[1]
    codes = gpu.encode_topk(x, encoder, bias, k=k)
    tokens = slice(gpu.BUFFER // n_atoms)  # as many as one product is made for
    products = torch.relu(gpu.product(x[0, tokens].bfloat16(), encoder[0].bfloat16()) + bias[0])
    ordered = products.sort(dim=-1, descending=True, stable=True)
    assert torch.equal(codes.values[0, tokens], ordered.values[:, :k])
    assert torch.equal(codes.indices[0, tokens], ordered.indices[:, :k])
    near = {"rtol": 1e-4, "atol": 1e-3}
    torch.testing.assert_close(gpu.decode(codes, dictionary), sparse.decode(codes, dictionary), **near)
    for_rows = (kernels.row_gradients(codes, codes.values, x, n_atoms=n_atoms) for kernels in (gpu, sparse))
    torch.testing.assert_close(*for_rows, **near)
    torch.testing.assert_close(gpu.without_parallel(x, x + 1), rows.without_parallel(x, x + 1), rtol=1e-4, atol=0.1)
    units = [encoder.clone() for _ in range(2)]
    gpu.normalise(units[0])
    rows.normalise(units[1])
    torch.testing.assert_close(*units)
    together, again = (gpu.topk_pass(x, encoder, bias, dictionary, k=k) for _ in range(2))
    alone = gpu.topk_pass(x[:1], encoder[:1], bias[:1], dictionary[:1], k=k)
    for other in (again, alone):
        assert torch.equal(together.residual[: len(other.residual)], other.residual)
        for ours, others in zip(together.gradients, other.gradients, strict=True):
            assert torch.equal(ours[: len(others)], others)


def ways_of(x: Tensor, encoder: Tensor, bias: Tensor, dictionary: Tensor, *, k: int) -> dict[str, Ways]:
    """For each part of a step the ways to compute it, torch's first."""
    from reseed.kernels import gpu  # noqa: PLC0415 (as above)

    n_atoms = encoder.shape[1]
    x_half, encoder_half, dictionary_half = x.bfloat16(), encoder.bfloat16(), dictionary.bfloat16()
    one_product = gpu.product(x_half[0], encoder_half[0])
    codes = gpu.encode_topk(x, encoder, bias, k=k)
    learnt = {"dictionary": dictionary, "encoder": encoder}
    learnt |= _adam.moments(learnt, tuple(learnt))

    def adam(for_dictionary: Tensor, for_encoder: Tensor) -> None:
        gradients = {"dictionary": for_dictionary, "encoder": for_encoder}
        _adam.update(learnt, gradients, step=100, learning_rate=0.0)

    def step(kernels: ModuleType, of_atoms: ModuleType) -> None:
        gradients = kernels.topk_pass(x, encoder, bias, dictionary, k=k).gradients
        adam(of_atoms.without_parallel(gradients.dictionary, dictionary), gradients.encoder)
        of_atoms.normalise(dictionary)

    return {
        "encode": {
            "bare product": lambda: torch.bmm(x_half, encoder_half.mT),
            "product, float32 sums": lambda: [gpu.product(*each) for each in zip(x_half, encoder_half, strict=True)],
            "torch.topk alone": lambda: [one_product.topk(k) for _ in x],
            "torch": lambda: sparse.encode_topk(x, encoder, bias, k=k),
            "reseed": lambda: gpu.encode_topk(x, encoder, bias, k=k),
        },
        "decode": {
            "torch": lambda: sparse.decode(codes, dictionary),
            "reseed": lambda: gpu.decode(codes, dictionary),
            "reseed, bfloat16 rows": lambda: gpu.decode(codes, dictionary_half),
        },
        "row gradients": {
            "torch": lambda: sparse.row_gradients(codes, codes.values, x, n_atoms=n_atoms),
            "reseed": lambda: gpu.row_gradients(codes, codes.values, x, n_atoms=n_atoms),
            "reseed, bfloat16 rows": lambda: gpu.row_gradients(codes, codes.values, x_half, n_atoms=n_atoms),
        },
        "unit atoms": {
            "torch": lambda: (rows.without_parallel(encoder, dictionary), rows.normalise(dictionary)),
            "reseed": lambda: (gpu.without_parallel(encoder, dictionary), gpu.normalise(dictionary)),
        },
        "step": {
            "Adam alone": lambda: adam(dictionary, encoder),
            "torch": lambda: step(sparse, rows),
            "reseed, the pass alone": lambda: gpu.topk_pass(x, encoder, bias, dictionary, k=k),
            "reseed": lambda: step(gpu, gpu),
        },
    }


def measure(runs: int, batch: int) -> list[dict[str, object]]:
    """One row for each way at each size, printed as they come."""
    table: list[dict[str, object]] = []
    for n_atoms, d_model, k in SIZES:
        print(f"\n{n_atoms} atoms, d_model {d_model}, k = {k}{'ms':>36s}{'of product':>12s}")
        given = parts(runs, batch, n_atoms, d_model)
        check(**given, k=k)
        bare = None
        for part, ways in ways_of(**given, k=k).items():
            for name, way in ways.items():
                taken = median_of(way)
                bare = bare or taken
                print(f"  {part:18s} {name:24s} {taken:10.3f} {bare / taken:10.2f}")
                size = {"n_atoms": n_atoms, "d_model": d_model, "k": k}
                table.append({**size, "part": part, "way": name, "milliseconds": taken, "of_product": bare / taken})
    return table


def main() -> None:
    """Print one table per size, and write all of them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here: nothing is measured.")
        return
    device = torch.cuda.get_device_name()
    print(f"{asked.runs} runs, batch {asked.batch}, {device}, torch {torch.__version__}")
    table = measure(asked.runs, asked.batch)
    if asked.json:
        about = {"device": device, "torch": torch.__version__, "runs": asked.runs, "batch": asked.batch}
        asked.json.write_text(json.dumps({**about, "table": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
