"""Small studies that several tests share: real files, real training, planted truth."""

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch

from reseed.activations import open_activations, view
from reseed.methods import METHODS
from reseed.spec import Arm, Study, Training
from reseed.study import workers
from reseed.synthetic import planted
from reseed.training import Room
from reseed.trajectory import StudyFolder

D_MODEL, N_ATOMS, K = 17, 33, 3  # odd, so that no row of numbers fills whole vector registers


LAST_STEP = 30
SNAPSHOTS = (0, 1, 2, 5, 10, 15, 30)


def arm(kind, *, name=None, start=None, **settings):
    """An arm of any method, small; archetypal ones and those without a start of their own begin at k-means points."""
    sparsity = {"k": K} if "k" in METHODS[kind].model_fields else {}
    method = METHODS[kind](**{"n_atoms": N_ATOMS, **sparsity, **settings})
    return Arm(name=name or kind, method=method, start=start or {"kind": "kmeans", "kmeans_steps": 3})


def matrix(path, n_tokens=600, *, d_model=D_MODEL, offset=2.0, **more):
    """A .npy file of planted activations."""
    made = planted(n_tokens, d_model, **{"n_atoms": N_ATOMS, "active": K, "noise": 0.1, "offset": offset} | more)
    np.save(path, made.rows.numpy())
    return path


def study(activations, *arms, steps=12, batch_size=31, **changes):
    """A study of seconds on a matrix."""
    training = Training(
        **{"steps": steps, "batch_size": batch_size, "evenly": 2, "device": "cpu"} | changes.pop("training", {})
    )
    known = {"preprocess": ("centre",), "starts": 2, "runs_per_start": 2, "training": training}
    return Study(activations=str(activations), arms=arms or (arm("topk"),), **known | changes)


@contextmanager
def room(activations, folder, *, preprocess="centre", threads=1):
    """Where runs train without a study around them."""
    seen = view(open_activations(activations), preprocess)
    with workers(threads) as pool:
        yield Room(seen, seen.heldout.rows, StudyFolder(folder), torch.device("cpu"), pool)


def specs_of(small):
    """All runs of a study, condition after condition."""
    fingerprint = open_activations(small.activations).fingerprint
    return [spec for condition in small.conditions for spec in small.runs_of(condition, activations=fingerprint)]


def contents(folder):
    """What is in a folder: the digest of every file, by its path."""
    files = (file for file in Path(folder).rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def reseed(*arguments, wait=True, **more):
    """The command line in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reseed", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
        **more,
    )
    if not wait:
        return process
    process.stdout_text, process.stderr_text = process.communicate(timeout=120)
    return process


def finished(tmp_path_factory):
    """A study of two arms that the command line has run once for all tests: its folder, and the ended process.

    The activations lie beside the folder as `acts.npy`, and the study as `study.toml`.
    """
    return _finished(tmp_path_factory.getbasetemp() / "finished")


@cache
def _finished(folder):
    folder.mkdir()
    matrix(folder / "acts.npy")
    arms = arm("topk", start={"kind": "random"}), arm("ra-topk")
    small = study("acts.npy", *arms, training={"steps": LAST_STEP, "checkpoint_seconds": 0.0})
    small.write(folder / "study.toml")
    process = reseed("run", folder / "study.toml", "--quiet")
    assert process.returncode == 0, process.stderr_text
    return folder / "study", process


def begun_again(tmp_path_factory, folder):
    """The finished study, copied with its toml and its activations to where a test may spoil it."""
    finished_folder, _ = finished(tmp_path_factory)
    shutil.copytree(finished_folder.parent, folder, dirs_exist_ok=True)
    return folder / "study"
