"""Activations that change while they are read: one sentence, and no run is called done that may have seen it."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from test_store import as_folder, as_fortran_npy, as_npy, as_safetensors, as_store, some_rows

import reseed
from reseed.activations import open_activations
from reseed.errors import ActivationsError
from studies import arm, contents, matrix, study

INDEX = torch.arange(5)


def one_file(source, folder):
    """An opened source, and a file that its training rows lie in."""
    opened = open_activations(source(folder, some_rows()))
    return opened, next(path for path in sorted(folder.rglob("*.*")) if "shard" in path.name or path.parent == folder)


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def replaced(path):
    overwritten(path)
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


def shortened(path):
    os.truncate(path, path.stat().st_size - 1000)


def removed(path):
    path.unlink()


@pytest.mark.parametrize("source", [as_store, as_npy, as_fortran_npy, as_safetensors, as_folder])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overwritten, "was overwritten while it was read"),
        (replaced, "was overwritten while it was read"),
        (shortened, "was cut short while it was read, to"),
        (removed, "is gone, while it was read"),
    ],
)
def test_rows_of_a_file_that_changes_are_refused(tmp_path, source, change, said):
    opened, path = one_file(source, tmp_path)
    opened.rows(INDEX)
    change(path)
    for read in (lambda: opened.rows(INDEX), lambda: list(opened.blocks())):
        with pytest.raises(ActivationsError, match=f"{path.name} {said}"):
            read()


@pytest.mark.parametrize("source", [as_store, as_npy, as_folder])
def test_a_file_that_is_written_anew_with_the_same_content_is_read_on(tmp_path, source):
    opened, path = one_file(source, tmp_path)
    before = opened.rows(INDEX)
    path.write_bytes(path.read_bytes())
    os.utime(path, (1, 1))
    assert torch.equal(opened.rows(INDEX), before)


def test_what_a_store_holds_beside_its_rows_is_in_memory(tmp_path):
    opened, _ = one_file(as_store, tmp_path)
    heldout, mean = opened.heldout.rows.clone(), opened.moments.mean.clone()
    for name in ("heldout", "moments"):
        os.truncate(tmp_path / f"store/{name}.safetensors", 10)
    assert torch.equal(opened.heldout.rows, heldout)
    assert torch.equal(opened.moments.mean, mean)


SHORTENED_BETWEEN_QUESTION_AND_READING = """
import os, sys, torch
from pathlib import Path
from reseed._support.bus_errors import telling_of
from reseed.activations import open_activations

path = Path(sys.argv[1])
opened = open_activations(path)
with telling_of(path):
    os.truncate(path, 500)
    opened.matrix.rows(torch.arange(900_000, 900_100))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files that are mapped cannot be cut short there")
def test_a_file_that_is_cut_short_at_the_very_moment_of_reading_is_one_sentence(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((1_000_000, 4), np.float16))
    command = [sys.executable, "-c", SHORTENED_BETWEEN_QUESTION_AND_READING, tmp_path / "rows.npy"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.strip() == (
        f"reseed: {tmp_path}/rows.npy was cut short while it was read: nothing that reads it is called done; put it "
        "back as it was, and the same command goes on from what is saved"
    )


def test_a_study_whose_activations_change_says_so_and_goes_on_when_they_are_back(tmp_path):
    training, topk = {"evenly": 5, "checkpoint_seconds": 0.05}, arm("topk", start={"kind": "random"})
    training["batch_size"] = 512  # small batches are read many at a time: all of these steps' before the first
    acts = matrix(tmp_path / "acts.npy")
    floors = {"draws": 3, "surrogate": "off"}
    small = study(acts, topk, steps=400, starts=2, runs_per_start=1, training=training, floors=floors)
    whole = (tmp_path / "acts.npy").read_bytes()

    def spoil():
        while len(list(tmp_path.glob("disturbed/runs/*/step-*"))) < 6:
            time.sleep(0.01)
        np.save(tmp_path / "acts.npy", -np.load(tmp_path / "acts.npy"))

    spoiler = threading.Thread(target=spoil)
    spoiler.start()
    with pytest.raises(ActivationsError, match=r"acts.npy was (overwritten|cut short) while it was read"):
        reseed.run(small, tmp_path / "disturbed", quiet=True)
    spoiler.join()
    assert not list(tmp_path.glob("disturbed/runs/*/done"))
    (tmp_path / "acts.npy").write_bytes(whole)
    reseed.run(small, tmp_path / "disturbed", quiet=True)
    reseed.run(small, tmp_path / "undisturbed", quiet=True)
    assert contents(tmp_path / "disturbed") == contents(tmp_path / "undisturbed")
