"""How matching grows up to the largest public pairs of seeds: time beside the product that it needs, memory and gap.

    python benchmarks/seeds.py [SIZE ...] [--d-model D] [--threads N] [--resume FOLDER] [--json FILE]

Every size is matched in a process of its own, so that the peak of its memory is its own. "product" is all cosines in
float32, block by block and thrown away: a sixteenth of its rows before the matching and as many after it, times eight.
With --resume what was surveyed lies in that folder, with a log, and a process that was killed goes on from there. The
file keeps the sizes that it has and that are not asked for.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from _machine import machine, versions

import reseed
from matching import independent, one_product, seed_pair, timed

SIZES = [16384, 32768, 65536, 131072, 262144]
SHARE = 16  # of the rows of the product, before and after


def measure(n: int, d: int, threads: int, resume: Path | None) -> dict[str, object]:
    """One row of the table."""
    torch.set_num_threads(threads)
    load = os.getloadavg()[0]
    reseed.match(*independent(8192, 16, torch.Generator()))  # compiles the loops
    a, b = seed_pair(n, d, torch.Generator().manual_seed(0))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    part = n // SHARE
    before = timed(lambda: one_product(a[:part], b))
    wall, processor, matching = timed(lambda: reseed.match(a, b, resume=resume))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    after = timed(lambda: one_product(a[-part:], b))
    product, product_cpu = ((before[i] + after[i]) * SHARE / 2 for i in (0, 1))
    return {
        "n": n,
        "d": d,
        "threads": threads,
        "load before": load,
        "product": product,
        "product cpu": product_cpu,
        "reseed": wall,
        "reseed cpu": processor,
        "products": wall / product,
        "products cpu": processor / product_cpu,
        "gap": matching.gap,
        "agreement": matching.agreement,
        "held GiB": held,
        "peak GiB": peak,
    }


def in_a_process(n: int, given: argparse.Namespace) -> dict[str, object]:
    """The same, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        asked = ["--d-model", str(given.d_model), "--threads", str(given.threads), "--alone", str(found)]
        resumed = [] if given.resume is None else ["--resume", str(given.resume)]
        subprocess.run([sys.executable, __file__, str(n), *asked, *resumed], check=True)  # noqa: S603 (this file)
        return json.loads(found.read_text(encoding="utf-8"))


def keep(row: dict[str, object], file: Path) -> None:
    """Put a row into the file, in the place of what it had of this size."""
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
    rows = sorted([each for each in rows if each["n"] != row["n"]] + [row], key=lambda each: each["n"])
    found = {"machine": machine(), "versions": versions(), "rows": rows}
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print a line for every size, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--d-model", type=int, default=640)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        row = measure(given.sizes[0], given.d_model, given.threads, given.resume)
        given.alone.write_text(json.dumps(row), encoding="utf-8")
        return
    for n in given.sizes:
        row = in_a_process(n, given)
        print(", ".join(f"{name} {value:,.4g}" for name, value in row.items()), flush=True)
        if given.json:
            keep(row, given.json)


if __name__ == "__main__":
    main()
