"""What `reseed collect` says to hostile models, texts, folders and options, each through the command line.

    python benchmarks/faults/collecting.py [--only WORDS] [--jobs N]

Prints a table (input, exit code, first line said). Exits with 1 if any input ends in a traceback, is accepted in
silence, is refused in more than one line, or leaves something behind. Takes minutes; needs the extra `lm`, no network.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from gguf import GGUFWriter
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
WORDS = [f"w{number}" for number in range(60)]
DOCUMENTS = [" ".join(WORDS[(start + 7 * place * place) % 60] for place in range(60)) for start in range(20)]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 135\n"
DEEP, DIGITS = b"[" * 100_000, b"9" * 5000
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
SECONDS = 300

Place = Path
Arguments = dict[str, str]
Change = Callable[[Place], Arguments | None]
"""Spoils something in a folder that holds `model/` and `t.jsonl`, and says which arguments differ from usual."""


class Case(NamedTuple):
    """An input, and what is right for it."""

    change: Change
    says: str = ""
    """Words that are on stderr then, on a line of their own."""
    code: int = 1
    """1 where it is refused, 0 where it is read all the same."""


class Seen(NamedTuple):
    """What became of one input."""

    code: int
    lines: list[str]
    fault: str
    """Empty if all was well."""


def usual(place: Place) -> Arguments:
    """The arguments of a collection that works."""
    return {
        "model": str(place / "model"),
        "--layer": "2",
        "--text": str(place / "t.jsonl"),
        "--tokens": "200",
        "--heldout": "50",
        "--context": "16",
        "--dtype": "fp32",
        "--out": str(place / "out"),
    }


def make_model(folder: Path) -> None:
    """A llama of three blocks with random weights, and a tokenizer that adds <s>."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=64, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    inner = Tokenizer(WordLevel({word: place for place, word in enumerate(SPECIAL + WORDS)}, "<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    roles = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=inner, **roles).save_pretrained(folder)


def given(**arguments: str) -> Change:
    """Other arguments, such as tokens="0"; {} in one stands for the folder."""
    return lambda place: {
        name if name == "model" else f"--{name}": value.replace("{}", str(place)) for name, value in arguments.items()
    }


def model_file(name: str, content: bytes) -> Change:
    """A file of the model with another content."""
    return lambda place: (place / "model" / name).write_bytes(content) and None


def model_without(*names: str) -> Change:
    """A model that lacks files."""

    def change(place: Place) -> None:
        for name in names:
            (place / "model" / name).unlink()

    return change


def model_cut(name: str, share: float) -> Change:
    """A model one of whose files ends early."""
    return lambda place: os.truncate(place / "model" / name, int((place / "model" / name).stat().st_size * share))


def configured(**changes: object) -> Change:
    """A model whose config says something else."""

    def change(place: Place) -> None:
        path = place / "model" / CONFIG
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def tokenized(change: Callable[[dict], object]) -> Change:
    """A model whose tokenizer.json says something else."""

    def changed(place: Place) -> None:
        path = place / "model" / TOKENIZER
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return changed


def weighted(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    """A model with other weights."""

    def changed(place: Place) -> None:
        path = place / "model" / WEIGHTS
        weights = load_file(path)
        change(weights)
        save_file(weights, path, metadata={"format": "pt"})

    return changed


def pickled(place: Place) -> None:
    """Weights that would run code if they were opened."""
    (place / "model" / WEIGHTS).unlink()
    (place / "model" / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(place)))


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        """What unpickling calls."""
        return (Path.touch, (self.place / "exploded",))


def enormous(place: Place) -> None:
    """Weights and config of a terabyte, on a disk that keeps no zeros."""
    configured(vocab_size=2**34)(place)
    weights = load_file(place / "model" / WEIGHTS)
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, weight in weights.items():
        shape = [2**34, *weight.shape[1:]] if weight.shape[0] == 64 else list(weight.shape)  # noqa: PLR2004 (the words)
        size = 4 * torch.Size(shape).numel()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    packed = json.dumps(header).encode()
    with (place / "model" / WEIGHTS).open("wb") as file:
        file.write(struct.pack("<Q", len(packed)) + packed)
        file.truncate(8 + len(packed) + end)


def gguf(content: bytes | None = None, share: float = 1.0) -> Change:
    """A GGUF file of that content, or a real one without weights, cut."""

    def change(place: Place) -> Arguments:
        path = place / "m.gguf"
        if content is None:
            writer = GGUFWriter(path, "llama")
            writer.add_block_count(2)
            writer.add_embedding_length(16)
            writer.add_token_list(SPECIAL + WORDS)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.close()
            os.truncate(path, int(path.stat().st_size * share))
        else:
            path.write_bytes(content)
        return {"model": str(path)}

    return change


def text_file(name: str, content: bytes) -> Change:
    """One text file of that content."""

    def change(place: Place) -> Arguments:
        (place / name).write_bytes(content)
        return {"--text": str(place / name)}

    return change


def lines(*documents: object) -> bytes:
    """Documents as JSON lines."""
    return "\n".join(json.dumps({"text": document}) for document in documents).encode()


def made(name: str, make: Callable[[Path], object], **arguments: str) -> Change:
    """Something else under a name in the folder, and arguments that name it."""

    def change(place: Place) -> Arguments | None:
        make(place / name)
        return given(**arguments)(place)

    return change


def folder_with(*names: str) -> Callable[[Path], None]:
    """A folder with some files of somebody else's."""

    def make(path: Path) -> None:
        path.mkdir(parents=True)
        for name in names:
            (path / name).write_text("{}")

    return make


def data_set(place: Place) -> None:
    """A folder as the library `datasets` writes it."""
    shutil.rmtree(place / "model")
    folder_with("dataset_info.json", "state.json", "data-00000-of-00001.arrow")(place / "model")


def several(*changes: Change) -> Change:
    """One change after another; what the last one says differs."""
    return lambda place: [change(place) for change in changes][-1]


def spoil(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    """Fill weights whose name has a word in it."""
    return lambda weights: [weight.fill_(value) for key, weight in weights.items() if name in key]


PLAIN = "\n".join(DOCUMENTS).encode()
NOBODY = "no-such-owner/no-such-model"
CASES = {
    "model: none of that name": Case(given(model="{}/nothing")),
    "model: empty name": Case(given(model="")),
    "model: a name on the hub that is not there": Case(given(model=NOBODY)),
    "model: a single safetensors file": Case(given(model="{}/model/model.safetensors")),
    "model: an empty folder": Case(made("empty", Path.mkdir, model="{}/empty")),
    "model: a data set": Case(data_set),
    "model: an adapter": Case(several(model_without(CONFIG), model_file("adapter_config.json", b"{}"))),
    "weights: cut in the header": Case(model_cut(WEIGHTS, 0.02)),
    "weights: cut in the middle": Case(model_cut(WEIGHTS, 0.5)),
    "weights: the last byte missing": Case(model_cut(WEIGHTS, 0.9999)),
    "weights: empty": Case(model_file(WEIGHTS, b"")),
    "weights: a web page": Case(model_file(WEIGHTS, b"<!DOCTYPE html>" * 99)),
    "weights: Git LFS pointer": Case(model_file(WEIGHTS, POINTER)),
    "weights: header of 2^60 bytes": Case(model_file(WEIGHTS, struct.pack("<Q", 2**60) + b"{}")),
    "weights: header nested deep": Case(model_file(WEIGHTS, struct.pack("<Q", len(DEEP)) + DEEP)),
    "weights: missing": Case(model_without(WEIGHTS)),
    "weights: pickled": Case(pickled),
    "weights: NaN": Case(weighted(spoil("layers.0.mlp.up_proj", float("nan")))),
    "weights: infinite embeddings": Case(weighted(spoil("embed_tokens", float("inf")))),
    "weights: so large that states overflow": Case(weighted(spoil("mlp", 3e38))),
    "weights: all zero": Case(weighted(spoil("", 0.0))),
    "weights: of fewer words": Case(weighted(lambda w: w.update({"model.embed_tokens.weight": torch.ones(9, 16)}))),
    "weights: a terabyte": Case(enormous),
    "config: missing": Case(model_without(CONFIG)),
    "config: empty": Case(model_file(CONFIG, b"")),
    "config: nested deep": Case(model_file(CONFIG, DEEP)),
    "config: integer of 5,000 digits": Case(model_file(CONFIG, b'{"vocab_size": ' + DIGITS + b"}")),
    "config: not UTF-8": Case(model_file(CONFIG, b"\xff\xfe{}")),
    "config: a list": Case(model_file(CONFIG, b"[]")),
    "config: Git LFS pointer": Case(model_file(CONFIG, POINTER)),
    "config: an unknown kind of model": Case(configured(model_type="nope")),
    "config: code of its own": Case(configured(model_type="own", auto_map={"AutoConfig": "a.B", "AutoModel": "a.C"})),
    "config: wider than the weights": Case(configured(hidden_size=64)),
    "config: a width of 10^9": Case(configured(hidden_size=10**9)),
    "config: a billion blocks": Case(configured(num_hidden_layers=10**9)),
    "config: no heads": Case(configured(num_attention_heads=0)),
    "config: negative sizes": Case(configured(intermediate_size=-3)),
    "config: words for numbers": Case(configured(vocab_size="many")),
    "config: an unknown activation": Case(configured(hidden_act="nope")),
    "config: an image model": Case(configured(model_type="vit")),
    "tokenizer: missing": Case(model_without(TOKENIZER, "tokenizer_config.json")),
    "tokenizer: cut": Case(model_cut(TOKENIZER, 0.6)),
    "tokenizer: nested deep": Case(model_file(TOKENIZER, DEEP)),
    "tokenizer: Git LFS pointer": Case(model_file(TOKENIZER, POINTER)),
    "tokenizer: an empty object": Case(model_file(TOKENIZER, b"{}")),
    "tokenizer: of a larger model": Case(tokenized(lambda t: t["model"]["vocab"].update(w7=64_000))),
    "tokenizer: ids beyond 2^31": Case(tokenized(lambda t: t["model"]["vocab"].update(w7=2**32 - 1))),
    "tokenizer: no words": Case(
        tokenized(lambda t: t["model"].update(vocab={"<unk>": 3})), says="are unknown to the tokenizer"
    ),
    "gguf: empty": Case(gguf(b"")),
    "gguf: the magic alone": Case(gguf(b"GGUF")),
    "gguf: counts of 2^60": Case(gguf(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60))),
    "gguf: Git LFS pointer": Case(gguf(POINTER)),
    "gguf: cut": Case(gguf(share=0.6)),
    "gguf: no weights": Case(gguf()),
    "gguf: two in a folder": Case(
        several(made("two", folder_with("a.gguf", "b.gguf")), given(model="{}/two")),
    ),
    "text: none of that name": Case(given(text="{}/nothing.txt")),
    "text: empty": Case(text_file("a.txt", b"")),
    "text: white space": Case(text_file("a.txt", b" \n\t")),
    "text: Latin-1": Case(text_file("a.txt", PLAIN + "café".encode("latin-1"))),
    "text: UTF-16": Case(text_file("a.txt", PLAIN.decode().encode("utf-16"))),
    "text: NUL bytes": Case(text_file("a.txt", PLAIN + b"\0")),
    "text: gzip named .txt": Case(text_file("a.txt", gzip.compress(PLAIN))),
    "text: xz named .jsonl": Case(text_file("a.jsonl", lzma.compress(PLAIN))),
    "text: Parquet named .txt": Case(text_file("a.txt", b"PAR1\x15\0\x15\x80" + PLAIN + b"PAR1")),
    "text: Git LFS pointer": Case(text_file("a.txt", POINTER)),
    "text: a model": Case(given(text="{}/model/model.safetensors")),
    "text: a folder without texts": Case(made("none", folder_with("a.csv"), text="{}/none")),
    "text: a folder named .txt": Case(made("f", lambda path: (path / "a.txt").mkdir(parents=True), text="{}/f")),
    "text: a pipe": Case(made("pipe", os.mkfifo, text="{}/pipe")),
    "text: the same file in two ways": Case(made("b.jsonl", lambda path: path.symlink_to("t.jsonl"), text="{}")),
    "text: too short": Case(text_file("a.txt", b"w1 w2 w3")),
    "text: a byte order mark": Case(text_file("a.txt", b"\xef\xbb\xbf" + PLAIN), code=0),
    "jsonl: no JSON": Case(text_file("a.jsonl", PLAIN)),
    "jsonl: nested deep": Case(text_file("a.jsonl", DEEP)),
    "jsonl: integer of 5,000 digits": Case(text_file("a.jsonl", b'{"text": "w1", "n": ' + DIGITS + b"}")),
    "jsonl: another column": Case(text_file("a.jsonl", b'{"content": "w1"}')),
    "jsonl: a number for a text": Case(text_file("a.jsonl", lines(3))),
    "jsonl: null for a text": Case(text_file("a.jsonl", lines(*DOCUMENTS, None))),
    "jsonl: half a surrogate pair": Case(text_file("a.jsonl", lines(*DOCUMENTS, "w1 \ud800"))),
    "jsonl: one JSON list": Case(text_file("a.json", json.dumps(DOCUMENTS).encode())),
    "jsonl: <s>, which the tokenizer adds too": Case(
        text_file("a.jsonl", lines(*(f"<s> {document}" for document in DOCUMENTS))),
        says="20 of 20 documents begin with <s>, which the tokenizer adds too",
        code=0,
    ),
    "jsonl: </s> spelt out": Case(
        text_file("a.jsonl", lines(*(f"{document} </s>" for document in DOCUMENTS))),
        says="20 special tokens are spelt",
        code=0,
    ),
    "jsonl: the same documents twice": Case(
        text_file("a.jsonl", lines(*DOCUMENTS, *DOCUMENTS)), says="20 of 40 documents repeat an earlier one", code=0
    ),
    "jsonl: another language": Case(
        text_file("a.jsonl", lines(*DOCUMENTS, "lauter fremde Worte " * 90)), says="unknown to the tokenizer", code=0
    ),
    "out: a file": Case(made("taken", lambda path: path.write_text("mine"), out="{}/taken")),
    "out: below a file": Case(made("taken", lambda path: path.write_text("mine"), out="{}/taken/a/b")),
    "out: a link to nowhere": Case(made("taken", lambda path: path.symlink_to("nowhere"), out="{}/taken")),
    "out: somebody else's folder": Case(made("taken", folder_with("notes.txt"), out="{}/taken")),
    "out: a study": Case(made("taken", folder_with("manifest.json", "findings.json"), out="{}/taken")),
    "out: a study that reseed began": Case(made("taken", folder_with("study.toml"), out="{}/taken")),
    "out: somebody's hidden .partial": Case(made("taken", folder_with(".theirs.x.partial"), out="{}/taken")),
    "out: a folder of the model": Case(given(out="{}/model")),
    "option: layer 4 of 3": Case(given(layer="4")),
    "option: layer 10^30": Case(given(layer="1" + 30 * "0")),
    "option: no tokens": Case(given(tokens="0")),
    "option: tokens for 10^12 bytes": Case(given(tokens="1" + 11 * "0")),
    "option: 10^30 tokens": Case(given(tokens="1" + 30 * "0")),
    "option: more held out than there is": Case(given(heldout="100000")),
    "option: a context beyond the model's": Case(given(context="65")),
    "option: a context of 10^30": Case(given(context="1" + 30 * "0")),
    "option: a batch of 10^30": Case(given(batch="1" + 30 * "0")),
    "option: a licence that is no UTF-8": Case(given(licence="\udcff"), code=0),
}


def arguments_of(case: Case, place: Place) -> list[str]:
    """Spoil what is to be spoilt in a folder, and say how reseed is called on it."""
    arguments = usual(place) | (case.change(place) or {})
    model = arguments.pop("model")
    return ["collect", model, *(word for pair in arguments.items() for word in pair), "--quiet"]


def judged(case: Case, place: Place, before: set[Path], said_by: tuple[int, str, str]) -> Seen:
    """What is wrong with what a process said (its exit code, stdout and stderr) and left."""
    code, out, err = said_by
    said = err.strip().splitlines()
    own = [line for line in said if line.startswith(("reseed: ", "Error: ", "Usage: "))]
    left = {path for path in place.rglob("*") if path not in before}
    faults = {
        "traceback": "Traceback" in err or "panicked" in err,
        f"exit code {code}, not {case.code}": code != case.code,
        "nothing said": code != 0 and not own,
        "several lines": len(said) > 1 + bool(case.says and code) and not said[0].startswith("Usage: "),
        "silence about what was noticed": case.says not in err,
        "left something behind": code != 0 and bool(left),
        "ran a pickle": (place / "exploded").exists(),
        "data on stdout": code != 0 and out != "",
    }
    return Seen(code, own or said, ", ".join(name for name, wrong in faults.items() if wrong))


def place_for(name: str, root: Path) -> Place:
    """A folder with a sound model and sound texts."""
    place = root / f"{abs(hash(name)):x}"
    shutil.copytree(root / "sound", place)
    return place


def sound(root: Path) -> None:
    """What every case begins with."""
    make_model(root / "sound" / "model")
    (root / "sound" / "t.jsonl").write_bytes(lines(*DOCUMENTS))


def tried(name: str, root: Path) -> Seen:
    """One case in a process of its own."""
    place = place_for(name, root)
    arguments = arguments_of(CASES[name], place)
    before = set(place.rglob("*"))
    command = [sys.executable, "-m", "reseed", *arguments]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=environment, check=False)  # noqa: S603 (ours)
    except subprocess.TimeoutExpired:
        return Seen(-1, [], f"no end in {SECONDS} s")
    out, err = done.stdout.decode(), done.stderr.decode()
    seen = judged(CASES[name], place, before, (done.returncode, out, err))
    shutil.rmtree(place)
    return seen


def main() -> int:
    """Print the table; 1 if anything in it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    names = [name for name in CASES if chosen.only in name]
    faults = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.jobs) as pool:
        root = Path(folder)
        sound(root)
        print("| input | exit code | first line said |\n|---|---:|---|")
        for name, seen in zip(names, pool.map(lambda name: tried(name, root), names), strict=True):
            line = (seen.lines or [""])[0].removeprefix("reseed: ").replace(str(root), "…").replace("|", "\\|")
            print(f"| {name} | {seen.code} | {f'**{seen.fault}** ' if seen.fault else ''}{line} |", flush=True)
            faults += bool(seen.fault)
    print(f"\n{len(names)} inputs, {faults} faults", file=sys.stderr)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
