"""How long two dictionaries take to match: reseed, scipy and lap, beside the one product that all of them need.

    python benchmarks/matching.py [--sizes 1024 4096] [--large] [--huge] [--threads N] [--times N] [--json FILE]

Every size is matched in four regimes. What is timed runs in turns, and medians count, in seconds of the wall clock and
of the processor. "product" is all cosines in float32, block by block and thrown away. scipy and lap include theirs, in
float64. `loss` is how far the agreement is below scipy's. With --huge the peak memory of one more size is measured.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _machine import machine, versions
from scipy.optimize import linear_sum_assignment
from torch import Tensor

import reseed
from reseed._support.products import row_products
from reseed.matching import cosines
from reseed.matching.products import parallel_map

try:
    import lap
except ImportError:
    lap = None

SIZES, LARGE, HUGE = [1024, 4096], 16384, 32768
DENSE_AT_MOST = 4096  # atoms up to which scipy and lap run in every regime
BLOCK = 2**22
SMALL = 1e-4  # below which numbers are shown with their exponent


def independent(n: int, d: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Nothing in common."""
    return torch.randn(n, d, generator=chance), torch.randn(n, d, generator=chance)


def noisy_copy(n: int, d: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same atoms with noise, in another order."""
    a, noise = independent(n, d, chance)
    return a, (a + 0.7 * noise)[torch.randperm(n, generator=chance)]


def half_shared(n: int, d: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half the atoms with noise, half others."""
    a, b = independent(n, d, chance)
    b[: n // 2] = a[: n // 2] + 0.5 * b[: n // 2]
    return a, b[torch.randperm(n, generator=chance)]


def clustered(n: int, d: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clusters whose sizes differ between the sides, so that many atoms are left without one of their cluster."""
    centres = torch.randn(max(2, n // 128), d, generator=chance)
    sides = []
    for _ in range(2):
        sizes = torch.rand(len(centres), generator=chance) ** 3 + 0.02
        members = torch.multinomial(sizes, n, replacement=True, generator=chance)
        sides.append(centres[members] + 0.5 * torch.randn(n, d, generator=chance))
    return sides[0], sides[1]


def seed_pair(n: int, d: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """As seeds of large dictionaries look: half shared, some atoms split into two to four, one in a hundred dead."""
    a, b = independent(n, d, chance)
    half, split = n // 2, n // 16
    b[:half] = a[:half] + 0.5 * b[:half]
    for one, other, begin in ((a, b, half), (b, a, half + 3 * split)):  # of each side's own atoms
        parts = torch.randint(2, 5, (split,), generator=chance)
        whole = torch.arange(begin, begin + split).repeat_interleave(parts)[: 3 * split]
        other[begin : begin + len(whole)] = one[whole] + 0.6 * other[begin : begin + len(whole)]
    for side in (a, b):
        side[torch.randperm(n, generator=chance)[: n // 100]] = 0.0
    return a, b[torch.randperm(n, generator=chance)]


REGIMES = {"independent": independent, "noisy copy": noisy_copy, "half shared": half_shared, "clustered": clustered}


def one_product(a: Tensor, b: Tensor) -> None:
    """All cosines in float32, block by block."""
    height = max(64, min(1024, BLOCK // len(b)))

    def one_block(begin: int) -> None:
        row_products(a[begin : begin + height], b)

    with parallel_map() as parallel:
        list(parallel(one_block, range(0, len(a), height)))


def by_scipy(a: Tensor, b: Tensor) -> float:
    """The agreement, from the whole matrix."""
    similarity = cosines(a, b).numpy()
    return float(similarity[linear_sum_assignment(similarity, maximize=True)].mean())


def by_lap(a: Tensor, b: Tensor) -> float:
    """The same."""
    similarity = cosines(a, b).numpy()
    cost, _, _ = lap.lapjv(1.0 - similarity)
    return float(1.0 - cost / len(similarity))


def timed(call: Callable[[], object]) -> tuple[float, float, object]:
    """Seconds of the wall clock and of the processor, and what came back."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - processor, result


def measure(n: int, d: int, name: str, times: int) -> dict[str, object]:
    """One row of the table."""
    a, b = REGIMES[name](n, d, torch.Generator().manual_seed(0))
    calls = {"product": lambda: one_product(a, b), "reseed": lambda: reseed.match(a, b)}
    dense = n <= DENSE_AT_MOST or name == "independent"
    if dense:
        calls["scipy"] = lambda: by_scipy(a, b)
        if lap is not None:
            calls["lap"] = lambda: by_lap(a, b)
    taken = {call: [] for call in calls}
    results = {}
    for _ in range(times if n <= DENSE_AT_MOST else 1):
        for call, run in calls.items():
            wall, processor, results[call] = timed(run)
            taken[call].append((wall, processor))
    matching = results["reseed"]
    row = {"n": n, "d": d, "regime": name, "agreement": matching.agreement, "gap": matching.gap}
    for call, pairs in taken.items():
        row[call], row[f"{call} cpu"] = (statistics.median(values) for values in zip(*pairs, strict=True))
    row["products"] = row["reseed"] / row["product"]
    row["loss"] = results["scipy"] - matching.agreement if dense else None
    return row


COLUMNS = ["n", "regime", "product", "reseed", "reseed cpu", "products", "scipy", "lap", "gap", "loss"]


def shown(value: object) -> str:
    """A cell of the table."""
    if isinstance(value, float):
        return f"{value:11.1e}" if abs(value) < SMALL else f"{value:11.4f}"
    return f"{'' if value is None else value:>11}"


def main() -> None:
    """Print the table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--d-model", type=int, default=768)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--large", action="store_true", help=f"also {LARGE} atoms, where scipy needs half a minute")
    parser.add_argument("--huge", action="store_true", help=f"also {HUGE} atoms, for the peak memory")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    where = machine()
    reseed.match(*independent(600, 32, torch.Generator()))  # compiles the loops
    print(f"d_model {given.d_model}, {given.threads} threads, seconds; products = reseed / product")
    print("".join(f"{column:>11}" for column in COLUMNS))
    rows = []
    if given.huge:  # first: the peak is that of the process
        a, b = independent(HUGE, given.d_model, torch.Generator().manual_seed(0))
        wall, _, matching = timed(lambda: reseed.match(a, b))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{HUGE:>11}  reseed {wall:.1f} s, gap {matching.gap:.1e}, peak memory of the process {peak:.2f} GiB")
        rows.append({"n": HUGE, "regime": "independent", "reseed": wall, "gap": matching.gap, "peak GiB": peak})
    for n in given.sizes + [LARGE] * given.large:
        for name in REGIMES:
            rows.append(measure(n, given.d_model, name, given.times))
            print("".join(shown(rows[-1].get(column)) for column in COLUMNS), flush=True)
    if given.json:
        found = {"d_model": given.d_model, "machine": where, "versions": versions("scipy", "lapx"), "rows": rows}
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
