"""How much two dictionaries agree, and how much of it geometry would give anyway.

Usage:  python examples/compare_two_dictionaries.py A.safetensors B.safetensors [ACTIVATIONS]

Each file holds one matrix, or one called "atoms", with atoms as rows. With activations (a store, a matrix or a folder)
the data floor is measured as well. Without arguments, two noisy copies of one dictionary are compared.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file

import reseed
from reseed._support.numbers import rounded
from reseed.statistics import floor_adjusted

DRAWS = 3


def main(paths: list[str]) -> None:
    """Print the agreement of two dictionaries beside its floors."""
    a, b = (_dictionary(path) for path in paths[:2]) if paths else _copies()
    matching = reseed.match(a, b)
    floors = {"random directions": reseed.floors.isotropic(a.shape[1], min(len(a), len(b)))}
    if len(paths) > 2:  # noqa: PLR2004 (the third is the activations)
        floors["activations"] = _data_floor(paths[2], min(len(a), len(b)))
    print(f"matched agreement {rounded(matching.agreement, 3)} of {len(matching.rows)} pairs")
    print(f"coverage {rounded(matching.row_coverage)} and {rounded(matching.col_coverage)}")
    for name, floor in floors.items():
        adjusted = floor_adjusted(matching.agreement, floor)
        print(f"floor {rounded(floor, 3)} ({name}): adjusted {rounded(adjusted, 3)}")
    best = reseed.measures.mmcs(matching)
    print(f"mean best cosine {rounded(best.forward, 3)} and {rounded(best.backward, 3)}")


def _dictionary(path: str) -> torch.Tensor:
    tensors = load_file(path)
    return tensors["atoms"] if "atoms" in tensors else next(iter(tensors.values()))


def _copies() -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    atoms = torch.randn(256, 64, generator=chance)
    a, b = (atoms + 0.5 * torch.randn(256, 64, generator=chance) for _ in range(2))
    return a, b


def _data_floor(source: str, n_atoms: int) -> float:
    """The agreement of random activations, taken as dictionaries."""
    activations = reseed.open_activations(source)
    draws = [
        activations.rows(torch.randperm(activations.n_tokens, generator=torch.Generator().manual_seed(draw))[:n_atoms])
        for draw in range(DRAWS)
    ]
    return reseed.floors.from_draws(draws, policy="data").value


if __name__ == "__main__":
    main(sys.argv[1:])
