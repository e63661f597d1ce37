"""What training a dictionary costs with reseed and with its peers: same data, batches, steps and learning rate.

    make bench-peers                            reseed and every peer, in an environment made for them
    python benchmarks/training.py               reseed and the peers that are installed
    python benchmarks/training.py --shape small --rounds 2
    python benchmarks/training.py --families batchtopk --json FILE   only these; what FILE says of others stays in it

Contenders take turns: a chunk of steps each, round after round, and go on from where they were. The first round warms
up and is not measured. Printed are medians over rounds, per 100,000 tokens and run, and the R² that each contender
reaches on held-out tokens after all its steps: fast and wrong does not count. Everything is float32 on the CPU.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _contenders import Contender, Family, Shape, Task
from _machine import machine, versions
from _peers import DictionaryLearning, Overcomplete, SAELens, Sparsify
from _reseed import Reseed
from jaxtyping import Float
from torch import Tensor

from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.dice import generator

FORMAT_VERSION = 1
"""1: the first."""

PER = 100_000
HELDOUT = 8192
RATES: dict[Family, float] = {
    "topk": 1e-3,
    "batchtopk": 1e-3,
    "matryoshka": 1e-3,
    "jumprelu": 1e-3,
    "gated": 1e-3,
    "mp": 1e-3,
    "ra-topk": 5e-4,
    "ra-jumprelu": 5e-4,
    "transcoder": 1e-2,
}
PUBLISHED: tuple[Family, ...] = ("topk", "ra-topk")
"""The families that are measured if nobody asks for others."""
LIBRARIES = {
    "dictionary_learning": ("dictionary-learning", DictionaryLearning),
    "overcomplete": ("overcomplete", Overcomplete),
    "SAELens": ("sae-lens", SAELens),
    "sparsify": ("eai-sparsify", Sparsify),
}
"""Packages and contenders of the families below."""
TARGET = "mean squared error and the squared distance of the active atoms from k"
CALLED: dict[Family, dict[str, str]] = {
    "batchtopk": {
        "dictionary_learning": "`BatchTopKTrainer.update`",
        "overcomplete": "`train_sae` of `BatchTopKSAE`, mean squared error",
        "SAELens": "`SAETrainer.step` of `BatchTopKTrainingSAE`",
    },
    "matryoshka": {
        "dictionary_learning": "`MatryoshkaBatchTopKTrainer.update`",
        "SAELens": "`SAETrainer.step` of `MatryoshkaBatchTopKTrainingSAE`",
    },
    "jumprelu": {
        "dictionary_learning": "`JumpReluTrainer.update`",
        "overcomplete": f"`train_sae` of `JumpSAE`, {TARGET}",
        "SAELens": "`SAETrainer.step` of `JumpReLUTrainingSAE`, quadratic",
    },
    "gated": {
        "dictionary_learning": "`GatedSAETrainer.update`",
        "SAELens": "`SAETrainer.step` of `GatedTrainingSAE`",
    },
    "mp": {
        "overcomplete": "`train_sae` of `MpSAE`, mean squared error",
        "SAELens": "`SAETrainer.step` of `MatchingPursuitTrainingSAE`, k rounds",
    },
    "ra-jumprelu": {"overcomplete": f"`train_sae` of `RAJumpSAE`, {TARGET}"},
    "transcoder": {"sparsify": "`Trainer.fit` with Adam and `transcode`, from the first half of a row to the second"},
}
"""What is run of each library that has a family, of those that have one row for each."""


SHAPES = {"wide": Shape(256, 2048, 32, 4096, 8000), "small": Shape(64, 256, 8, 512, 1000)}


class Entry(NamedTuple):
    """A row of the table."""

    name: str
    family: Family
    package: str
    """what has to be installed"""
    how: str
    """what of the package is run"""
    make: Callable[[Task], Contender]
    runs: int = 1


@dataclass
class Measured:
    """What a contender took, chunk by chunk, in seconds."""

    entry: Entry
    contender: Contender
    task: Task
    heldout: Float[Tensor, "tokens d_model"]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def entries(runs: int) -> list[Entry]:
    """All contenders, reseed's first in each family."""
    ours = "the update of `reseed run`"
    overcomplete, lens = partial(Entry, package="overcomplete"), partial(Entry, package="sae-lens", family="topk")
    return [
        Entry("reseed topk", "topk", "reseed", ours, partial(Reseed, family="topk")),
        Entry(
            f"reseed topk, {runs} runs",
            "topk",
            "reseed",
            f"the same for {runs} runs side by side",
            partial(Reseed, family="topk", runs=runs),
            runs,
        ),
        Entry("sparsify", "topk", "eai-sparsify", "`Trainer.fit` with Adam", Sparsify),
        Entry("dictionary_learning", "topk", "dictionary-learning", "`TopKTrainer.update`", DictionaryLearning),
        overcomplete(
            name="overcomplete",
            family="topk",
            how="`train_sae` of `TopKSAE`, mean squared error",
            make=partial(Overcomplete, family="topk"),
        ),
        overcomplete(
            name="overcomplete, auxiliary loss",
            family="topk",
            how="`train_sae` of `TopKSAE`, `top_k_auxiliary_loss`",
            make=partial(Overcomplete, family="topk", auxiliary=True),
        ),
        lens(name="SAELens", how="`SAETrainer.step` of `TopKTrainingSAE`", make=SAELens),
        lens(
            name="SAELens, sparse activations",
            how="the same with `use_sparse_activations`, without `rescale_acts_by_decoder_norm`",
            make=partial(SAELens, sparse=True),
        ),
        Entry("reseed ra-topk", "ra-topk", "reseed", ours, partial(Reseed, family="ra-topk")),
        overcomplete(
            name="overcomplete, archetypal",
            family="ra-topk",
            how="`train_sae` of `RATopKSAE`, mean squared error",
            make=partial(Overcomplete, family="ra-topk"),
        ),
        *(row for family in CALLED for row in _one_each(family, ours)),
    ]


def _one_each(family: Family, ours: str) -> list[Entry]:
    """reseed, and each library that has the family."""
    rows = [Entry(f"reseed {family}", family, "reseed", ours, partial(Reseed, family=family))]
    for library, how in CALLED[family].items():
        package, make = LIBRARIES[library]
        rows.append(Entry(f"{library}, {family}", family, package, how, partial(make, family=family)))
    return rows


def main() -> None:
    """Measure, print a table, and write the figures where asked."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    where, shape = machine(), SHAPES[arguments.shape]
    asked = [entry for entry in entries(arguments.runs) if entry.family in arguments.families]
    steps = (arguments.rounds + 1) * arguments.steps
    tasks = {
        pairs: _task(shape, arguments.activations, steps=steps, pairs=pairs)
        for pairs in {_reads_half(entry.family) for entry in asked}
    }
    measured = []
    for entry in filter(_installed, asked):
        task, heldout = tasks[_reads_half(entry.family)]
        measured.append(Measured(entry, entry.make(task), task, heldout))
    for round_number in range(arguments.rounds + 1):
        chunks = {pairs: _chunk(task, round_number, arguments.steps) for pairs, (task, _) in tasks.items()}
        for each in measured:
            _measure(each, chunks[_reads_half(each.entry.family)], warm=round_number > 0)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    results = {
        "format_version": FORMAT_VERSION,
        "activations": "given" if arguments.activations else "planted",
        "shape": {**shape._asdict(), "d_model": _width(measured[0])},
        "steps": {"measured": arguments.rounds * arguments.steps, "all": steps, "rounds": arguments.rounds},
        "learning_rate": {family: RATES[family] for family in arguments.families},
        "machine": where,
        "versions": versions("reseed", "torch", "numpy", *sorted({each.entry.package for each in measured})),
        "contenders": [_figures(each, measured) for each in measured],
    }
    print(_table(results))
    if arguments.json:
        results = _beside(results, arguments.json, arguments.families)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="wide", help="sizes to measure (default: wide)")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds, after one that warms up (default: 7)")
    parser.add_argument("--steps", type=int, default=16, help="steps of a contender in a round (default: 16)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default: 1)")
    parser.add_argument("--runs", type=int, default=4, help="runs side by side in reseed's second row (default: 4)")
    parser.add_argument("--activations", type=Path, help="a folder that `reseed collect` made; default: planted ones")
    parser.add_argument(
        "--families", nargs="+", choices=RATES, default=PUBLISHED, help="of methods (default: topk ra-topk)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


def _reads_half(family: Family) -> bool:
    """Whether a family reads the first half of a row, and writes the second."""
    return family == "transcoder"


def _planted(shape: Shape, d_model: int) -> tuple[Tensor, Tensor]:
    """Sparse combinations of as many planted atoms as are looked for, with noise."""
    n_tokens = 16 * shape.batch_size
    rows = planted(n_tokens + HELDOUT, d_model, n_atoms=shape.n_atoms, active=shape.k // 2, noise=1.0, offset=1.0).rows
    return rows[:n_tokens], rows[n_tokens:]


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    seen = preprocessed(open_activations(folder), "none")
    return seen.rows(torch.arange(seen.n_tokens)), seen.heldout.rows[:HELDOUT]


def _in_one_unit(rows: Tensor, heldout: Tensor) -> tuple[Tensor, Tensor]:
    """Divided by the root mean square distance of a training row to their mean: peers start sensibly in that unit."""
    scale = (rows - rows.mean(0)).square().sum(1).mean().sqrt()
    return rows / scale, heldout / scale


def _task(shape: Shape, folder: Path | None, *, steps: int, pairs: bool) -> tuple[Task, Tensor]:
    """The task and held-out rows; planted ones that are read and written in halves are as wide in each."""
    rows, heldout = _in_one_unit(*(_read(folder) if folder else _planted(shape, shape.d_model * (2 if pairs else 1))))
    order = torch.randperm(len(rows), generator=generator(0))
    task = Task(
        rows=rows,
        points=rows[order[: shape.n_points]],
        n_atoms=shape.n_atoms,
        k=shape.k,
        batch_size=shape.batch_size,
        steps=steps,
        learning_rate=RATES,
    )
    return task, heldout


def _width(each: Measured) -> int:
    """Dimensions of what a contender writes."""
    return each.task.d_model // (2 if _reads_half(each.entry.family) else 1)


def _installed(entry: Entry) -> bool:
    """Whether the contender's package is there; says where to get it where it is not."""
    try:
        version(entry.package)
    except PackageNotFoundError:
        print(f"left out: {entry.name} ({entry.package} is not installed; `make bench-peers` has it)", file=sys.stderr)
        return False
    return True


def _chunk(task: Task, round_number: int, steps: int) -> Float[Tensor, "steps batch d_model"]:
    """The batches of a round: training rows in a new random order each time they have all been read."""
    chunk = torch.arange(round_number * steps * task.batch_size, (round_number + 1) * steps * task.batch_size)
    index = torch.empty_like(chunk)
    for epoch in (chunk // len(task.rows)).unique().tolist():
        order = torch.randperm(len(task.rows), generator=generator(1, epoch))
        now = chunk // len(task.rows) == epoch
        index[now] = order[chunk[now] % len(task.rows)]
    return task.rows[index].view(steps, task.batch_size, -1)


def _measure(each: Measured, chunk: Tensor, *, warm: bool) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    each.contender.train(chunk)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if warm:
        units = each.entry.runs * chunk.shape[0] * chunk.shape[1] / PER
        each.cpu.append(cpu / units)
        each.wall.append(wall / units)


def _figures(each: Measured, measured: list[Measured]) -> dict[str, Any]:
    """The contender's row; its ratio is to reseed's one run of the same family, the median over rounds."""
    ours = next(other for other in measured if other.entry.family == each.entry.family)
    ratios = [theirs / our for theirs, our in zip(each.cpu, ours.cpu, strict=True)]
    return {
        "name": each.entry.name,
        "family": each.entry.family,
        "package": each.entry.package,
        "how": each.entry.how,
        "runs": each.entry.runs,
        "cpu_seconds": round(statistics.median(each.cpu), 3),
        "wall_seconds": round(statistics.median(each.wall), 3),
        "ratio": round(statistics.median(ratios), 3),
        "r2": round(_r2(each), 4),
        "cpu_seconds_of_rounds": [round(seconds, 3) for seconds in each.cpu],
    }


def _beside(results: dict[str, Any], file: Path, families: list[Family]) -> dict[str, Any]:
    """The results, with what the file has of families that were not asked for, of the same shape and steps."""
    if set(families) == set(RATES) or not file.exists():
        return results
    before = json.loads(file.read_text(encoding="utf-8"))
    alike = ("format_version", "activations", "shape", "steps")
    if any(before[name] != results[name] for name in alike):
        raise SystemExit(f"{file} has other shapes or steps: give another file, or measure all families")
    kept = [row for row in before["contenders"] if row["family"] not in families]
    return {
        **results,
        "learning_rate": before["learning_rate"] | results["learning_rate"],
        "versions": before["versions"] | results["versions"],
        "contenders": sorted(kept + results["contenders"], key=lambda row: list(RATES).index(row["family"])),
    }


@torch.no_grad()
def _r2(each: Measured) -> float:
    """Share of what held-out tokens write, as a squared distance to the training mean, that is reconstructed."""
    written = slice(-_width(each), None)
    mean = each.task.rows.mean(0)[written]
    residual = torch.cat([x[:, written] - each.contender.reconstruct(x) for x in each.heldout.split(1024)])
    return 1 - (residual.square().sum() / (each.heldout[:, written] - mean).square().sum()).item()


def _table(results: dict[str, Any]) -> str:
    shape, steps, where = results["shape"], results["steps"], results["machine"]
    lines = [
        ", ".join(f"{name} {value}" for name, value in shape.items())
        + f"; {steps['all']} steps; {where['threads']} threads; load before {where['load_before']}",
        f"{'per 100,000 tokens and run':30} {'CPU s':>8} {'wall s':>8} {'ratio':>7} {'R2':>8}",
    ]
    for row in results["contenders"]:
        figures = f"{row['cpu_seconds']:8.2f} {row['wall_seconds']:8.2f} {row['ratio']:7.2f} {row['r2']:8.4f}"
        lines.append(f"{row['name']:30} {figures}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
