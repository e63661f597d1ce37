"""k-means starts and exact matchings on a GPU: 32,768 points of a million rows, 32,768 and 131,072 atoms a side.

    python benchmarks/on_gpu/starts.py [--rows N] [--points N] [--json FILE]

The matchings are of planted dictionaries: half of the atoms come back with noise, the others do not. The gap to the
certified bound is printed beside the time, the time of the bare product of that size on the device, and for the smaller
ones what the same matching takes on the machine's CPU.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from _common import DEVICE, planted_on_device, seconds_since, write

from reseed.matching import match
from reseed.starts.lloyd import kmeans

MATCHINGS = ((32768, 768, True), (32768, 4096, False), (131072, 4096, False))
"""n_atoms, d_model, and whether the CPU does it as well"""


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=32768)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--d-model", type=int, default=768)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = planted_on_device(asked.rows, asked.d_model, n_atoms=4096, active=16)
    kmeans(rows[: 4 * asked.points], asked.points, steps=1, rolled=0)  # warms up
    begun = time.perf_counter()
    found = kmeans(rows, asked.points, steps=asked.steps, rolled=0)
    clustered = seconds_since(begun)
    print(f"k-means: {asked.points} points of {asked.rows} rows, {found.steps} steps in {clustered:.2f} s", flush=True)
    del rows
    match(*pair_of(2048, asked.d_model))  # compiles what runs on the CPU
    figures = {name: value for name, value in vars(asked).items() if name != "json"}
    figures |= {"cores": os.cpu_count(), "kmeans_seconds": clustered, "matchings": []}
    for n_atoms, d_model, on_cpu in MATCHINGS:
        figures["matchings"].append(matched(n_atoms, d_model, on_cpu=on_cpu))
        write(asked.json, figures)


def matched(n_atoms: int, d_model: int, *, on_cpu: bool) -> dict[str, float]:
    """What one matching takes, printed as well."""
    a, b = pair_of(n_atoms, d_model)
    time_of_product(a, b)  # warms up
    product = time_of_product(a, b)
    begun = time.perf_counter()
    matching = match(a, b)
    row = {"n_atoms": n_atoms, "d_model": d_model, "product": product, "seconds": seconds_since(begun)}
    row |= {"gap": matching.gap, "agreement": matching.agreement}
    if on_cpu:
        there = a.cpu(), b.cpu()
        begun = time.perf_counter()
        same = match(*there)
        row |= {"cpu_seconds": time.perf_counter() - begun, "cpu_agreement": same.agreement}
    print("matching:", ", ".join(f"{name} {value:.9g}" for name, value in row.items()), flush=True)
    return row


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
