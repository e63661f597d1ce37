"""What a surrogate sample costs: time and memory for each kind, in memory and on disk, and the reading around it.

    python benchmarks/surrogates.py [--tokens N] [--dimensions D] [--folder FOLDER]

The real rows are a float32 .npy file in FOLDER (default: a temporary one), mapped and not held. Every figure is of a
process of its own: CPU-seconds in all threads, seconds on the clock, and the largest memory that is no page of a file.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from _machine import machine

from reseed import open_activations, surrogate, write_surrogate
from reseed._support.machine import own_memory
from reseed.activations import SURROGATES

_ROWS = 1 << 16


def make(file: Path, tokens: int, dimensions: int) -> None:
    """Student rows of eight degrees of freedom, block by block."""
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(tokens, dimensions))
    dice = np.random.default_rng(0)
    for start in range(0, tokens, _ROWS):
        block = rows[start : start + _ROWS]
        lengths = np.sqrt(8 / dice.chisquare(8, len(block))).astype(np.float32)
        block[:] = dice.standard_normal(block.shape, dtype=np.float32) * lengths[:, None]
    rows.flush()


class Most:
    """The largest memory of this process while it is asked ten times a second."""

    def __init__(self) -> None:
        """Begin to ask."""
        self.bytes, self._end = own_memory(), threading.Event()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        while not self._end.wait(0.1):
            self.bytes = max(self.bytes, own_memory())


def measure(file: Path, what: str) -> None:
    """Print what one thing costs beyond opening the activations."""
    real = open_activations(file)
    before, most, cpu, wall = own_memory(), Most(), time.process_time(), time.perf_counter()
    kind, _, place = what.partition(" ")
    if what == "opening":
        open_activations(file)
    elif place == "as a store":
        write_surrogate(real, file.parent / f"{kind}-store", kind, progress=False)
    else:
        surrogate(real, kind, folder=file.parent if place else None)
    spent, passed = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{what:28}{spent:9.1f} CPU-s{passed:9.1f} s{(most.bytes - before) / 1e9:9.2f} GB", flush=True)


def main() -> None:
    """Measure everything, or the one thing that a process of ours was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.what:
        measure(asked.folder / "acts.npy", asked.what)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        make(Path(name) / "acts.npy", asked.tokens, asked.dimensions)
        print(f"{asked.tokens:,} x {asked.dimensions}; {torch.get_num_threads()} threads; {machine()['processor']}")
        places = ("", " on disk", " as a store")
        for what in ("opening", *(f"{kind}{place}" for kind in SURROGATES for place in places)):
            subprocess.run([sys.executable, __file__, "--folder", name, "--what", what], check=True)  # noqa: S603 (this very script)


if __name__ == "__main__":
    main()
