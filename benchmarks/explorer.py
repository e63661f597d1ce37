"""How large the page of features is, and how soon it opens, at the size of a small published dictionary.

python benchmarks/explorer.py STORE [--atoms 5000] [--runs 6] [--steps 12] [--page FILE] [--json FILE]

TopK dictionaries that are not trained, each recorded at some steps on its way: half of the atoms are held-out tokens
of the store, the same ones for every run, the others directions of its own; so they fire, on real texts. Prints the
seconds and the size of the page, and of ten openings in headless Chromium the median until the list and the first
feature are there, and that of a search.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
from _machine import machine
from playwright.sync_api import Page, sync_playwright

import reseed
from reseed.dice import generator, roll
from reseed.reappearance import Reappearance, find_features
from reseed.report.explorer import write_explorer

K = 32
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPENINGS = 10


def record(folder: Path, rows: torch.Tensor, run: int, n_atoms: int, n_steps: int) -> None:
    """One run that goes straight from a random start to its end."""
    dice = generator(roll("points", "benchmark", "explorer", run))
    start, own = (torch.randn(n_atoms, rows.shape[1], generator=dice) for _ in range(2))
    end = torch.cat([rows[: n_atoms // 2] - rows.mean(dim=0), own[n_atoms // 2 :]])
    end = torch.nn.functional.normalize(end, dim=1)[torch.randperm(n_atoms, generator=dice)]
    steps = [round(1000 * at / (n_steps - 1)) for at in range(n_steps)]
    recorder = reseed.Recorder(folder, steps=steps)
    for at, step in enumerate(steps):
        atoms = torch.lerp(torch.nn.functional.normalize(start, dim=1), end, at / (n_steps - 1))
        parts = {"atoms": atoms, "encoder": atoms, "decoder_bias": rows.mean(dim=0), "subtracts": True, "k": K}
        recorder.snapshot(step, parts)


def found_in(store: Path, folder: Path, asked: argparse.Namespace) -> Reappearance:
    """The features of runs that are made in a folder."""
    rows = reseed.open_activations(store).heldout.rows.float()
    rows = rows[torch.randperm(len(rows), generator=generator(roll("points", "benchmark", "explorer")))]
    rows = rows.repeat(-(-asked.atoms // len(rows)), 1)
    rows += 0.3 * rows.std() * torch.randn(rows.shape, generator=generator(roll("points", "benchmark", "jitter")))
    folders = [folder / f"run{run}" for run in range(asked.runs)]
    for run, each in enumerate(folders):
        record(each, rows, run, asked.atoms, asked.steps)
    return find_features(*folders, activations=store)


def opened(page: Page, address: str) -> float:
    """Seconds until the first feature is shown."""
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_selector(".card")
    return time.perf_counter() - began


def searched(page: Page) -> float:
    """Seconds until the list shows what was searched for, the pause for typing included."""
    before = page.text_content("#count")
    began = time.perf_counter()
    page.fill("[name=query]", "government")
    page.wait_for_function("before => document.getElementById('count').textContent !== before", arg=before)
    return time.perf_counter() - began


def main() -> None:
    """One size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--atoms", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--page", type=Path, help="keep the page here")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = found_in(asked.store, Path(scratch), asked)
        began = time.process_time()
        path = write_explorer(found.browsable(), asked.page or Path(scratch) / "features.html")
        figures = {"atoms": asked.atoms, "runs": asked.runs, "steps": asked.steps}
        figures |= {"cpu_s": round(time.process_time() - began, 1), "page_mb": round(path.stat().st_size / 1e6, 1)}
        with sync_playwright() as playwright:
            browser = next(filter(None, map(shutil.which, BROWSERS)))
            running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            pages = [running.new_page() for _ in range(OPENINGS)]
            figures["opens_s"] = round(statistics.median(opened(page, path.as_uri()) for page in pages), 2)
            figures["searches_s"] = round(statistics.median(searched(page) for page in pages), 2)
            running.close()
    figures["machine"] = machine()
    print(json.dumps(figures, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
