"""What torch's options cost for each part of a top-k autoencoder's step; `reseed.kernels.sparse` uses the winners.

    python benchmarks/kernels.py [--threads N]

Every option is checked against the dense product first. Times are the best of several, in milliseconds.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from reseed import kernels

BATCH, D_MODEL = 1024, 576
SIZES = [(512, 16), (1024, 32), (2048, 32)]


def best_of(call: Callable[[], object], *, times: int = 9) -> float:
    """The shortest time that a call took, in milliseconds."""
    call()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return 1e3 * min(taken)


def options(n_atoms: int, k: int) -> dict[str, dict[str, Callable[[], Tensor]]]:
    """For each part the ways to compute it, the dense formula first."""
    chance = torch.Generator().manual_seed(0)
    x, g = (torch.randn(1, BATCH, D_MODEL, generator=chance) for _ in range(2))
    encoder, atoms = (torch.randn(1, n_atoms, D_MODEL, generator=chance) / D_MODEL**0.5 for _ in range(2))
    bias = torch.zeros(1, n_atoms)
    codes = kernels.encode_topk(x, encoder, bias, k=k)
    values, indices = codes.values[0], codes.indices[0]
    flat, dense = indices.flatten(), kernels.densify(codes, n_atoms=n_atoms)[0]
    starts = torch.arange(0, BATCH * k + 1, k)
    csr = torch.sparse_csr_tensor(starts, flat, values.flatten(), (BATCH, n_atoms), check_invariants=False)
    pattern = torch.sparse_csr_tensor(starts, flat, torch.zeros(BATCH * k), (BATCH, n_atoms), check_invariants=False)
    activations = torch.relu(x[0] @ encoder[0].T)

    def by_index_add() -> Tensor:
        products = (values.unsqueeze(-1) * g[0].unsqueeze(1)).flatten(0, 1)
        return torch.zeros(n_atoms, D_MODEL).index_add_(0, flat, products)

    return {
        "encode": {
            "product only": lambda: torch.relu(x[0] @ encoder[0].T),
            "top-k only": lambda: activations.topk(k).values,
            "stable sort only": lambda: activations.sort(stable=True, descending=True).values,
            "reseed": lambda: kernels.encode_topk(x, encoder, bias, k=k).values[0],
        },
        "decode": {
            "dense": lambda: dense @ atoms[0],
            "CSR": lambda: csr @ atoms[0],
            "embedding_bag": lambda: embedding_bag(indices, atoms[0], per_sample_weights=values, mode="sum"),
            "reseed": lambda: kernels.decode(codes, atoms)[0],
        },
        "code gradients": {
            "dense": lambda: (g[0] @ atoms[0].T).gather(1, indices),
            "gathered atoms": lambda: torch.einsum("bkd,bd->bk", atoms[0][indices], g[0]),
            "sampled_addmm": lambda: torch.sparse.sampled_addmm(pattern, g[0], atoms[0].T, beta=0).values().view(-1, k),
            "reseed": lambda: kernels.code_gradients(codes, atoms, g)[0],
        },
        "row gradients": {
            "dense": lambda: dense.T @ g[0],
            "index_add": by_index_add,
            "CSR transposed": lambda: csr.to_sparse_coo().T.to_sparse_csr() @ g[0],
            "reseed": lambda: kernels.row_gradients(codes, codes.values, g, n_atoms=n_atoms)[0],
        },
    }


def main() -> None:
    """Print one table per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    print(f"batch {BATCH}, d_model {D_MODEL}, {torch.get_num_threads()} threads, float32, milliseconds")
    for n_atoms, k in SIZES:
        print(f"\n{n_atoms} atoms, k = {k}")
        for part, ways in options(n_atoms, k).items():
            expected = next(iter(ways.values()))()
            for name, way in ways.items():
                if part != "encode":
                    torch.testing.assert_close(way(), expected, rtol=1e-3, atol=1e-3)
                print(f"  {part:15s} {name:16s} {best_of(way):8.2f}")


if __name__ == "__main__":
    main()
