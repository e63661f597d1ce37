"""What it costs to say which features come back, at the sizes of published dictionaries.

python benchmarks/features.py [--atoms 16384] [--runs 6] [--width 768] [--json FILE]

Dictionaries of which a third is common to all runs, a third to two of them and the rest their own, each with noise and
in an order of its own; without codes, since making them is the encoder's cost and not that of this. Random directions
are the null, so three more dictionaries are drawn and matched. Prints CPU and wall seconds, the largest memory, and how
many classes were found in how many runs beside how many were planted.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from _machine import machine

from reseed.dice import generator, roll
from reseed.reappearance import find_features

JITTER = 0.3


def dictionary(run: int, n_atoms: int, width: int) -> torch.Tensor:
    """Of one run: the common third, the third of pairs of runs, its own, in an order of its own."""

    def drawn(*name: str | int) -> torch.Tensor:
        found = torch.randn(n_atoms // 3, width, generator=generator(roll("points", "benchmark", *name)))
        return torch.nn.functional.normalize(found, dim=1)

    own = torch.randn(n_atoms - 2 * (n_atoms // 3), width, generator=generator(roll("points", "benchmark", "own", run)))
    atoms = torch.cat([drawn("all"), drawn("two", run // 2), torch.nn.functional.normalize(own, dim=1)])
    noise = torch.randn(atoms.shape, generator=generator(roll("points", "benchmark", "noise", run)))
    atoms += JITTER * torch.nn.functional.normalize(noise, dim=1)
    return atoms[torch.randperm(n_atoms, generator=generator(roll("points", "benchmark", "order", run)))]


def main() -> None:
    """One size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, default=16384)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    given = [dictionary(run, asked.atoms, asked.width) for run in range(asked.runs)]
    wall, cpu = time.perf_counter(), time.process_time()
    found = find_features(*given, labels=[f"run{run}" for run in range(asked.runs)])
    figures = {
        "atoms": asked.atoms,
        "runs": asked.runs,
        "width": asked.width,
        "cpu_s": round(time.process_time() - cpu, 1),
        "wall_s": round(time.perf_counter() - wall, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "table_mib": round(found.table.estimated_size() / 2**20, 1),
        "frequencies": found.document.recipes[0].recapture.frequencies,
        "machine": machine(),
    }
    print(json.dumps(figures, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
