"""Kill and stop a study again and again, at any time, and look whether anything is lost.

    python benchmarks/faults/stops.py [--trials 100] [--seed 0] [--keep FOLDER]

Every trial is a signal to a real `reseed run`: SIGKILL, SIGINT or SIGTERM, the latter two sometimes twice, at a random
time from 50 ms after the process began, or when a random file of the study has just appeared. A study suffers one to
five of them and is then left alone. What has to hold: its files end up equal to those of a study that nothing has
stopped, byte for byte, and so does what the command prints; a stopped process ends within a minute, with the exit code
of its signal, and says so in one line; nobody sees a traceback. The exit code is 1 where one of these fails.

A signal that comes before Python itself has begun, or after the command has ended, says nothing about reseed; the
former are counted apart, the latter are sent again.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reseed.activations.synthetic import planted
from reseed.methods import RATopK, TopK
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

SIGNALS = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
FIRST, HANG, UNDISTURBED = 0.05, 60.0, 600.0  # seconds
TWICE = 0.3  # of the stops, and seconds until the second one at most
MOST_PER_STUDY = 5
MOMENTS = [
    "manifest.json",
    "moments/*.safetensors",
    "floors/*/*/*.safetensors",
    "points/*.safetensors",
    "runs/*/step-000000.safetensors",
    "runs/*/step-000012.safetensors",
    "runs/*/state.safetensors",
    "runs/*spawn*/spec.json",
    "runs/*/done",
    "compared/*/pairs.parquet",
    "floors/of-runs/*/*.safetensors",
    "compared/*/floors.parquet",
    "compared/*/barriers.parquet",
    "findings.json",
    "report.html",
]
STARTING, LOADING = "python starts", "loading"
PHASES = [STARTING, LOADING, "floors", "starts", "training", "compare", "floors of runs", "barriers", "judge", "report"]
TALK = re.compile(
    r"reseed: stopped.*; the same command goes on from here|report: .*|finished already: .*|.*: [\d,]+ of [\d,]+.*|"
    r"reseed: acts: 540 training tokens are .*"
)


@dataclass
class Trial:
    """One signal and what became of it."""

    signal: str
    phase: str
    seconds: float
    """From the signal to the end of the process."""
    faults: list[str] = field(default_factory=list)


def write_study(place: Path) -> None:
    """A study of seconds that has every phase: k-means points, children, all floors, barriers."""
    np.save(place / "acts.npy", planted(600, 17, n_atoms=33, active=3, noise=0.1, offset=2.0).rows.numpy())
    arms = (
        Arm(name="topk", method=TopK(n_atoms=33, k=3), start=Start(kind="random")),
        Arm(name="ra-topk", method=RATopK(n_atoms=33, k=3), start=Start(kind="kmeans", kmeans_steps=3)),
    )
    training = Training(steps=40, batch_size=31, evenly=2, device="cpu", checkpoint_seconds=0.05)
    Study(
        activations="acts.npy",
        preprocess=("centre",),
        arms=arms,
        starts=2,
        runs_per_start=2,
        spawn_at=(0, 10),
        training=training,
    ).write(place / "study.toml")


def begin(place: Path) -> subprocess.Popen[bytes]:
    """`reseed run` in a process of its own, which signals reach even where this script was begun in the background."""
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "reseed", "run", "study.toml"],
            cwd=place,
            stdout=out,
            stderr=err,
            env=os.environ | {"COLUMNS": "100"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 (no threads here)
        )


def left_alone(place: Path) -> float:
    """Run the study to its end, and return the seconds that it took."""
    begun = time.monotonic()
    code = begin(place).wait(UNDISTURBED)
    if code:
        raise SystemExit(f"the study did not end well: {code}\n{(place / 'err').read_text(encoding='utf-8')}")
    return time.monotonic() - begun


def contents(place: Path) -> dict[str, str]:
    """The digests of all files of the study and of what was printed; hidden files are named, too."""
    files = [file for file in (place / "study").rglob("*") if file.is_file()]
    return {
        str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest() for file in [*files, place / "out"]
    }


def wait_for_moment(place: Path, process: subprocess.Popen[bytes], dice: random.Random, usual: float) -> None:
    """A random time, or until a new file of a random kind is there and up to a tenth of a second more."""
    begun = time.monotonic()
    at = FIRST + dice.random() * (usual - FIRST)
    kind = dice.choice(MOMENTS) if dice.random() < 2 / 3 else None
    if kind is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(at)
        return
    known = len(list(place.glob(f"study/{kind}")))
    while process.poll() is None and len(list(place.glob(f"study/{kind}"))) <= known:
        time.sleep(0.002)
    time.sleep(dice.random() / 10)
    time.sleep(max(0.0, FIRST - (time.monotonic() - begun)))


def phase(place: Path, process: subprocess.Popen[bytes], begun: float) -> str:
    """What the process is at: by the files that are there, which the manifest is the first of."""
    study, manifest = place / "study", place / "study" / "manifest.json"
    if not _listens(process):
        return STARTING
    if not manifest.exists() or manifest.stat().st_mtime < begun:
        return LOADING
    if not list(study.glob("runs/*")):
        return "floors"
    for each in json.loads(manifest.read_text(encoding="utf-8"))["conditions"]:
        folders = [study / "runs" / run for run in (*each["runs"], *each["children"])]
        steps = {
            "starts": [folder / "step-000000.safetensors" for folder in folders],
            "training": [folder / "done" for folder in folders],
            "compare": [study / "compared" / each["key"] / "pairs.parquet"],
            "floors of runs": [study / "compared" / each["key"] / "floors.parquet"],
            "barriers": [study / "compared" / each["key"] / "barriers.parquet"],
        }
        for name, files in steps.items():
            if not all(file.exists() for file in files):
                return name
    return "report" if (study / "findings.json").exists() else "judge"


def _listens(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has a handler for SIGTERM yet; where the system does not tell, it is taken for granted."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return True
    caught = re.search(r"SigCgt:\s*(\w+)", status)
    return caught is None or bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def suffer(place: Path, dice: random.Random, usual: float) -> Trial | None:
    """Begin or go on with the study, and send a signal; None where the command was faster."""
    begun = time.time()
    process, number = begin(place), dice.choice(SIGNALS)
    wait_for_moment(place, process, dice, usual)
    if process.poll() is not None:
        return None
    at, twice = phase(place, process, begun), number != signal.SIGKILL and dice.random() < TWICE
    process.send_signal(number)
    sent = time.monotonic()
    if twice:
        time.sleep(dice.random() * TWICE)
        process.send_signal(dice.choice(SIGNALS[1:]))
    try:
        code = process.wait(HANG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return Trial(number.name, at, HANG, ["hangs"])
    told = (place / "err").read_text(encoding="utf-8")
    name = f"{number.name} twice" if twice else number.name
    trial = Trial(name, at, time.monotonic() - sent, [] if at == STARTING else faults(number, code, told))
    return trial if code else None


def faults(number: signal.Signals, code: int, told: str) -> list[str]:
    """What is wrong with how a process ended, and with what it said."""
    if number == signal.SIGKILL:
        return [] if code in {-number, 0} else [f"exit code {code}"]
    found = [] if code in {128 + number, 0} else [f"exit code {code}"]
    strange = [line for line in told.splitlines() if not TALK.fullmatch(line)]
    said = sum(line.startswith("reseed: stopped") for line in told.splitlines())
    found += [f"said it {said} times"] if said != (code != 0) else []
    return found + ([f"said: {strange[-1]}"] if strange else [])


def damage(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """The files that are not what they are in a study that nothing has stopped."""
    names = sorted(expected.keys() | found.keys())
    return [f"{name} differs" for name in names if expected.get(name) != found.get(name)]


def table(trials: list[Trial]) -> str:
    """By phase and signal: how many, the longest until the end, and the faults."""
    by = defaultdict(list)
    for trial in trials:
        by[trial.phase, trial.signal].append(trial)
    lines = ["| at | signal | times | until the end, s | faults |", "|---|---|---|---|---|"]
    for (at, name), of in sorted(by.items(), key=lambda item: (PHASES.index(item[0][0]), item[0][1])):
        wrong = [fault for trial in of for fault in trial.faults]
        lines.append(f"| {at} | {name} | {len(of)} | {max(trial.seconds for trial in of):.1f} | {len(wrong)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the trials, print the table, and exit with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=100, help="signals that are sent while reseed listens")
    parser.add_argument("--seed", type=int, default=0, help="of the random times and signals")
    parser.add_argument("--keep", type=Path, help="keep the studies that ended wrong in this folder")
    asked = parser.parse_args()
    dice, trials, studies, wrong = random.Random(asked.seed), [], 0, []  # noqa: S311 (no secrets)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        write_study(whole)
        left_alone(whole)  # compiles what is compiled once
        shutil.rmtree(whole / "study")
        usual, expected = left_alone(whole), contents(whole)
        while (left := asked.trials - sum(trial.phase != STARTING for trial in trials)) > 0:
            place = Path(folder) / f"study-{studies}"
            place.mkdir()
            for name in ("acts.npy", "study.toml"):
                shutil.copy(whole / name, place / name)
            suffered = [suffer(place, dice, usual) for _ in range(min(left, dice.randint(1, MOST_PER_STUDY)))]
            left_alone(place)
            trials += [trial for trial in suffered if trial]
            found = damage(expected, contents(place)) + [
                f"{trial.signal} in {trial.phase}: {fault}" for trial in suffered if trial for fault in trial.faults
            ]
            if found and asked.keep:
                shutil.copytree(place, asked.keep / place.name)
            wrong += [f"{place.name}: {fault}" for fault in found]
            print(f"{place.name}: {len(trials)} signals, {len(wrong)} faults", *found, sep="\n  ", file=sys.stderr)
            studies += 1
            shutil.rmtree(place)
    print(table(trials))
    print(f"\n{len(trials)} signals to {studies} studies; {len(wrong)} faults")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
