"""The demo's study on a GPU and on the CPU of the same machine: do they come to the same dictionaries and words?

    python benchmarks/on_gpu/study.py ACTIVATIONS [--steps N] [--out FOLDER] [--json FILE]

For every run its agreement with itself on the other device at the steps that it was recorded at, for every condition
both words, and what the phases took. The rolls are the same, so that a run differs from itself by rounding alone.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from _common import write

import reseed
from reseed import Study, match
from reseed.pipeline import run as pipeline
from reseed.pipeline.demo import demo_study
from reseed.trajectory import StudyFolder

PHASES = (
    "prepare",
    "draw_of_activations",
    "train",
    "compare_runs",
    "measure_floors",
    "measure_barriers",
    "judge_study",
)
"""What `reseed run` calls one after the other."""


def study_of(activations: Path, steps: int, device: str) -> Study:
    """The demo's, on these activations, on a device."""
    made = demo_study("smollm2", str(activations.resolve()))
    training = made.training.model_copy(update={"device": device, "steps": steps})
    return made.model_copy(update={"training": training, "preprocess": ("centre",)})


def ran(study: Study, out: Path) -> dict[str, Any]:
    """A study's words, its wall time and that of its phases."""
    begun = time.perf_counter()
    with phases_timed() as seconds:
        findings = reseed.run(study, out)
    words = {condition.name: str(condition.verdict.outcome) for condition in findings.conditions}
    agreed = {each.name: each.agreement.between.last.value for each in findings.conditions if each.agreement}
    return {"seconds": time.perf_counter() - begun, "phases": dict(seconds), "words": words, "agreement": agreed}


@contextmanager
def phases_timed() -> Iterator[Counter[str]]:
    """Wall seconds of every phase, by the name of what does it."""
    seconds: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: object, **kwargs: object) -> object:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name] += time.perf_counter() - begun

        return called

    with ExitStack() as stack:
        for name in PHASES:
            stack.enter_context(patch.object(pipeline, name, timed(name, getattr(pipeline, name))))
        yield seconds


def alike(one: StudyFolder, other: StudyFolder) -> dict[str, dict[int, float]]:
    """A(run, itself on the other device) for every run at every step that it was recorded at."""
    found = {}
    for planned in one.manifest.conditions:
        for run_id in planned.runs:
            here, there = one.run(run_id), other.run(run_id)
            found[run_id] = {
                step: match(here.snapshot(step).atoms, there.snapshot(step).atoms).agreement for step in here.steps
            }
    return found


def main() -> None:
    """Run both, compare, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("activations", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=Path, help="where to keep both studies (default: nowhere)")
    parser.add_argument("--devices", nargs=2, default=["cuda", "cpu"], help="(default: cuda cpu)")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        places = [folder / f"{number}-{device}" for number, device in enumerate(asked.devices)]
        ends = []
        for device, place in zip(asked.devices, places, strict=True):
            ends.append(ran(study_of(asked.activations, asked.steps, device), place))
            phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in ends[-1]["phases"].items())
            print(f"{device}: {ends[-1]['seconds']:.1f} s ({phases})", flush=True)
        same = alike(*(StudyFolder.open(place) for place in places))
    for name, word in ends[0]["words"].items():
        values = [end["agreement"].get(name, float("nan")) for end in ends]
        print(f"{name:32} {word:14} {values[0]:.4f}   {ends[1]['words'][name]:14} {values[1]:.4f}")
    print("a run with itself on the other device, median and least over runs")
    for step in sorted(next(iter(same.values()))):
        at_step = [of_run[step] for of_run in same.values()]
        print(f"  step {step:4}: {statistics.median(at_step):.6f}  {min(at_step):.6f}")
    print("same words" if ends[0]["words"] == ends[1]["words"] else "OTHER WORDS")
    figures = {"devices": dict(zip(asked.devices, ends, strict=True)), "alike": same, "steps": asked.steps}
    figures |= {"cores": os.cpu_count(), "tokens": reseed.open_activations(asked.activations).n_tokens}
    write(asked.json, figures)


if __name__ == "__main__":
    main()
