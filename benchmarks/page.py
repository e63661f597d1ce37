"""How large the report of a large study is, and how long a browser opens it:  python benchmarks/page.py [--browser].

The studies are made of the sample that the tests of the report use: 200 conditions, and one of 320 runs, 51,040 pairs.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import reseed
from reseed.report.text import render

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/report"))
import sample

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Findings

FLAGS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")


def many_conditions(n: int) -> Findings:
    """As many conditions, all compared with one another's neighbour."""
    found = sample.findings()
    shapes = [each for each in found.conditions if each.measures]
    conditions = tuple(_named(shapes[i % len(shapes)], f"arm-{i}") for i in range(n))
    comparisons = tuple(
        each.model_copy(update={"first": f"arm-{i}", "second": "arm-0"})
        for i, each in zip(range(1, n), found.comparisons * n, strict=False)
    )
    return found.model_copy(update={"conditions": conditions, "comparisons": comparisons})


def _named(condition: ConditionFindings, arm: str) -> ConditionFindings:
    return condition.model_copy(update={"arm": arm, "name": f"{arm}@{condition.preprocess}"})


def many_pairs(n_runs: int) -> Findings:
    """One condition of as many runs, each from a start of its own."""
    found = sample.findings()
    condition = found.condition("topk-random@centre")
    first, pair = condition.runs[0], condition.pairs[0]
    runs = tuple(
        first.model_copy(update={"id": f"run-{i:04}", "start_index": i, "init_group": i}) for i in range(n_runs)
    )
    pairs = tuple(
        pair.model_copy(update={"run_a": a.id, "run_b": b.id, "relation": "between"}) for a, b in combinations(runs, 2)
    )
    large = condition.model_copy(update={"runs": runs, "pairs": pairs, "births": None})
    return found.model_copy(update={"conditions": (large,), "comparisons": ()})


def opening(page: Path) -> str:
    """Seconds until the first figures are drawn, in Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only where asked for)

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        opened.goto(page.as_uri())
        loaded = time.perf_counter() - began
        opened.wait_for_selector("html[data-figures=drawn]", state="attached", timeout=600_000)
        drawn = time.perf_counter() - began
        browser.close()
    return f"{loaded:.1f} s until it is there, {drawn:.1f} s until its figures are"


def main() -> None:
    """Print one line for each study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", action="store_true", help="open the pages, too")
    browser = parser.parse_args().browser
    for name, made in (("200 conditions", many_conditions(200)), ("51,040 pairs", many_pairs(320))):
        began = time.perf_counter()
        lines = render(made, width=100, colour=False).count("\n")
        printed = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            page = reseed.write_report(made, Path(folder) / "report.html")
            written = time.perf_counter() - began
            size = page.stat().st_size / 1e6
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            told = (
                f"{lines} lines in {printed:.1f} s; a page of {size:.1f} MB in {written:.1f} s, {memory:.1f} GB at most"
            )
            print(f"{name}: {told}{'; ' + opening(page) if browser else ''}", flush=True)


if __name__ == "__main__":
    main()
