"""One point of a curve of `growth.py`, in a process of its own whose memory is watched:  _points.py WHAT SETTINGS."""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import torch

from reseed import match
from reseed._support.threads import workers
from reseed.activations import Preprocessed, batch_rows, open_activations, preprocessed
from reseed.analysis.pairs import compared, see
from reseed.measures import Matchings, activation_covariance
from reseed.methods import METHODS, StartPoint
from reseed.spec import Arm, RunSpec, Study, Training
from reseed.starts import Start
from reseed.starts.lloyd import kmeans
from reseed.training import Context, Seen, stack, train
from reseed.training.loop import write_down
from reseed.trajectory import StudyFolder, Trajectory

MIB = 2**20
PLANTED = "planted"  # stands for the fingerprint of the activations, whatever store they are in
BETWEEN_LOOKS = 0.005
"""Seconds; what is in memory for a shorter time than that can be missed."""
REPEATED = 3
LONG = 2.0
"""Seconds of CPU after which a call is not repeated."""

Figures = dict[str, float]
Task = dict[str, Any]


class Pages(NamedTuple):
    """What the process has in memory, in MiB; 0 where the system does not tell."""

    anonymous: float = 0.0
    """Its own numbers."""
    of_files: float = 0.0
    """Parts of mapped files, which the system takes back when it needs the context."""


class Watch:
    """The most memory while something ran, over what there was before."""

    def __enter__(self) -> Self:
        """Begin to look."""
        self._before = self._most = _pages()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look for the last time."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self._most = Pages(*map(max, self._most, _pages()))
            if self._over.wait(BETWEEN_LOOKS):
                return

    @property
    def figures(self) -> Figures:
        """The increase, in MiB."""
        more = (round(most - before, 1) for most, before in zip(self._most, self._before, strict=True))
        return dict(zip(("anonymous_mib", "file_mib"), more, strict=True))


def _pages() -> Pages:
    try:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
    except OSError:
        return Pages()
    resident, of_files = (int(count) * os.sysconf("SC_PAGE_SIZE") / MIB for count in text.split()[1:3])
    return Pages(resident - of_files, of_files)


def training(task: Task) -> Figures:
    """Some runs as `reseed run` trains them, on the CPU and one thread; seconds are per step of all runs."""
    specs, times = _specs(task), []
    with workers(1) as pool, Watch() as watch:
        seen = _seen(task)
        train(specs, _context(task, seen, pool), advance=lambda _: times.append(time.process_time()))
    steps = [after - before for before, after in pairwise(times[1:])]
    return {"cpu_seconds": round(statistics.median(steps[len(steps) // 2 :]), 6), **watch.figures}


def matching(task: Task) -> Figures:
    """`reseed.match` of the dictionaries that `training` left in the study folder."""
    a, b = (run.snapshots[max(run.steps)].atoms for run in _runs(task))
    with Watch() as watch:  # at the first call: what it gives back to the process is there at the second
        found = match(a, b)
    seconds = _seconds(lambda: match(a, b))
    return {"cpu_seconds": seconds, **watch.figures, "agreement": round(found.agreement, 4), "gap": found.gap}


def clustering(task: Task) -> Figures:
    """One step of k-means: every row finds its nearest point, every point becomes the mean of its rows."""
    rows = _seen(task).rows(torch.arange(task["rows"]))
    with Watch() as watch:
        seconds = _seconds(lambda: kmeans(rows, task["n_points"], steps=1, rolled=0))
    return {"cpu_seconds": seconds, **watch.figures}


def comparing(task: Task) -> Figures:
    """What is done beside training's steps: a batch read, a snapshot of a run, and a pair compared at one snapshot."""
    seen, runs, spec = _seen(task), _runs(task), _specs(task)[0]
    last = [run.snapshots[max(run.steps)] for run in runs]
    born = [run.snapshots[0].atoms for run in runs]
    activations = activation_covariance(seen.moments.covariance, task["n_atoms"])
    first, second = (see(activations, *one) for one in zip(last, born, strict=True))
    born_matching = match(*born)

    def compare() -> dict[str, float]:
        matching = match(first.of.atoms, second.of.atoms)
        return compared(Matchings(matching, born_matching, born_matching), first, second)

    found = compare()
    with workers(1) as pool:
        context = _context(task, seen, pool)
        recorded = _seconds(lambda: write_down(_stack(spec, seen, last[0].atoms), context))
    wanted = batch_rows(seen.n_tokens, task["batch_size"], 1, roll=0)
    return {
        "read": _seconds(lambda: seen.rows(wanted)),
        "snapshot": recorded,
        "snapshot_mib": round(last[0].path.stat().st_size / MIB, 1),
        "see": _seconds(lambda: see(activations, last[0], born[0])),
        "match_born": _seconds(lambda: match(*born)),
        "match": _seconds(lambda: match(last[0].atoms, last[1].atoms)),
        "compare": _seconds(compare),
        "agreement": round(found["agreement"], 4),
        "alive": round(first.of.alive.float().mean().item(), 4),
    }


def _stack(spec: RunSpec, seen: Preprocessed, atoms: torch.Tensor) -> stack.Stack:
    """One run with these atoms, at a step that has no snapshot yet."""
    even = torch.arange(1024) * seen.n_tokens // 1024
    moments = seen.moments
    point = StartPoint(atoms, None, None, moments.mean.float(), moments.scale, seen.rows(even))
    standing = stack.begin(spec, spec.method.initialise(point, 0))
    standing.step = spec.training.steps + 1
    return standing


def _specs(task: Task) -> list[RunSpec]:
    settings = {"n_atoms": task["n_atoms"], "k": task["k"]}
    start = {"kind": "data", "n_points": task["n_points"]} if task["kind"] == "ra-topk" else {"kind": "random"}
    study = Study(
        activations=task["store"],
        preprocess=("centre",),
        starts=task["runs"],
        runs_per_start=1,
        arms=(Arm(name="arm", method=METHODS[task["kind"]](**settings), start=Start(**start)),),
        training=Training(steps=task["steps"], batch_size=task["batch_size"], evenly=1, device="cpu"),
    )
    return list(study.runs_of(study.conditions[0], activations=PLANTED))


def _seen(task: Task) -> Preprocessed:
    return preprocessed(open_activations(task["store"]), "centre")


def _context(task: Task, seen: Preprocessed, pool: Any) -> Context:  # noqa: ANN401 (an executor)
    source = Seen(seen, seen.heldout.rows)
    return Context({PLANTED: source}, StudyFolder(Path(task["study"])), torch.device("cpu"), pool)


def _runs(task: Task) -> list[Trajectory]:
    return [StudyFolder(Path(task["study"])).run(spec.id) for spec in _specs(task)[:2]]


def _seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call: the median of three, or of one where it is long."""
    taken: list[float] = []
    while len(taken) < REPEATED and sum(taken) < LONG:
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return round(statistics.median(taken), 6)


def _warm_up() -> None:
    """Load and compile what is loaded and compiled once per process: it is no part of any curve."""
    rows = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    task = {"kind": "topk", "n_atoms": 48, "k": 4, "runs": 2, "steps": 2, "batch_size": 20, "store": "none"}
    with tempfile.TemporaryDirectory() as folder, workers(1) as pool:
        task["study"] = folder
        train(_specs(task), _context(task, preprocessed(open_activations(rows), "centre"), pool))
        matching(task)
    kmeans(rows, 4, steps=1, rolled=0)


MEASURING = {"training": training, "matching": matching, "clustering": clustering, "comparing": comparing}

if __name__ == "__main__":
    torch.set_num_threads(1)
    _warm_up()
    print(json.dumps(MEASURING[sys.argv[1]](json.loads(sys.argv[2]))))
