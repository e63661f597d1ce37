"""What whole training costs on a GPU: reseed's runs side by side, and its peers' one run, on the same activations.

    python benchmarks/on_gpu/training.py [--json FILE] [--steps N] [--only PART]

Printed are tokens per second of one run and of all runs together, the R² that each reaches on held-out tokens after all
its steps, and the most memory that it took. Steps that warm up are trained as well, and not measured. `reseed` is the
update that `reseed run` makes, as one stack; each peer is its own model, loss and training step (see `_peers.py`).
Activations are planted, on the device before anything is measured: what reading costs, `study.py` shows.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _common import DEVICE, planted_on_device, seconds_since, write
from jaxtyping import Float
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1]))

from _contenders import Contender, Family, Task
from _peers import DictionaryLearning, Overcomplete, Sparsify
from _reseed import Run

from reseed.kernels import compress
from reseed.methods import Schedule, State, parse

TOPK: Family = "topk"
SIZES = [(16384, 768, 64, TOPK), (32768, 768, 32, TOPK), (16384, 2304, 64, TOPK), (65536, 2048, 64, TOPK)]
"""n_atoms, d_model, k, family"""
ARCHETYPAL = (4096, 768, 32, "ra-topk")
BATCH, N_BATCHES, HELDOUT = 4096, 32, 4096
WARM = 8
ROW = "  {:24} {:>12} {:>14} {:>8} {:>9}"


class Entry(NamedTuple):
    """A row of the table."""

    name: str
    make: Callable[[Task], Contender]
    runs: int = 1


class Stacked:
    """Runs of a method as one stack: one launch of every kernel for all of them, as `reseed run` has them on a GPU."""

    def __init__(self, task: Task, family: Family, *, runs: int) -> None:
        on_cpu = Task(task.rows[: 8 * BATCH].cpu(), task.points.cpu(), *(getattr(task, name) for name in _REST))
        with ThreadPoolExecutor(runs) as pool:
            alone = list(pool.map(partial(_begun, on_cpu, family), range(runs)))
        self.method, self.step = alone[0].method, 0
        self.state: State = {}
        for name in list(alone[0].state):  # one entry at a time: what is joined is gone from the machine's memory
            self.state[name] = torch.cat([run.state.pop(name).to(DEVICE) for run in alone])
        self.runs, self.idle = runs, torch.zeros(runs, task.n_atoms, dtype=torch.int64, device=DEVICE)

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One update of every run per batch; whether all went well is asked for every time, as in `reseed run`."""
        for x in batches:
            outcome = self.method.update(self.state, x.expand(self.runs, -1, -1), Schedule(self.step, n_steps=10**9))
            self.step += 1
            self.idle = torch.where(outcome.fired, 0, self.idle + 1)
            if not outcome.loss.isfinite().all():
                raise ArithmeticError(f"not finite at step {self.step}")

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """What the first run makes of activations."""
        parameters = {name: tensor[:1] for name, tensor in self.method.parameters(self.state).items()}
        return self.method.decode(parameters, compress(self.method.encode(parameters, x.unsqueeze(0))))[0]


_REST = ("n_atoms", "k", "batch_size", "steps", "learning_rate")


def _begun(task: Task, family: Family, number: int) -> Run:
    rate = task.learning_rate[family]
    settings = {"kind": family, "n_atoms": task.n_atoms, "k": task.k, "learning_rate": rate}
    return Run(parse(settings), task, number)


def entries(family: Family, runs: list[int]) -> list[Entry]:
    """Reseed's rows, then its peers'."""
    ours = [Entry(f"reseed, {n} run{'s' * (n > 1)}", partial(Stacked, family=family, runs=n), n) for n in runs]
    overcomplete = Entry("overcomplete", partial(Overcomplete, family=family))
    if family == "ra-topk":
        return [*ours, overcomplete]
    return [*ours, Entry("sparsify", Sparsify), Entry("dictionary_learning", DictionaryLearning), overcomplete]


def measured(entry: Entry, task: Task, heldout: Tensor) -> dict[str, Any]:
    """One row."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    contender = entry.make(task)
    made = seconds_since(begun)
    contender.train(_batches(task, 0, WARM))
    batches = _batches(task, WARM, task.steps)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    contender.train(batches)
    seconds = seconds_since(begun)
    each = (task.steps - WARM) * task.batch_size / seconds
    return {
        "contender": entry.name,
        "runs": entry.runs,
        "tokens_per_second_of_a_run": each,
        "tokens_per_second": each * entry.runs,
        "milliseconds_per_step": 1e3 * seconds / (task.steps - WARM),
        "seconds_to_begin": made,
        "r2": _r2(contender, heldout, task),
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
    }


def _batches(task: Task, first: int, last: int) -> Float[Tensor, "steps batch d_model"]:
    """The rows, over and over."""
    every = task.rows.unflatten(0, (N_BATCHES, BATCH))
    return every[torch.arange(first, last, device=DEVICE) % N_BATCHES] if last > N_BATCHES else every[first:last]


@torch.no_grad()
def _r2(contender: Contender, heldout: Tensor, task: Task) -> float:
    residual = torch.cat([x - contender.reconstruct(x) for x in heldout.split(512)])
    return 1 - (residual.square().sum() / (heldout - task.rows.mean(0)).square().sum()).item()


def rows_of(size: tuple[int, int, int, Family], runs: list[int], steps: int) -> Iterator[dict[str, Any]]:
    """The table of one size, printed as it comes; what fails is said, and the others go on."""
    n_atoms, d_model, k, family = size
    print(f"\n{family}, {n_atoms} atoms, d_model {d_model}, k = {k}, batch {BATCH}, {steps} steps", flush=True)
    print(ROW.format("", "tokens/s, run", "tokens/s, all", "R2", "GiB"))
    rows = planted_on_device(N_BATCHES * BATCH + HELDOUT, d_model, n_atoms=n_atoms // 4, active=k // 2)
    rates: dict[Family, float] = {"topk": 1e-3, "ra-topk": 5e-4}
    task = Task(rows[:-HELDOUT], rows[:n_atoms], n_atoms, k, BATCH, steps, rates)
    for entry in entries(family, runs):
        about = {"family": family, "n_atoms": n_atoms, "d_model": d_model, "k": k, "batch": BATCH, "steps": steps}
        try:
            row = measured(entry, task, rows[-HELDOUT:])
        except Exception as error:  # noqa: BLE001 (a peer that is not there or runs out of memory is a row as well)
            print(f"  {entry.name:24} {type(error).__name__}: {str(error)[:200]}", flush=True)
            yield {**about, "contender": entry.name, "failed": f"{type(error).__name__}: {error}"}
            continue
        each, every = (f"{row[name]:,.0f}" for name in ("tokens_per_second_of_a_run", "tokens_per_second"))
        print(ROW.format(entry.name, each, every, f"{row['r2']:.4f}", f"{row['peak_gib']:.1f}"), flush=True)
        yield {**about, **row}


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--steps", type=int, default=128, help="updates of each contender (default: 128)")
    parser.add_argument("--runs", type=int, nargs="*", default=[1, 4, 8], help="runs side by side (default: 1 4 8)")
    asked = parser.parse_args()
    table: list[dict[str, Any]] = []
    for size in (*SIZES[:2], ARCHETYPAL, *SIZES[2:]):
        for row in rows_of(size, asked.runs, asked.steps):
            table.append(row)
            write(asked.json, {"table": table})


if __name__ == "__main__":
    main()
