"""Model folders and GGUF files that are damaged, cut short, pickled or something else: one sentence each."""

import json
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from test_bundled import write_gguf

from reseed.activations.language_model import load_model
from reseed.activations.loading import load_design, load_tokenizer
from reseed.errors import ActivationsError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 135\n"
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
CPU = torch.device("cpu")


@pytest.fixture
def model(tmp_path, causal_model):
    """A copy of a sound model, to be spoilt."""
    return Path(shutil.copytree(causal_model, tmp_path / "model"))


def read_all(model):
    """All that a collection reads of a model."""
    load_design(str(model))
    load_tokenizer(str(model))("w1 w2")
    return load_model(str(model), layer=2, dtype="fp32", device=CPU)


def configured(**changes):
    def change(folder):
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | changes))

    return change


def cut(name, share):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return change


def holding(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def with_weights(change):
    def changed(folder):
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return changed


class Bomb:
    """A pickle that leaves a trace when it is opened."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return (Path.touch, (self.folder / "exploded",))


def pickled(folder):
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder)))


def indexed(folder):
    (folder / WEIGHTS).unlink()
    names = {"model.norm.weight": "model-00001-of-00001.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def data_set(folder):
    without(CONFIG)(folder)
    holding("dataset_info.json", b"{}")(folder)


SPOILT = {
    "weights cut": (
        cut(WEIGHTS, 0.5),
        r"model.safetensors .*it is damaged or cut short, [\d,]+ bytes: .*: copy or down",
    ),
    "weights empty": (holding(WEIGHTS, b""), "it is damaged or cut short, 0 bytes"),
    "weights of another kind": (holding(WEIGHTS, b"<!DOCTYPE html>" * 9), "it is damaged or cut short"),
    "weights not downloaded": (holding(WEIGHTS, POINTER), r"it is a Git LFS pointer.*: run  git lfs pull"),
    "weights missing": (without(WEIGHTS), "it has no model.safetensors"),
    "weights in missing parts": (indexed, "1 of its 1 weight files are missing: model-00001-of-00001"),
    "weights pickled": (
        pickled,
        "its weights are pickled, which can run any code and is never opened.*save_pretrained",
    ),
    "weights NaN": (
        with_weights(lambda weights: weights["model.layers.0.mlp.up_proj.weight"][3].fill_(float("nan"))),
        r"1 of the weights of .* hold NaN or infinity \(layers.0.mlp.up_proj.weight ...\): copy or convert",
    ),
    "weights too large for float": (
        with_weights(lambda weights: [weight.fill_(3e38) for name, weight in weights.items() if "mlp" in name]),
        "gives NaN or infinity at layer 2 in fp32",
    ),
    "config missing": (without(CONFIG), "it has no config.json"),
    "config empty": (holding(CONFIG, b""), "config.json .*it is damaged: Expecting value"),
    "config a list": (holding(CONFIG, b"[]"), "its config.json is no JSON object"),
    "config deep": (holding(CONFIG, b"[" * 100_000), "config.json .*it is nested too deeply"),
    "config with many digits": (holding(CONFIG, b'{"vocab_size": ' + b"9" * 5000 + b"}"), "Exceeds the limit"),
    "config not downloaded": (holding(CONFIG, POINTER), "a Git LFS pointer"),
    "config not text": (holding(CONFIG, b"\xff\xfe\0"), "config.json .*it is damaged"),
    "config of another width": (configured(hidden_size=32), "its config.json and its weights are of different sizes"),
    "config of a huge model": (
        configured(num_hidden_layers=10**9),
        r"a model of 1,000,000,000 blocks, as its config says: its files hold \d+ tensors",
    ),
    "config without blocks": (configured(num_hidden_layers=0), "cannot be a model of 0 blocks"),
    "config with words for numbers": (configured(vocab_size="x"), "Validation error for field 'vocab_size'"),
    "config with a negative width": (configured(hidden_size=-4), "RuntimeError: .*negative dimension -4"),
    "config without heads": (configured(num_attention_heads=0), "ZeroDivisionError"),
    "config of an unknown kind": (configured(model_type="nope"), "has model type `nope`"),
    "config with code": (
        configured(model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"}),
        "it needs Python code of its own, which reseed does not run.*as a matrix",
    ),
    "tokenizer missing": (without(TOKENIZER, "tokenizer_config.json"), "it has no tokenizer, or one that needs"),
    "tokenizer cut": (cut(TOKENIZER, 0.5), "tokenizer.json .*it is damaged"),
    "tokenizer deep": (holding(TOKENIZER, b"[" * 100_000), "it is nested too deeply"),
    "tokenizer empty": (holding(TOKENIZER, b"{}"), "KeyError: 'added_tokens'"),
    "tokenizer of another kind": (holding(TOKENIZER, b'{"added_tokens": [], "model": 3}'), "cannot be loaded"),
    "tokenizer config a list": (holding("tokenizer_config.json", b"[]"), "AttributeError"),
    "tokenizer not downloaded": (holding(TOKENIZER, POINTER), "a Git LFS pointer"),
    "a data set": (data_set, "it is a data set of the library datasets"),
    "an adapter": (
        lambda folder: (without(CONFIG)(folder), holding("adapter_config.json", b"{}")(folder)),
        "it is an adapter without its model.*merge it into its model",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_model_is_refused_in_one_sentence(model, capfd, kind):
    change, complaint = SPOILT[kind]
    change(model)
    with pytest.raises(ActivationsError, match=complaint) as caught:
        read_all(model)
    assert "\n" not in str(caught.value)
    assert not (model / "exploded").exists()
    assert capfd.readouterr() == ("", "")


def test_a_model_with_fewer_tokens_than_are_tried_is_read(tmp_path, causal_model):
    model = Path(shutil.copytree(causal_model, tmp_path / "model"))
    configured(vocab_size=7)(model)
    with_weights(
        lambda weights: [
            weights.__setitem__(name, weights[name][:7].clone())
            for name in list(weights)
            if "embed" in name or "lm_head" in name
        ]
    )(model)
    assert read_all(model).causal


def test_a_single_file_that_is_no_gguf_is_refused(model):
    with pytest.raises(ActivationsError, match=r"it is a single file and no GGUF file.*: give the folder it lies in"):
        load_design(str(model / WEIGHTS))


def test_a_folder_with_several_gguf_files_asks_which(tmp_path):
    for name in ("q4.gguf", "q8.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(
        ActivationsError, match=r"it holds 2 GGUF files: q4.gguf, q8.gguf\): name one, such as .*q4.gguf"
    ):
        load_design(str(tmp_path))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.gguf"
    write_gguf(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it does not begin as a GGUF file does"),
        (b"GGUF", "cannot be loaded as a transformers model"),
        (POINTER, "it is a Git LFS pointer"),
        (b"GGML" * 99, "it does not begin as a GGUF file does"),
    ],
)
def test_a_gguf_file_that_is_none_is_refused(tmp_path, content, complaint):
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(ActivationsError, match=complaint):
        load_design(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_gguf_file_that_was_cut_is_refused(tmp_path, packed, share):
    (tmp_path / "model.gguf").write_bytes(packed[: int(len(packed) * share)])
    with pytest.raises(ActivationsError, match="cannot be loaded as a transformers model"):
        read_all(tmp_path / "model.gguf")


def test_a_sound_gguf_file_is_read_without_a_word(tmp_path, packed, capfd):
    (tmp_path / "model.gguf").write_bytes(packed)
    assert read_all(tmp_path / "model.gguf").d_model == load_design(str(tmp_path / "model.gguf")).d_model == 32
    assert capfd.readouterr() == ("", "")


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def survives(model):
    """Whether a model is read or refused; anything but a refusal fails the test."""
    with suppress(ActivationsError):
        read_all(model)


@QUICK
@given(data=st.data())
def test_whatever_a_config_says_it_is_read_or_refused(model, causal_model, data):
    config = json.loads((causal_model / CONFIG).read_text())
    name = data.draw(st.sampled_from(sorted(set(config) - {"transformers_version"})))
    (model / CONFIG).write_text(json.dumps(config | {name: data.draw(VALUES)}))
    survives(model)


@QUICK
@given(
    place=st.floats(0, 1, exclude_max=True),
    byte=st.integers(0, 255),
    name=st.sampled_from([WEIGHTS, TOKENIZER, CONFIG]),
)
def test_a_byte_that_changed_is_survived(model, causal_model, place, byte, name):
    content = bytearray((causal_model / name).read_bytes())
    # the header of the weights, where everything can go wrong; a changed weight is a weight
    content[int(place * min(len(content), 3000))] = byte
    (model / name).write_bytes(content)
    survives(model)


@QUICK
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_byte_of_a_gguf_file_that_changed_is_survived(tmp_path, packed, place, byte):
    content = bytearray(packed)
    content[int(place**3 * len(content))] = byte  # more often near the beginning, where the header is
    (tmp_path / "model.gguf").write_bytes(content)
    survives(tmp_path / "model.gguf")
