"""What an audit costs beside its training, in CPU seconds, part by part.

    python benchmarks/audit.py [--json FILE]     the two shapes that are watched, in about ten minutes
    python benchmarks/audit.py --long [--json FILE]     two runs of 20 million tokens each, added to what is in the file
    python benchmarks/audit.py --quick           one small shape: whether it runs, and no more

A study of one arm, two starts and two runs of each, as `reseed run` runs it, on one thread and from a store of planted
activations on disk. The surrogate null counts apart: its runs are training, told apart by their number, for all runs
have as many steps; and its rows are drawn for them. `rest` is all else: reading the activations, floors, comparing,
judging, and whatever no line names. The long runs are of two starts, read a million rows over and over, and have no
surrogate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from _machine import machine, versions

import reseed
from reseed.activations.synthetic import planted
from reseed.pipeline import run as pipeline
from reseed.pipeline import session
from reseed.spec import Floors
from reseed.trajectory import PlannedCondition, StudyFolder

FORMAT_VERSION = 3
"""1: the first; 2: the rows of the surrogate count with its runs; 3: long runs."""


class Shape(NamedTuple):
    """A study."""

    n_atoms: int
    d_model: int
    steps: int
    batch_size: int
    k: int = 32
    rows: int | None = None
    """That there are to read; as many as a run reads without."""
    runs_per_start: int = 2
    surrogate: Literal["elliptical", "off"] = "elliptical"
    asked: float = 0.25
    """The share of training's CPU time that everything else may take."""


SHAPES = (Shape(2048, 256, 192, 4096), Shape(1024, 256, 240, 4096))
LONG = Shape(512, 128, 4883, 4096, k=16, rows=2**20, runs_per_start=1, surrogate="off", asked=0.05)
QUICK = (Shape(128, 32, 20, 256, k=4),)

PARTS = {
    (session, "open_activations"): "activations read",
    (pipeline, "draw_of_activations"): "floors drawn",
    (pipeline, "train"): "training",
    (pipeline, "compare_runs"): "runs compared",
    (pipeline, "measure_floors"): "floors matched",
    (pipeline, "measure_barriers"): "barriers",
    (pipeline, "compare_across"): "arms compared",
    (pipeline, "judge_study"): "judging",
    (pipeline, "keep_features"): "features kept",
    (pipeline, "_surrogate"): "surrogate rows",
}
"""What `reseed run` calls, in the words of the table."""


def taken(shape: Shape, folder: Path, seconds: dict[str, float]) -> dict[str, Any]:
    """CPU seconds of one study, part by part; `seconds` is where what `reseed run` calls counts its own."""
    read = shape.rows or shape.steps * shape.batch_size
    made = planted(read, shape.d_model, n_atoms=4 * shape.d_model, active=shape.k, noise=0.1, offset=1.0)
    np.save(folder / "rows.npy", made.rows.numpy())
    method = {"kind": "topk", "n_atoms": shape.n_atoms, "k": shape.k}
    study = reseed.Study(
        activations=str(folder / "rows.npy"),
        preprocess=("centre",),
        starts=2,
        runs_per_start=shape.runs_per_start,
        arms=(reseed.Arm(name="topk", method=method, start={"kind": "random"}),),
        training=reseed.Training(steps=shape.steps, batch_size=shape.batch_size, device="cpu", threads=1),
        floors=Floors(surrogate=shape.surrogate),
    )
    seconds.update(dict.fromkeys(PARTS.values(), 0.0))
    began = time.process_time()
    reseed.run(study, folder / "study", quiet=True)
    whole = time.process_time() - began
    return _told(shape, seconds, whole, StudyFolder.open(folder / "study").manifest.conditions[0])


def _timed(call: Callable[..., Any], said: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever it is called with)
        began = time.process_time()
        try:
            return call(*args, **kwargs)
        finally:
            seconds[said] += time.process_time() - began

    return timed


def _told(shape: Shape, seconds: dict[str, float], whole: float, planned: PlannedCondition) -> dict[str, Any]:
    apart = ("training", "surrogate rows")
    trained, drawn = (seconds[said] for said in apart)
    beside_training = {said: value for said, value in seconds.items() if said not in apart}
    runs, beside = len(planned.runs), len(planned.surrogates)
    training = trained * runs / (runs + beside)
    rest = whole - trained - drawn
    parts = {said: round(value, 1) for said, value in beside_training.items()}
    parts["other"] = round(rest - sum(beside_training.values()), 1)
    return {
        "shape": shape._asdict(),
        "runs": runs,
        "surrogate_runs": beside,
        "training": round(training, 1),
        "surrogate_training": round(trained - training, 1),
        "surrogate_rows": round(drawn, 1),
        "rest": round(rest, 1),
        "share": round(rest / training, 3),
        "parts": parts,
        "misses": ["share"] if rest > shape.asked * training else [],
    }


def main() -> None:
    """Print what every shape takes, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {"format_version": FORMAT_VERSION, "machine": machine(), "versions": versions("reseed", "torch", "numpy")}
    before = json.loads(asked.json.read_text("utf-8")) if asked.json and asked.json.exists() else {}
    shapes = (LONG,) if asked.long else QUICK if asked.quick else SHAPES
    rows, seconds = [], {}
    for (module, name), said in PARTS.items():
        setattr(module, name, _timed(getattr(module, name), said, seconds))
    for shape in shapes:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(taken(shape, Path(folder), seconds))
        print(json.dumps(rows[-1], indent=1), flush=True)
    if asked.json:
        long = found | rows[0] if asked.long else before.get("long")
        kept = before if asked.long else found | {"shapes": rows}
        written = kept | ({"long": long} if long else {})
        asked.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
