"""k-means starts and exact matchings on a GPU: 32,768 points of a million rows, 32,768 atoms a side.

    python benchmarks/on_gpu/starts.py [--rows N] [--points N] [--atoms N] [--d-model N] [--json FILE]

The matching is of planted dictionaries: half of the atoms come back with noise, the others do not. Its gap to the
certified bound is printed beside the time, and the time of the bare product of that size on the device.
"""

import argparse
import time
from pathlib import Path

import torch
from _common import DEVICE, planted_on_device, seconds_since, write

from reseed.matching import match
from reseed.starts.lloyd import kmeans


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=32768)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--atoms", type=int, default=32768)
    parser.add_argument("--d-model", type=int, default=768)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = planted_on_device(asked.rows, asked.d_model, n_atoms=4096, active=16)
    kmeans(rows[: 4 * asked.points], asked.points, steps=1, rolled=0)  # warms up
    begun = time.perf_counter()
    found = kmeans(rows, asked.points, steps=asked.steps, rolled=0)
    clustered = seconds_since(begun)
    print(f"k-means: {asked.points} points of {asked.rows} rows, {found.steps} steps in {clustered:.2f} s")
    del rows
    match(*pair_of(64, asked.d_model))  # compiles what runs on the CPU
    a, b = pair_of(asked.atoms, asked.d_model)
    product = time_of_product(a, b)
    begun = time.perf_counter()
    matching = match(a, b)
    matched = seconds_since(begun)
    on_cpu = a.cpu(), b.cpu()
    begun = time.perf_counter()
    same = match(*on_cpu)
    cpu = time.perf_counter() - begun
    print(
        f"matching {asked.atoms} x {asked.d_model}: {matched:.2f} s, on the CPU {cpu:.2f} s, the product alone on the "
        f"device {product:.3f} s; agreement {matching.agreement:.9f}, on the CPU {same.agreement:.9f}, gaps "
        f"{matching.gap:.1e} and {same.gap:.1e}"
    )
    figures = {"kmeans_seconds": clustered, "match_seconds": matched, "match_cpu_seconds": cpu, "product": product}
    figures["gap"] = matching.gap
    sizes = {name: value for name, value in vars(asked).items() if name != "json"}
    write(asked.json, {**sizes, **figures})


def pair_of(n_atoms: int, d_model: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two dictionaries: the first half of the atoms is shared up to noise, in another order."""
    chance = torch.Generator(DEVICE).manual_seed(0)
    a, b = (torch.randn(n_atoms, d_model, generator=chance, device=DEVICE) for _ in range(2))
    half = n_atoms // 2
    b[:half] = a[:half] + 0.5 * b[:half]
    return a, b[torch.randperm(n_atoms, generator=chance, device=DEVICE)]


def time_of_product(a: torch.Tensor, b: torch.Tensor) -> float:
    """Seconds of all cosines in float32, block by block."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for block in a.split(4096):
        (block @ b.T).amax(1)
    return seconds_since(begun)


if __name__ == "__main__":
    main()
