"""Files of every other kind: named as what they are, with what to do; no flipped or missing byte is a traceback."""

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_store import as_store, refused, some_rows

from reseed.activations import open_activations
from reseed.errors import ActivationsError, DictionaryError
from reseed.interop import read

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def npy_of(header):
    told = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(told).to_bytes(2, "little") + told + bytes(64)


def saved(array, **more):
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


X = some_rows(30, 4)
FILES = {
    "pointer.npy": (LFS, r"is this file whole\? It looks like a Git LFS pointer: fetch it with  git lfs pull"),
    "pointer.safetensors": (LFS, r"is this file whole\? It looks like a Git LFS pointer"),
    "text.npy": (b"1.0 2.0\n3.0 4.0\n", r"text.npy is no .npy file, whatever its name says .*: write it with np.save"),
    "empty.safetensors": (b"", "is empty: save or copy it again"),
    "big.npy": (saved(X.numpy().astype(">f4")), r'holds >f4, big-endian numbers: save it again with .astype\("<f4"\)'),
    "void.npy": (saved(X.numpy().view("V4")), r"numpy has no numbers for \(bfloat16\?\): .*\.astype\(np.float32\)"),
    "objects.npy": (
        saved(np.array([{}]), allow_pickle=True),
        r"cannot be read as a .npy .* \(it holds Python objects\)",
    ),
    "fields.npy": (saved(np.zeros(9, "f4,f4")), "numpy has no numbers for"),
    "negative.npy": (npy_of({"descr": "<f4", "fortran_order": False, "shape": (-5, 3)}), "cannot be read as a .npy"),
    "huge.npy": (npy_of({"descr": "<f4", "fortran_order": False, "shape": (10**15, 3)}), "cannot be read as a .npy"),
    "long.npy": (saved(X.numpy().astype(np.longdouble)), r"holds float128 .*np.ascontiguousarray\(x, np.float32\)"),
    "damaged.pt": (b"PK\x03\x04 and nothing", "holds more than tensors, or is damaged, and is not unpickled"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_as_what_it_is(tmp_path, name):
    content, said = FILES[name]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, said)
    with pytest.raises(DictionaryError, match=said):
        read(tmp_path / name)


def test_a_tensor_of_torch_is_read_without_unpickling(tmp_path):
    torch.save(X, tmp_path / "one.pt")
    torch.save({"layer.3": X, "layer.4": 2 * X, "step": 7}, tmp_path / "two.pt")
    torch.save({"object": Path(), "x": X}, tmp_path / "object.pt")
    one = open_activations(tmp_path / "one.pt")
    assert one.fingerprint == open_activations(X).fingerprint
    assert open_activations(tmp_path / "two.pt", tensor="layer.3").fingerprint == one.fingerprint
    refused(tmp_path / "two.pt", r"holds 2 tensors \(layer.3, layer.4\): say which with --tensor")
    refused(tmp_path / "two.pt", r"holds no tensor 'layer.5': choose from layer.3, layer.4", tensor="layer.5")
    refused(tmp_path / "object.pt", "is not unpickled: save the one tensor as .safetensors")


def test_a_folder_of_hugging_face_datasets_is_named(tmp_path):
    (tmp_path / "data-00000-of-00001.arrow").write_bytes(b"ARROW1")
    refused(tmp_path, r"holds neither .*; it looks like a Hugging Face datasets folder: save one column")


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float64, torch.float16])
def test_floating_point_of_every_width_is_read(tmp_path, kind):
    save_file({"x": X.to(kind)}, tmp_path / "x.safetensors")
    opened, training = open_activations(tmp_path / "x.safetensors"), X.to(kind).float()[torch.arange(30) % 10 != 9]
    assert torch.equal(opened.rows(torch.arange(27)), training)


@pytest.mark.parametrize("tensor", [X.to_sparse(), X.to("meta")])
def test_tensors_without_rows_in_memory_are_refused(tensor):
    refused(tensor, r"the tensor is a .* tensor: activations are dense")


def damaged(content, kind, place, bit):
    """A file with one bit flipped, or cut short."""
    place %= len(content)
    rest = b"" if kind == "cut" else bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
    return content[:place] + rest


def told_by(error, call):
    """What an error of ours says, which is all that may happen; empty where nothing does."""
    try:
        call()
    except error as told:
        return str(told)
    return ""


DAMAGE = {"kind": st.sampled_from(["flipped", "cut"]), "place": st.integers(0, 2**20) | st.integers(0, 300)}
MANY = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@MANY
@given(ending=st.sampled_from(["npy", "safetensors", "pt"]), bit=st.integers(0, 7), **DAMAGE)
def test_a_damaged_matrix_is_one_sentence_or_still_a_matrix(ending, kind, place, bit):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        write = {"npy": lambda: np.save(path, X.numpy()), "pt": lambda: torch.save({"atoms": X}, path)}
        write.get(ending, lambda: save_file({"atoms": X}, path))()
        path.write_bytes(damaged(path.read_bytes(), kind, place, bit))
        for opened, error in ((open_activations, ActivationsError), (read, DictionaryError)):
            assert "\n" not in told_by(error, lambda: opened(path))  # noqa: B023 (called at once)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return as_store(tmp_path_factory.mktemp("stores"), some_rows())


@MANY
@given(number=st.integers(0, 6), bit=st.integers(0, 7), **DAMAGE)
def test_no_damage_to_a_store_goes_unnoticed(store, number, kind, place, bit):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "store"
        shutil.copytree(store, copy)
        path = sorted(copy.iterdir())[number % len(list(copy.iterdir()))]
        path.write_bytes(damaged(path.read_bytes(), kind, place, bit))
        refused(copy, path.name)


@MANY
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    ),
    field=st.sampled_from(["about", "d_model", "dtype", "n_tokens", "shards", "heldout", "moments", "format_version"]),
)
def test_no_manifest_is_a_traceback(store, value, field):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "store"
        shutil.copytree(store, copy)
        told = json.loads((copy / "manifest.json").read_text()) | {"format_version": 1, field: value}
        del told["sha256"]
        (copy / "manifest.json").write_text(json.dumps(told))
        said = told_by(ActivationsError, lambda: open_activations(copy))
        assert "\n" not in said
        assert said or field == "about"
