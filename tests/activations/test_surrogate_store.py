"""`reseed surrogate`: the rows of a surrogate sample as a store, whole, or as far as it came."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from reseed._support.files import alone
from reseed.activations import open_activations, sizes_of, surrogate, write_surrogate
from reseed.activations.coordinates import SURROGATES
from reseed.activations.manifest import read_manifest
from reseed.cli import main
from reseed.errors import ActivationsError

N, D = 2_500, 600  # a block holds 1,024 rows of this width


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "acts.npy"
    rows = torch.randn(9_000, 8, generator=torch.Generator().manual_seed(0)).numpy().astype(np.float16)
    np.save(path, rows)
    return path


def typed(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", SURROGATES)
def test_a_store_holds_the_rows_moments_and_held_out_rows_of_the_sample_to_the_bit(tmp_path, file, kind):
    real = open_activations(file)
    drawn, stored = surrogate(real, kind, realisation=3), write_surrogate(real, tmp_path / "s", kind, realisation=3)
    stored = open_activations(tmp_path / "s")
    index = torch.arange(real.n_tokens)
    assert torch.equal(drawn.rows(index), stored.rows(index))
    assert torch.equal(drawn.heldout.rows, stored.heldout.rows)
    assert torch.equal(drawn.moments.covariance, stored.moments.covariance)
    assert torch.equal(drawn.moments.mean, stored.moments.mean)
    assert {key: stored.about[key] for key in drawn.about} == drawn.about
    assert stored.about["surrogate_of"] == real.fingerprint
    assert not [path for path in (tmp_path / "s").iterdir() if "partial" in path.name or path.name.startswith("tmp")]


def test_rows_of_several_blocks_and_shards_are_those_of_the_sample(tmp_path, monkeypatch):
    monkeypatch.setattr("reseed.activations.surrogate_store._BLOCKS", 1)
    real = open_activations(torch.randn(N, D, generator=torch.Generator().manual_seed(1)))
    drawn, stored = surrogate(real), write_surrogate(real, tmp_path / "s", progress=False)
    assert [record.rows for record in read_manifest(tmp_path / "s").shards] == [1024, 1024, real.n_tokens - 2048]
    index = torch.arange(0, real.n_tokens, 7)
    assert torch.equal(drawn.rows(index), stored.rows(index))
    assert torch.equal(drawn.moments.covariance, stored.moments.covariance)
    whole = content(tmp_path / "s")
    (tmp_path / "s" / "shard-00002.safetensors").write_bytes(b"spoilt")
    write_surrogate(real, tmp_path / "s", progress=False)
    assert content(tmp_path / "s") == whole


def test_a_command_writes_a_store_that_is_read_as_any_other(tmp_path, file, capsys):
    assert typed("surrogate", file, "--out", tmp_path / "s", "--kind", "gaussian", "--quiet") == 0
    told = "8100 training tokens and 900 held out, d_model 8, which vary in 8 directions"
    assert capsys.readouterr().out == f"{tmp_path / 's'}: {told}\n"
    sizes = sizes_of(tmp_path / "s")
    assert (sizes.n_tokens, sizes.n_heldout, sizes.d_model) == (8100, 900, 8)
    assert json.loads((tmp_path / "s" / "manifest.json").read_text())["about"]["surrogate"] == "gaussian"


def test_the_same_command_again_changes_nothing_and_another_one_is_refused(tmp_path, file, capsys):
    first = ["surrogate", file, "--out", tmp_path / "s", "--quiet"]
    assert typed(*first) == 0
    before = content(tmp_path / "s")
    assert typed(*first) == 0
    assert typed(*first, "--realisation", "1") == 1
    assert "holds another collection (realisation 0, now 1)" in capsys.readouterr().err
    assert content(tmp_path / "s") == before


def test_folders_that_hold_something_else_and_the_activations_themselves_are_left_alone(tmp_path, file):
    real = open_activations(file)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ActivationsError, match="holds something else"):
        write_surrogate(real, tmp_path)
    write_surrogate(real, tmp_path / "s", progress=False)
    before = content(tmp_path / "s")
    with pytest.raises(ActivationsError, match="holds another collection"):
        write_surrogate(open_activations(tmp_path / "s"), tmp_path / "s", progress=False)
    with pytest.raises(ActivationsError, match="all rows are equal"):
        write_surrogate(open_activations(torch.ones(50, 3)), tmp_path / "equal")
    assert content(tmp_path / "s") == before
    assert not (tmp_path / "equal").exists()


def test_two_commands_do_not_write_into_one_folder(tmp_path, file):
    with (
        alone(tmp_path / "s" / ".lock"),
        pytest.raises(ActivationsError, match=r"another reseed is writing into .*s: wait for it"),
    ):
        write_surrogate(open_activations(file), tmp_path / "s", progress=False)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_command_that_is_stopped_goes_on_to_the_same_bytes(tmp_path):
    rows = torch.randn(180_000, 32, generator=torch.Generator().manual_seed(1))
    np.save(tmp_path / "acts.npy", rows.numpy())
    arguments = [tmp_path / "acts.npy", "--quiet", "--out"]
    assert typed("surrogate", *arguments, tmp_path / "undisturbed") == 0
    command = [sys.executable, "-m", "reseed", "surrogate", *map(str, arguments), str(tmp_path / "s")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (tmp_path / "s" / "manifest.json").exists() and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    assert said.splitlines()[-1] == "reseed: stopped; the same command goes on from here"
    with pytest.raises(ActivationsError, match="run the same reseed surrogate again"):
        open_activations(tmp_path / "s")
    assert typed("surrogate", *arguments, tmp_path / "s") == 0
    assert content(tmp_path / "s") == content(tmp_path / "undisturbed")
