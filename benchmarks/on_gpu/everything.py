"""All that is measured on a GPU, one thing after the other, in ten minutes at most.

    python benchmarks/on_gpu/everything.py FOLDER [--activations FILE]

Runs the kernels' tests compiled, then `parts.py`, `training.py`, `starts.py` and, where activations are given,
`study.py`; each leaves what it prints in FOLDER/NAME.log and its figures in FOLDER/NAME.json. What fails or takes too
long is said in the end, and keeps nothing else from being measured. A machine needs torch for CUDA, Triton, pytest and
what `pyproject.toml` asks for; libraries of `benchmarks/peers.txt` that it lacks are rows that say so.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Part(NamedTuple):
    """What is run, and for how many seconds at the most."""

    name: str
    command: list[str]
    limit: int


def parts(folder: Path, activations: Path | None) -> list[Part]:
    """All of them; limits add up to ten minutes."""
    scripts = [("parts", [], 50), ("training", [], 210), ("starts", [], 130)]
    if activations is not None:
        scripts.append(("study", [str(activations.resolve())], 110))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests/kernels")]
    return [
        Part("tests", tests, 100),
        *(
            Part(
                name, [sys.executable, str(HERE / f"{name}.py"), *given, "--json", str(folder / f"{name}.json")], limit
            )
            for name, given, limit in scripts
        ),
    ]


def run(part: Part, folder: Path) -> str | None:
    """What went wrong, if anything did."""
    paths = [str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TRITON_INTERPRET": "0"}
    log = folder / f"{part.name}.log"
    with log.open("w", encoding="utf-8") as out:
        try:
            done = subprocess.run(  # noqa: S603 (commands of our own)
                part.command, cwd=ROOT, env=environment, stdout=out, stderr=out, timeout=part.limit, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{part.name}: stopped after {part.limit} s, see {log}"
    return f"{part.name}: exit code {done.returncode}, see {log}" if done.returncode else None


def main() -> None:
    """Run all of it; exit code 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--activations", type=Path, help="what study.py trains on, such as a .npy file")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here: nothing is measured.")
        return
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    for part in parts(folder, asked.activations):
        begun = time.perf_counter()
        wrong.append(run(part, folder))
        print(f"{part.name}: {time.perf_counter() - begun:.0f} s", flush=True)
    if any(wrong):
        raise SystemExit("\n".join(filter(None, wrong)))


if __name__ == "__main__":
    main()
