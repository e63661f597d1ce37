"""Bits flipped in a finished study: is each of them found, named, and mended by the advice that is given?

    python benchmarks/faults/flips.py [--flips N] [--seed N]

A small real study, with children and an archetypal arm, is copied; one bit of one file is flipped, at the beginning
(where formats have their headers), at the end, or anywhere; then each of the three commands that read a study meets it.
A flip is found when the command refuses with a sentence that names the file, or goes on and says so; it is silent when
nothing is said. Then the advice is followed, and the study has to end with its bytes from before.
"""

import argparse
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import reseed
from reseed import Study
from reseed.activations.synthetic import planted
from reseed.findings import Findings
from reseed.pipeline.evidence import check_evidence

STEPS, TOKENS, D_MODEL, N_ATOMS = 12, 600, 16, 24
PLACES = ("header", "payload", "end")
NOT_READ = {".lock", "report.html"}
"""Written for others: one holds nothing, the other is written anew by every run."""


class Outcome(NamedTuple):
    """What came of one flip under one command."""

    kind: str
    place: str
    command: str
    found: bool
    mended: bool
    told: str
    traceback: str = ""


def small_study(folder: Path) -> Study:
    """Two arms, two starts, two runs each, a child of every start; all that a study can hold."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(
        folder / "acts.npy", planted(TOKENS, D_MODEL, n_atoms=N_ATOMS, active=3, noise=0.1, offset=1.0).rows.numpy()
    )
    kmeans = {"kind": "kmeans", "kmeans_steps": 2}
    study = Study.model_validate(
        {
            "activations": str(folder / "acts.npy"),
            "preprocess": ("centre",),
            "starts": 2,
            "runs_per_start": 2,
            "spawn_at": (2,),
            "arms": [
                {"name": "topk", "method": {"kind": "topk", "n_atoms": N_ATOMS, "k": 3}, "start": {"kind": "random"}},
                {"name": "ra-topk", "method": {"kind": "ra-topk", "n_atoms": N_ATOMS, "k": 3}, "start": kmeans},
            ],
            "training": {"steps": STEPS, "batch_size": 64, "evenly": 2, "device": "cpu"},
            "floors": {"draws": 3, "kmeans_steps": 2},
        }
    )
    reseed.run(study, folder / "study", quiet=True)
    return study


def kind_of(path: Path, study: Path) -> str:
    """The kind of a file: its name without what tells it from its siblings."""
    parts = path.relative_to(study).parts
    name = parts[-1] if len(parts) == 1 or parts[0] in {"runs", "compared"} else path.suffix
    name = "step-*" if name.startswith("step-") else name
    return "/".join((*parts[:1], name)) if len(parts) > 1 else name


def flipped(path: Path, place: str, dice: random.Random) -> None:
    """Flip one bit of a file, in place."""
    content = bytearray(path.read_bytes())
    size = len(content)
    where = {"header": (0, min(64, size)), "payload": (size // 3, size), "end": (max(0, size - 8), size)}[place]
    at = dice.randrange(*where) if where[0] < where[1] else size - 1
    content[at] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that is read, by its name."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_READ)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def commands(study: Study) -> dict[str, Callable[[Path], object]]:
    """What reads a study, by name."""

    def report(folder: Path) -> None:
        check_evidence(Findings.read(folder), folder)

    return {
        "run": lambda folder: reseed.run(study, folder, quiet=True),
        "report --rejudge": lambda folder: reseed.rejudge(folder, quiet=True),
        "report": report,
    }


def meet(command: Callable[[Path], object], folder: Path) -> tuple[str, str]:
    """What the command says, and its traceback if it ends in one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            command(folder)
        except reseed.ReseedError as error:
            return str(error), ""
        except Exception:  # noqa: BLE001 (any other exception is what is looked for)
            return "", traceback.format_exc()
    return "; ".join(str(each.message) for each in said), ""


def follow(told: str, folder: Path, study: Study) -> bool:
    """Do what the message says, and end as before."""
    advice = "delete " + told.partition("delete ")[2] if "delete " in told else told
    for word in advice.replace(",", " ").split():
        path = Path(word)
        if path.is_relative_to(folder) and path != folder:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with warnings.catch_warnings(record=True):
        if "--rejudge" in advice:
            reseed.rejudge(folder, quiet=True)
        else:
            reseed.run(study, folder, quiet=True)
    return True


def trials(study: Study, whole: Path, flips: int, dice: random.Random) -> Iterator[Outcome]:
    """Flips of every kind of file, in turns, each under every command."""
    before = contents(whole)
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(path for path in whole.rglob("*") if path.is_file() and path.name not in NOT_READ):
        kinds[kind_of(path, whole)].append(path.relative_to(whole))
    for number in range(flips):
        kind = list(kinds)[number % len(kinds)]
        where = PLACES[number // len(kinds) % len(PLACES)]
        file, roll = dice.choice(kinds[kind]), dice.randrange(2**32)
        for name, command in commands(study).items():
            again = whole.with_name(f"{number}-{name.rpartition('-')[2]}")
            shutil.copytree(whole, again)
            flipped(again / file, where, random.Random(roll))  # noqa: S311 (the same flip for all commands)
            told, crash = meet(command, again)
            try:
                mended = bool(told) and follow(told, again, study) and contents(again) == before
            except Exception:  # noqa: BLE001 (advice that does not work is what is looked for)
                mended, crash = False, crash or traceback.format_exc()
            named = any(part in told for part in file.parts[-2:])
            yield Outcome(kind, where, name, named, mended, told, crash)
            shutil.rmtree(again)


def main() -> None:
    """Print what came of all flips, by kind of file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=180)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    dice = random.Random(asked.seed)  # noqa: S311 (no secret)
    with tempfile.TemporaryDirectory() as name:
        study = small_study(Path(name) / "whole")
        found = list(trials(study, Path(name) / "whole" / "study", asked.flips, dice))
    print(f"{'kind of file':34}{'flips':>6}{'found':>7}{'mended':>8}{'tracebacks':>12}")
    tries = Counter(each.kind for each in found)
    for kind, n in tries.items():
        mine = [each for each in found if each.kind == kind]
        counts = (
            sum(each.found for each in mine),
            sum(each.mended for each in mine),
            sum(bool(e.traceback) for e in mine),
        )
        print(f"{kind:34}{n:6}{counts[0]:7}{counts[1]:8}{counts[2]:12}")
    bad = [each for each in found if not (each.found and each.mended) or each.traceback]
    for each in bad[:10]:
        print(f"\n{each.kind}, {each.place}, {each.command}: {each.told or 'silent'}\n{each.traceback[-1500:]}")
    print(f"\n{len(found)} meetings with a flipped bit: {len(bad)} silent, not mended or a traceback")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
