"""Where a collection may write, and that whatever can be known is said before the model is loaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from test_collect import files, gather, refused

from conftest import words
from reseed._support.files import alone
from reseed.activations.destination import check_destination
from reseed.errors import ActivationsError


@pytest.fixture
def unloadable(tmp_path, causal_model):
    """A model whose weights are refused when they are loaded, and not before."""
    model = Path(shutil.copytree(causal_model, tmp_path / "unloadable"))
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"].fill_(float("nan"))
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


EARLY = {
    "too little text": (
        {"tokens": 9000},
        r"the texts hold 2,\d\d\d training tokens beside the held-out split, 9,000 were",
    ),
    "too much held out": (
        {"heldout": 9000},
        "the texts hold 0 training .*more text or hold out fewer than 9,000 tokens",
    ),
    "a layer that is not there": ({"layer": 4}, "has no layer 4: it has 0"),
    "a context that is too long": ({"context": 65}, "reads at most 64 tokens at once"),
    "a context without room": ({"context": 10**9}, "reads at most 64 tokens at once"),
    "a store that no disk holds": (
        {"tokens": 10**12 - 1},
        r"will take [\d.]+ TB more, [\d.]+ [kMGT]B are free there: ask for",
    ),
    "a device that is not there": ({"device": "banana"}, "device='banana' is none of this machine's: use cpu"),
    "a device without memory": ({"device": "meta"}, "device='meta' computes nothing: use cpu"),
    "a shard that no memory holds": ({"shard_tokens": 10**12 // 2}, r"reading needs about [\d.]+ TB of memory"),
}


@pytest.mark.parametrize("kind", EARLY)
def test_what_can_be_known_is_said_before_the_model_is_loaded(tmp_path, unloadable, texts, kind):
    options, complaint = EARLY[kind]
    refused(complaint, unloadable, texts, tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_a_sound_request_finds_out_that_the_weights_are_damaged(tmp_path, unloadable, texts):
    refused("1 of the weights of .* hold NaN or infinity", unloadable, texts, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_another_collection_is_noticed_before_the_model_is_loaded(tmp_path, causal_model, unloadable, texts):
    gather(causal_model, texts, tmp_path / "s")
    refused(r"s holds another collection \(model causal", unloadable, texts, tmp_path / "s")


def occupied(tmp_path):
    """Places that are somebody else's, and what is said about each."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, content in {"notes": "notes.txt", "other": "manifest.json", "study": "study.toml"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / content).write_text("{}")
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / ".theirs.abc.partial").write_text("mine")
    return {
        "file": "is no folder",
        "file/below/it": "lies below .*file, which is no folder",
        "link": "is no folder",
        "notes": r"holds something else \(notes.txt\): give a new or an empty folder",
        "other": "holds no collection that can go on .*: choose another folder, or delete this one",
        "study": r"holds something else \(study.toml\)",
        "partials": r"holds something else \(.theirs.abc.partial\)",
    }


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_folder_that_is_somebody_elses_is_refused_and_left_as_it_was(tmp_path, unloadable, texts):
    complaints = occupied(tmp_path)
    before = everything(tmp_path)
    for name, complaint in complaints.items():
        refused(complaint, unloadable, texts, tmp_path / name)
    assert everything(tmp_path) == before


def test_names_that_no_folder_has_are_refused():
    for name in ("", " ", "a\0b"):
        with pytest.raises(ActivationsError, match="is no name of a folder: choose another one"):
            check_destination(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ActivationsError, match="cannot be written to"):
        check_destination(tmp_path / "locked" / "s")


def test_what_others_keep_in_a_store_is_left_alone(tmp_path, causal_model, texts):
    gather(causal_model, texts, tmp_path / "s")
    kept = [
        tmp_path / "s" / name for name in ("notes.txt", ".theirs.abc.partial", "below/.manifest.json.abcd1234.partial")
    ]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    gone = tmp_path / "s" / ".shard-00000.safetensors.abcd1234.partial"
    gone.write_text("half")
    gather(causal_model, texts, tmp_path / "s")
    assert all(path.read_text() == "mine" for path in kept)
    assert not gone.exists()


def test_two_collections_do_not_write_into_one_folder(tmp_path, causal_model, texts):
    with alone(tmp_path / "s" / ".lock"):
        refused("another reseed is writing into .*s: wait for it", causal_model, texts, tmp_path / "s")
    assert gather(causal_model, texts, tmp_path / "s").n_tokens == 1500


def test_names_that_are_no_utf_8_are_spelt_out_in_the_store(tmp_path, causal_model, texts):
    opened = gather(causal_model, texts, tmp_path / "s", text_source="caf\udce9.txt", licence="\ud800")
    assert (opened.about["text_source"], opened.about["licence"]) == ("caf\\udce9.txt", "\\ud800")


def test_the_command_line_says_it_in_one_line_and_leaves_nothing(tmp_path, unloadable, causal_model):
    (tmp_path / "t.txt").write_text(words(300, 0), encoding="utf-8")
    (tmp_path / "taken").write_text("mine")

    def said(model, *arguments):
        command = [sys.executable, "-m", "reseed", "collect", model, "--layer", "2", "--text", tmp_path / "t.txt"]
        options = ["--heldout", "50", "--context", "16", *arguments]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.stdout == "" or done.returncode == 0
        return done.returncode, done.stderr

    code, words_of_it = said(unloadable, "--tokens", "100", "--out", tmp_path / "taken")
    assert (code, words_of_it) == (1, f"reseed: --out {tmp_path / 'taken'} is no folder: choose another one\n")
    (tmp_path / "t.txt").write_text(f"{words(300, 0)} <sep>", encoding="utf-8")
    code, words_of_it = said(causal_model, "--tokens", "100", "--out", tmp_path / "new", "--quiet")
    assert (code, words_of_it[:60]) == (0, "reseed: 1 special token is spelt out in 1 of 1 documents (<s")
    assert "manifest.json" in files(tmp_path / "new")
