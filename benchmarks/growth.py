"""How time and memory grow with tokens, atoms, runs, dimensions and points, on one thread of a CPU.

    python benchmarks/growth.py --json docs/assets/scale.json      everything, in ten to fifteen minutes
    python benchmarks/growth.py --only match --json FILE           one curve; the others in FILE stay as they are
    python benchmarks/growth.py --quick                            small sizes, seconds

Every point is measured in a process of its own (with --quick in this one), on planted activations that are stored and
read as `reseed run` reads them. A slope is that of the least-squares line through the logarithms of the upper half of a
curve: 1 is in proportion. Seconds are of CPU time; memory is what the measured call takes above what its process had
before, at its peak.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from _machine import machine, versions
from _points import MEASURING

from reseed.activations.synthetic import planted
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout

FORMAT_VERSION = 1
"""1: the first."""

Figures = dict[str, Any]
MEASURES = {"cpu_seconds": "CPU s", "anonymous_mib": "own MiB", "file_mib": "file MiB"}
SMALLEST = {"cpu_seconds": 1e-6, "anonymous_mib": 2**-8, "file_mib": 2**-8}
"""What a figure of 0 counts as in a slope: a microsecond, a page."""
SHARD = 50_000
EVERYTHING = {
    "kind": "topk",
    "n_atoms": 2048,
    "d_model": 256,
    "k": 32,
    "batch_size": 2048,
    "runs": 1,
    "steps": 24,
    "tokens": 20_000,
    "heldout": 512,
    "n_points": 0,
}
SMALL = EVERYTHING | {
    "n_atoms": 64,
    "d_model": 32,
    "k": 4,
    "batch_size": 128,
    "steps": 4,
    "tokens": 1000,
    "heldout": 64,
}
QUICK = {"runs": (1, 2), "tokens": (1000, 2000)}
QUICK_SIZES = (64, 128)


class Curve(NamedTuple):
    """Something that is measured along one axis."""

    title: str
    axis: str
    values: tuple[int, ...]
    what: str = "training"
    settings: Mapping[str, Any] = MappingProxyType({})
    """What is not as it is everywhere."""
    quick: Mapping[str, Any] = MappingProxyType({})
    """The same for small sizes."""


CURVES = {
    "atoms": Curve("A training step", "n_atoms", (512, 1024, 2048, 4096, 8192, 16_384)),
    "d_model": Curve("A training step", "d_model", (128, 256, 512, 1024, 2048)),
    "runs": Curve("A training step of all runs", "runs", (1, 2, 4, 8)),
    "points": Curve(
        "A training step of RA-SAE",
        "n_points",
        (512, 1024, 2048, 4096, 8192),
        settings={"kind": "ra-topk", "n_atoms": 512},
        quick={"kind": "ra-topk"},
    ),
    "tokens": Curve(
        "A training step",
        "tokens",
        (50_000, 100_000, 200_000, 400_000, 800_000),
        settings={"n_atoms": 512, "steps": 400},
    ),
    "match": Curve(
        "Matching a pair",
        "n_atoms",
        (512, 1024, 2048, 4096, 8192, 16_384),
        what="matching",
        settings={"d_model": 768, "batch_size": 1024, "steps": 40, "runs": 2},
        quick={"runs": 2},
    ),
    "kmeans": Curve(
        "A step of k-means",
        "n_points",
        (512, 1024, 2048, 4096, 8192),
        what="clustering",
        settings={"d_model": 768, "rows": 16_384},
        quick={"rows": 500},
    ),
}
AUDIT = {"n_atoms": 4096, "d_model": 768, "batch_size": 4096, "runs": 2, "steps": 40, "heldout": 4096}
RUNS, SNAPSHOTS = 8, 16
TOKENS = (5_000_000, 20_000_000, 100_000_000)
KMEANS_STEPS, KMEANS_PER_POINT = 20, 32
"""As a start has them by default; the figures are also of a million activations."""


def main() -> None:
    """Measure, print tables, and write the figures where asked."""
    arguments = _arguments()
    torch.set_num_threads(1)
    chosen = [arguments.only] if arguments.only else [*CURVES, "audit"]
    results = _before(arguments.json) if arguments.only and arguments.json else _heading()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), quick=arguments.quick)
        for name in chosen:
            load = round(os.getloadavg()[0], 2)
            found = bench.audit() if name == "audit" else bench.curve(CURVES[name])
            results[name] = {**found, "load_before": load}
            print(_told(name, found), flush=True)
    if arguments.json:
        text = {name: results[name] for name in (*_heading(), *CURVES, "audit") if name in results}
        arguments.json.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*CURVES, "audit"], help="measure this and nothing else")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, and no more")
    parser.add_argument("--json", type=Path, help="write the figures here; with --only, beside those that are there")
    return parser.parse_args()


def _heading() -> Figures:
    where = machine()
    del where["load_before"]  # told for every curve
    return {"format_version": FORMAT_VERSION, "machine": where, "versions": versions("reseed", "torch", "numpy")}


def _before(file: Path) -> Figures:
    """The figures in a file, if there is one; they can only stand beside figures from the same machine."""
    if not file.exists():
        return _heading()
    before = json.loads(file.read_text(encoding="utf-8"))
    if any(before[name] != value for name, value in _heading().items()):
        sys.exit(f"{file} is from another machine or other versions: measure everything anew, without --only")
    return before


class Bench:
    """Stores and study folders for the points, and the points' processes."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder, self.quick = folder, quick
        self.base = SMALL if quick else EVERYTHING

    def curve(self, curve: Curve) -> Figures:
        """All points of a curve, and its slopes."""
        settings = self.base | (curve.quick if self.quick else curve.settings)
        values = QUICK.get(curve.axis, QUICK_SIZES) if self.quick else curve.values
        points = [{curve.axis: value, **self.point(curve.what, settings | {curve.axis: value})} for value in values]
        fixed = {name: value for name, value in settings.items() if name != curve.axis}
        return {
            "title": curve.title,
            "what": curve.what,
            "axis": curve.axis,
            "settings": fixed,
            "points": points,
            "slopes": {name: slope(points, curve.axis, name) for name in MEASURES},
        }

    def audit(self) -> Figures:
        """What comparing costs beside training: of one step, one snapshot and one pair, and in all."""
        settings = self.base | ({"runs": 2} if self.quick else AUDIT)
        trained = self.point("training", settings)
        costs = {"step": trained["cpu_seconds"] / settings["runs"], **self.point("comparing", settings)}
        rows = settings["batch_size"]
        clustered = self.point("clustering", settings | {"rows": rows, "n_points": settings["n_atoms"]})
        costs["kmeans_row"] = clustered["cpu_seconds"] / rows
        return {
            "settings": settings,
            "runs": RUNS,
            "snapshots": SNAPSHOTS,
            "costs": costs,
            "shares": shares(costs, n_atoms=settings["n_atoms"], batch_size=rows),
        }

    def point(self, what: str, settings: Figures) -> Figures:
        """The figures of one point."""
        print(".", end="", file=sys.stderr, flush=True)
        if what != "comparing":  # which goes on where the last point has ended
            self.study = tempfile.mkdtemp(dir=self.folder)
        task = {**settings, "study": self.study, "store": str(self._store(settings))}
        measure = _here if self.quick else _alone
        if what == "matching":
            measure("training", task)
        return measure(what, task)

    def _store(self, settings: Figures) -> Path:
        """A store of planted activations; its shards hold the same rows, since only their number matters here."""
        n_tokens, d_model, n_heldout = (settings[name] for name in ("tokens", "d_model", "heldout"))
        folder = self.folder / f"store-{n_tokens}-{d_model}-{n_heldout}"
        if folder.exists():
            return folder
        height = min(SHARD, n_tokens)
        rows = planted(height + n_heldout, d_model, n_atoms=256, active=16, noise=1.0, offset=1.0).rows
        manifest = begin_store(folder, about={"model": "planted"}, d_model=d_model, dtype="bf16")
        manifest = write_heldout(folder, manifest, rows[height:])
        for first in range(0, n_tokens, height):
            manifest = append_shard(folder, manifest, rows[: min(height, n_tokens - first)])
        finish_store(folder, manifest)
        return folder


def _here(what: str, task: Figures) -> Figures:
    """A point in this process: quick, and of no use beyond showing that it runs."""
    return MEASURING[what](task)


def _alone(what: str, task: Figures) -> Figures:
    """A point in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("_points.py")), what, json.dumps(task)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own script)
    return json.loads(done.stdout)


def slope(points: list[Figures], axis: str, measure: str) -> float:
    """Of the least-squares line through the logarithms of the upper half of the points."""
    upper = points[min(len(points) // 2, len(points) - 2) :]
    xs = [math.log(point[axis]) for point in upper]
    ys = [math.log(max(point[measure], SMALLEST[measure])) for point in upper]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    rise = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True))
    return round(rise / sum((x - x0) ** 2 for x in xs), 3)


def shares(costs: Figures, *, n_atoms: int, batch_size: int) -> list[Figures]:
    """For several lengths of training, what else a condition of 8 runs costs, in units of its training time."""
    compare = RUNS * (RUNS - 1) / 2 * (SNAPSHOTS * costs["compare"] + costs["match_born"])
    compare += RUNS * SNAPSHOTS * costs["see"]
    snapshots = RUNS * SNAPSHOTS * costs["snapshot"]
    kmeans_step = RUNS * KMEANS_STEPS * costs["kmeans_row"]  # per activation
    found = []
    for tokens in TOKENS:
        training = RUNS * tokens / batch_size * costs["step"]
        parts = {"compare": compare, "snapshots": snapshots}
        parts |= {"kmeans": kmeans_step * KMEANS_PER_POINT * n_atoms, "kmeans_million": kmeans_step * 1_000_000}
        found.append({"tokens": tokens, "training_cpu_seconds": round(training)} | _each_over(parts, training))
    return found


def _each_over(parts: Figures, whole: float) -> Figures:
    return {name: round(part / whole, 4) for name, part in parts.items()}


def _told(name: str, found: Figures) -> str:
    return "\n".join(_audit_lines(found) if name == "audit" else _curve_lines(name, found)) + "\n"


def _curve_lines(name: str, found: Figures) -> Iterator[str]:
    yield f"{name}: {found['title'].lower()} against {found['axis']}"
    yield _row(found["axis"], MEASURES.values())
    for point in found["points"]:
        yield _row(f"{point[found['axis']]:,}", (f"{point[measure]:.4g}" for measure in MEASURES))
    yield _row("slope", (f"{found['slopes'][measure]:.2f}" for measure in MEASURES))


def _audit_lines(found: Figures) -> Iterator[str]:
    yield "audit: CPU s " + ", ".join(f"{name} {cost:.4g}" for name, cost in found["costs"].items())
    for row in found["shares"]:
        parts = ", ".join(f"{name} {row[name]:.1%}" for name in ("compare", "snapshots", "kmeans", "kmeans_million"))
        yield f"{row['tokens']:>12,} tokens per run: {parts} of the training time"


def _row(first: str, others: Iterable[str]) -> str:
    return f"{first:>10} " + " ".join(f"{other:>10}" for other in others)


if __name__ == "__main__":
    main()
