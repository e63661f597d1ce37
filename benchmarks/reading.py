"""What checking the sums of a study costs, beside reading, comparing and judging it.

    python benchmarks/reading.py [STUDY] [--rounds N]

In CPU-seconds, in turns: the sums of all files; every tensor of every snapshot and draw, read and touched; a copy
judged from its tables; a copy without tables, which reads it all, compared and judged. STUDY stays as it is; without
one, a study of 32 runs is trained first.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from reseed import Study, rejudge, run
from reseed._support import checksums
from reseed._support.checksums import check_study
from reseed.activations.synthetic import planted


def cpu_seconds(work: Callable[[], object]) -> float:
    """What one call costs, in all threads."""
    before = time.process_time()
    work()
    return time.process_time() - before


def check(study: Path) -> None:
    """All sums, as the first command of a process does it."""
    checksums._known.clear()  # noqa: SLF001 (what this process has seen already)
    assert check_study(study) == []


def read(study: Path) -> None:
    """Every tensor, every page of it."""
    for file in study.rglob("*.safetensors"):
        for tensor in load_file(file).values():
            tensor.sum()


def judge(study: Path, *, tables: bool) -> float:
    """CPU-seconds of judging a copy, with its tables or comparing anew. Checking the sums is a part of it."""
    with tempfile.TemporaryDirectory(dir=study.parent) as name:
        copy = Path(name) / "study"
        shutil.copytree(study, copy, copy_function=_link_tensors)
        if not tables:
            shutil.rmtree(copy / "compared")
        return cpu_seconds(lambda: rejudge(copy, quiet=True))


def _link_tensors(source: str, target: str) -> None:
    (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)


def trained(folder: Path) -> Path:
    """A study of two arms, some hundred megabytes."""
    np.save(folder / "acts.npy", planted(20_000, 256, n_atoms=512, active=8, noise=0.1).rows.numpy())
    random = {"kind": "random"}
    study = Study.model_validate(
        {
            "activations": str(folder / "acts.npy"),
            "starts": 4,
            "arms": [
                {"name": kind, "method": {"kind": kind, "n_atoms": 512, **more}, "start": random}
                for kind, more in (("topk", {"k": 8}), ("relu", {"l1": 0.1}))
            ],
            "training": {"steps": 200, "batch_size": 512},
        }
    )
    run(study, folder / "study", quiet=True)
    return folder / "study"


def compare(study: Path, rounds: int) -> None:
    """Print medians, and how much of each the sums are."""
    works: dict[str, Callable[[], float]] = {
        "check the sums": lambda: cpu_seconds(lambda: check(study)),
        "read every tensor": lambda: cpu_seconds(lambda: read(study)),
        "judge, sums checked": lambda: judge(study, tables=True),
        "compare and judge, sums checked": lambda: judge(study, tables=False),
    }
    judge(study, tables=True)  # what is imported and compiled once
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            spent[name].append(work())
    size = sum(path.stat().st_size for path in study.rglob("*") if path.is_file())
    print(f"{study}: {size / 1e9:.2f} GB")
    checked = statistics.median(spent["check the sums"])
    for name, seconds in spent.items():
        median = statistics.median(seconds)
        print(f"{name:34}{median:8.2f} CPU-s, of which sums {100 * checked / median:.0f} %")


def main() -> None:
    """Compare what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.study is None:
        with tempfile.TemporaryDirectory() as name:
            compare(trained(Path(name)), asked.rounds)
    else:
        compare(asked.study, asked.rounds)


if __name__ == "__main__":
    main()
