"""Small studies that several tests share: real files, real training, planted truth."""

import hashlib
import os
import pty
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch

from reseed._support.threads import workers
from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.methods import METHODS
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Arm, Dice, Floors, Study, Training
from reseed.training import Context
from reseed.trajectory import Manifest, PlannedCondition, RunEnd, RunRecord, StudyFolder, pack_codes

D_MODEL, N_ATOMS, K = 17, 33, 3  # odd, so that no row of numbers fills whole vector registers
READS = 8  # columns that a method reads that writes the others

LINEAR = {"ica": {}, "pca": {}, "sparse-pca": {"l1": 0.01}}
"""The methods with at most as many atoms as dimensions, and what they need."""

IN_ONE_SPACE = tuple(kind for kind, model in METHODS.items() if "reads" not in model.model_fields)
"""The methods that write what they read: a study of them is about one space."""


LAST_STEP = 30
WITHOUT = Floors(surrogate="off")
SNAPSHOTS = (0, 1, 2, 5, 10, 15, 30)


def required(kind, **values):
    """Those of the values that a method has a setting for, without a default, and what it needs beside them."""
    fields = METHODS[kind].model_fields
    asked = {name: value for name, value in values.items() if name in fields and fields[name].is_required()}
    return asked | LINEAR.get(kind, {})


def arm(kind, *, name=None, start=None, **settings):
    """An arm of any method, small; archetypal ones and those without a start of their own begin at k-means points."""
    n_atoms = D_MODEL - 4 if kind in LINEAR else N_ATOMS
    method = METHODS[kind](**{"n_atoms": n_atoms, **required(kind, k=K, reads=READS), **settings})
    return Arm(name=name or kind, method=method, start=start or {"kind": "kmeans", "kmeans_steps": 3})


def matrix(path, n_tokens=600, *, d_model=D_MODEL, offset=2.0, **more):
    """A .npy file of planted activations."""
    made = planted(n_tokens, d_model, **{"n_atoms": N_ATOMS, "active": K, "noise": 0.1, "offset": offset} | more)
    np.save(path, made.rows.numpy())
    return path


def study(activations, *arms, steps=12, batch_size=31, **changes):
    """A study of seconds on a matrix; without a surrogate, which would double its time, unless it is asked for."""
    training = Training(
        **{"steps": steps, "batch_size": batch_size, "evenly": 2, "device": "cpu"} | changes.pop("training", {})
    )
    known = {"preprocess": ("centre",), "starts": 2, "runs_per_start": 2, "training": training, "floors": WITHOUT}
    return Study(activations=str(activations), arms=arms or (arm("topk"),), **known | changes)


@contextmanager
def context(activations, folder, *, preprocess="centre", threads=1):
    """Where runs train without a study around them."""
    seen = preprocessed(open_activations(activations), preprocess)
    with workers(threads) as pool:
        yield Context.of_one(seen, StudyFolder(folder), torch.device("cpu"), pool)


def specs_of(small):
    """All runs of a study, condition after condition."""
    fingerprint = open_activations(small.activations).fingerprint
    return [spec for condition in small.conditions for spec in small.runs_of(condition, activations=fingerprint)]


def contents(folder):
    """What is in a folder: the digest of every file, by its path."""
    files = (file for file in Path(folder).rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextmanager
def little_memory(more):
    """This process may take no more than so many bytes in addition: what asks for more fails in the kernel."""
    held = int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmData:")[2].split()[0]) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def full_disk(size):
    """No file of this process may grow beyond `size` bytes: the write fails in the kernel, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def command_line(*arguments, wait=True, **more):
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
    process = command_line("run", folder / "study.toml", "--quiet")
    assert process.returncode == 0, process.stderr_text
    return folder / "study", process


def begun_again(tmp_path_factory, folder):
    """The finished study, copied with its toml and its activations to where a test may spoil it."""
    finished_folder, _ = finished(tmp_path_factory)
    shutil.copytree(finished_folder.parent, folder, dirs_exist_ok=True)
    return folder / "study"


def hand_made(folder, atoms, *, surrogates=None, heldout=None, status="finished", **metrics):
    """A study folder written by hand: for each condition and run, the atoms at every step.

    Args:
        folder: where it goes.
        atoms: condition -> run id -> step -> atoms. A run's encoder is its dictionary.
        surrogates: run id -> step -> atoms, of runs on the surrogate that all conditions share.
        heldout: the tokens whose codes travel along; 40 random ones by default.
        status: how the runs ended.
        metrics: those that differ from what the atoms give, such as `r2`.
    """
    first = next(iter(next(iter(next(iter(atoms.values())).values())).values()))
    n_atoms, d_model = first.shape
    heldout = torch.randn(40, d_model, generator=generator(1)) if heldout is None else heldout
    study_folder, beside = StudyFolder(folder), surrogates or {}
    arms = [arm("topk", name=name.split("@")[0], n_atoms=n_atoms, start={"kind": "random"}) for name in atoms]
    study_folder.write_text("study.toml", study("acts.npy", *arms, preprocess=("none",)).to_toml())
    conditions = [
        PlannedCondition(
            name=name, arm=arm_name, preprocess=preprocess, key=name, runs=tuple(runs), surrogates=tuple(beside)
        )
        for name, runs in atoms.items()
        for arm_name, preprocess in [name.split("@")]
    ]
    study_folder.write_manifest(Manifest(reseed="0", conditions=tuple(conditions)))
    study_folder.write_moments(
        "none", {"mean": torch.zeros(d_model).double(), "covariance": torch.eye(d_model).double()}
    )
    for floor, draw in product(("data", "kmeans"), range(3)):
        drawn = torch.randn(n_atoms, d_model, generator=generator(draw, floor))
        path = study_folder.draw_path("none", n_atoms, floor, draw)
        study_folder.remember_draw(path, f"{floor}, drawn by hand", {}, lambda drawn=drawn: drawn)
    for name, runs in atoms.items():
        for number, (run_id, by_step) in enumerate(runs.items()):
            write_run(study_folder.run(run_id), name, number, by_step, heldout=heldout, status=status, metrics=metrics)
    for number, (run_id, by_step) in enumerate(beside.items()):
        run, name = study_folder.run(run_id), next(iter(atoms))
        of = {"surrogate": "elliptical", "surrogate_rank": d_model, "dimensions_per_token": d_model / len(heldout)}
        write_run(run, name, number, by_step, heldout=heldout, status="finished", metrics={}, of=of)
    return StudyFolder.open(folder)


def write_run(run, condition, number, by_step, *, heldout, status, metrics, of=None):
    """One run of a folder written by hand; `of` is what its record says of the surrogate that it was trained on."""
    name, preprocess = condition.split("@")
    by_arm = arm("topk", name=name, n_atoms=len(by_step[0]), start={"kind": "random"})
    run.write_record(
        RunRecord(
            preprocess=preprocess,
            start_index=number,
            run_index=0,
            rolls=Dice().rolls(number, 0),
            dice=("init", "order"),
            **by_arm.model_dump(mode="json", include={"method", "start"}),
            **(of or {}),
        )
    )
    rows = []
    for step, atoms in by_step.items():
        codes = (heldout @ atoms.T).relu()
        run.write_snapshot(
            step,
            {"atoms": atoms, "encoder": atoms.clone()} | pack_codes(codes, torch.arange(len(atoms)).expand_as(codes)),
        )
        kept = torch.cosine_similarity(atoms, by_step[0], dim=1).mean().item()
        row = {"step": step, "r2": 0.9, "l0": (codes > 0).sum().item() / len(codes), "retention": kept}
        rows.append(row | {"alive": codes.any(dim=0).double().mean().item()} | metrics)
    run.finish(rows, RunEnd(status=status, step=max(by_step)))


def judged(folder):
    """The findings of a study folder, compared and judged with what it holds."""
    return rejudge(folder.path, quiet=True)


def on_a_terminal(code):
    """What Python code writes on a pseudo-terminal, in a process of its own."""
    leader, follower = pty.openpty()
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path]), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(follower)
    told = b""
    with suppress(OSError):  # the system's way to say that nobody has the terminal open any more
        while part := os.read(leader, 4096):
            told += part
    os.close(leader)
    assert process.wait(60) == 0, told
    return told.decode()
