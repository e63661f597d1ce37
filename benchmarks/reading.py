"""What checking the sums of a study costs, beside reading, comparing and judging it.

    python benchmarks/reading.py STUDY [--rounds N]

In CPU-seconds, in turns: the sums of all files; every tensor of every snapshot and draw, read and touched; a copy
judged from its tables; a copy without tables, which reads it all, compared and judged. STUDY stays as it is.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file

from reseed import rejudge
from reseed._support import checksums
from reseed._support.checksums import check_study


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


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    works: dict[str, Callable[[], float]] = {
        "check the sums": lambda: cpu_seconds(lambda: check(asked.study)),
        "read every tensor": lambda: cpu_seconds(lambda: read(asked.study)),
        "judge, sums checked": lambda: judge(asked.study, tables=True),
        "compare and judge, sums checked": lambda: judge(asked.study, tables=False),
    }
    judge(asked.study, tables=True)  # what is imported and compiled once
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(asked.rounds):
        for name, work in works.items():
            spent[name].append(work())
    size = sum(path.stat().st_size for path in asked.study.rglob("*") if path.is_file())
    print(f"{asked.study}: {size / 1e9:.2f} GB")
    checked = statistics.median(spent["check the sums"])
    for name, seconds in spent.items():
        median = statistics.median(seconds)
        print(f"{name:34}{median:8.2f} CPU-s, of which sums {100 * checked / median:.0f} %")


if __name__ == "__main__":
    main()
