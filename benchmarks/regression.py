"""A minute's check of what reseed costs, as ratios to plain work of the same size done in turns with it.

    python benchmarks/regression.py [--json FILE]

A training step is held against the encoder's bare product of its batch, a matching against one product of all cosines,
and a start of the command line against a start of the interpreter. Ratios move less between machines than times do, yet
they move: they are to be read beside those of an earlier commit on the same machine, and nothing fails on them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import startup
import torch
from _contenders import Shape, Task
from _machine import machine, versions
from _reseed import Run
from torch.nn.functional import normalize

from reseed import match
from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.methods import parse

FORMAT_VERSION = 1
"""1: the first."""

ATOMS_TO_MATCH, D_MODEL = 512, 576


SHAPES = {"small": Shape(64, 256, 8, 512, 512), "demo": Shape(D_MODEL, 512, 16, 1024, 1024)}


class Check(NamedTuple):
    """Two calls; what the first costs is told in units of the second."""

    name: str
    reference: str
    call: Callable[[], object]
    plain: Callable[[], object]
    clock: Callable[[], float] = time.process_time
    times: int = 31


def main() -> None:
    """Print the ratios, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    file = parser.parse_args().json
    torch.set_num_threads(1)
    where = machine()
    figures = [_figures(check) for check in (*_training_steps(), *_matchings(), *_starts())]
    for row in figures:
        print(f"{row['name']:27} {row['milliseconds']:8.2f} ms = {row['ratio']:6.2f} x {row['reference']}")
    if file:
        results = {
            "format_version": FORMAT_VERSION,
            "machine": where,
            "versions": versions("reseed", "torch", "numpy", "scipy"),
            "checks": figures,
        }
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _figures(check: Check) -> dict[str, Any]:
    """Medians over turns; the ratio is the median of the turns' ratios."""
    check.call()
    check.plain()
    turns = [(_seconds(check.call, check.clock), _seconds(check.plain, check.clock)) for _ in range(check.times)]
    return {
        "name": check.name,
        "reference": check.reference,
        "milliseconds": round(1e3 * statistics.median(ours for ours, _ in turns), 3),
        "ratio": round(statistics.median(ours / plain for ours, plain in turns), 3),
    }


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    call()
    return clock() - begun


def _training_steps() -> list[Check]:
    checks = []
    for size, shape in SHAPES.items():
        rows = planted(4 * shape.batch_size, shape.d_model, n_atoms=shape.n_atoms, active=shape.k // 2, noise=1.0).rows
        task = Task(
            rows=rows,
            points=rows[: shape.n_points],
            n_atoms=shape.n_atoms,
            k=shape.k,
            batch_size=shape.batch_size,
            steps=0,
            learning_rate={"topk": 1e-3, "ra-topk": 5e-4},
        )
        x = rows[: shape.batch_size]
        encoder = torch.randn(shape.n_atoms, shape.d_model, generator=generator(0))
        for kind, rate in task.learning_rate.items():
            method = parse({"kind": kind, "n_atoms": shape.n_atoms, "k": shape.k, "learning_rate": rate})
            step = partial(Run(method, task, 0).update, x)
            product = partial(torch.mm, x, encoder.T)
            checks.append(Check(f"step, {kind}, {size} shape", "the encoder's product", step, product))
    return checks


def _matchings() -> list[Check]:
    atoms, others, noise = torch.randn(3, ATOMS_TO_MATCH, D_MODEL, generator=generator(0)).unbind()
    order = torch.randperm(ATOMS_TO_MATCH, generator=generator(1))
    pairs = {"noisy copy": atoms[order] + 0.5 * noise, "independent": others}
    return [
        Check(
            f"match {ATOMS_TO_MATCH}, {name}",
            "the product of all cosines",
            partial(match, atoms, other),
            partial(_product_of_cosines, atoms, other),
        )
        for name, other in pairs.items()
    ]


def _product_of_cosines(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return normalize(a) @ normalize(b).T


def _starts() -> list[Check]:
    bare, *ours = startup.COMMANDS.items()
    return [
        Check(
            name, bare[0], partial(startup.seconds, arguments), partial(startup.seconds, bare[1]), time.perf_counter, 5
        )
        for name, arguments in ours
    ]


if __name__ == "__main__":
    main()
