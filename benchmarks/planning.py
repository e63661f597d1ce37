"""What `reseed run --dry-run` says beside what `reseed run` then takes: time, memory, disk and files.

    python benchmarks/planning.py --json docs/assets/planning.json     every shape, in about ten minutes
    python benchmarks/planning.py --quick                              one small shape: whether it runs, and no more

Each study is planned and run by the command line, each time in a process of its own whose memory is watched from
outside: what is its own, without the pages of mapped files. Activations are planted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _machine import machine, versions

from reseed.activations.synthetic import planted

FORMAT_VERSION = 1
"""1: the first."""

BETWEEN_LOOKS = 0.005
"""Seconds; what is in memory for a shorter time than that can be missed."""


class Shape(NamedTuple):
    """A study."""

    name: str
    d_model: int
    n_atoms: int
    tokens: int
    batch_size: int
    steps: int
    arms: str
    """Tables of the study.toml, as far as n_atoms and k do not say."""
    more: str = ""
    """Top-level fields."""
    k: int = 16


def arm(kind: str, start: str, *, k: bool = True) -> str:
    """The table of an arm."""
    sparsity = ", k = {k}" if k else ""
    return (
        f'[[arms]]\nname = "{kind}-{start}"\nmethod = {{{{ kind = "{kind}", n_atoms = {{n_atoms}}{sparsity} }}}}\n'
        f'start = {{{{ kind = "{start}" }}}}\n'
    )


SHAPES = (
    Shape("small, two arms", 64, 256, 40_000, 512, 200, arm("topk", "random") + arm("ra-topk", "kmeans"), k=8),
    Shape("k-means start", 256, 1024, 40_000, 1024, 60, arm("topk", "kmeans"), more="starts = 2"),
    Shape(
        "ReLU, and archetypal with children",
        64,
        256,
        40_000,
        512,
        100,
        arm("relu", "data", k=False) + arm("a-topk", "data"),
        more="starts = 2\nspawn_at = [0, 50]",
    ),
    Shape(
        "wide",
        384,
        4096,
        40_000,
        1024,
        12,
        arm("topk", "random"),
        more="starts = 2\nruns_per_start = 1\nfloors = {{ draws = 3, kmeans_steps = 2 }}",
        k=32,
    ),
)
QUICK = (Shape("quick", 16, 32, 1000, 100, 30, arm("topk", "data"), more="starts = 1", k=2),)


def main() -> None:
    """Plan and run every shape, print a table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small shape: whether it runs, and no more")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    where = machine()
    del where["load_before"]  # told for every shape
    results: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "machine": where,
        "versions": versions("reseed", "torch", "numpy"),
        "shapes": [],
    }
    print(f"{'predicted / actual':<36}{'disk':>8}{'files':>8}{'memory':>8}{'CPU':>8}{'wall':>8}{'load':>8}")
    for shape in QUICK if arguments.quick else SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            found = measured(shape, Path(folder))
        results["shapes"].append(found)
        ratios = (
            found["planned"][name] / found["taken"][name]
            for name in ("disk", "files", "memory", "cpu_seconds", "wall_seconds")
        )
        print(
            f"{shape.name:<36}" + "".join(f"{ratio:>8.2f}" for ratio in ratios) + f"{found['load']:>8.1f}", flush=True
        )
        if arguments.json:  # after each of them, for they take minutes
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measured(shape: Shape, folder: Path) -> dict[str, Any]:
    """What was planned for a study, and what it took."""
    rows = planted(shape.tokens, shape.d_model, n_atoms=2 * shape.d_model, active=8, noise=0.3, offset=1.0).rows
    np.save(folder / "acts.npy", rows.numpy())
    (folder / "study.toml").write_text(_study(shape), encoding="utf-8")
    command = [sys.executable, "-m", "reseed", "run", str(folder / "study.toml"), "--quiet"]
    planned, planning = _watched([*command, "--dry-run", "--json"])
    plan = json.loads(planned)
    _, taken = _watched(command)
    files = [file for file in (folder / "study").rglob("*") if file.is_file()]
    return {
        "shape": {name: value for name, value in shape._asdict().items() if name not in {"arms", "more"}},
        "runs": plan["runs"] + plan["children"],
        "load": round(os.getloadavg()[0], 2),
        "planning_seconds": planning["wall_seconds"],
        "planned": {
            "disk": plan["disk"]["end"],
            "files": plan["disk"]["files"],
            "memory": plan["memory"]["most"],
            "cpu_seconds": round(3600 * plan["cpu_hours"], 1),
            "wall_seconds": round(3600 * plan["wall_hours"], 1),
        },
        "taken": {"disk": sum(file.stat().st_size for file in files), "files": len(files), **taken},
    }


def _study(shape: Shape) -> str:
    text = (
        'activations = "acts.npy"\npreprocess = ["centre"]\n'
        f"{shape.more}\n{shape.arms}[training]\nsteps = {shape.steps}\nbatch_size = {shape.batch_size}\nevenly = 4\n"
        'device = "cpu"\n'
    )
    return text.format(n_atoms=shape.n_atoms, k=shape.k)


def _watched(command: list[str]) -> tuple[str, dict[str, Any]]:
    """What a command printed; its seconds, and the most memory of its own that it had."""
    before, begun, most = _cpu(), time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own command)
        while process.poll() is None:
            most = max(most, _own(process.pid))
            time.sleep(BETWEEN_LOOKS)
        told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - begun
    return told, {"memory": most, "cpu_seconds": round(_cpu() - before, 1), "wall_seconds": round(wall, 1)}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _own(pid: int) -> int:
    try:
        resident, of_files = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(of_files)) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
