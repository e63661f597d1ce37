"""The reader that recognises a source reads it; what none or several recognise is refused with what there is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import reseed
from reseed.errors import DictionaryError
from reseed.interop import READERS, LoadedDictionary, Reader, read

ATOMS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def files(tmp_path):
    """The same matrix in every way that a bare matrix can be given."""
    np.save(tmp_path / "a.npy", ATOMS.numpy())
    save_file({"anything": ATOMS}, tmp_path / "one.safetensors")
    save_file({"W_enc": ATOMS.T.contiguous(), "W_dec": ATOMS}, tmp_path / "several.safetensors")
    run = tmp_path / "run"
    run.mkdir()
    for step, atoms in ((9, -ATOMS), (10, ATOMS)):
        save_file({"atoms": atoms, "encoder": -atoms}, run / f"step-{step}.safetensors")
    return tmp_path


@pytest.mark.parametrize("name", ["a.npy", "one.safetensors", "several.safetensors", "run", "run/step-10.safetensors"])
def test_a_bare_matrix_is_read_from_files_of_every_kind(files, name):
    for given in (files / name, str(files / name)):
        found = read(given)
        assert torch.equal(found.atoms, ATOMS)
        assert found.name == str(files / name)
        assert (found.encoder, found.encoder_bias, found.decoder_bias) == (None, None, None)
    assert read(files / "run").source == str(files / "run/step-10.safetensors")


def test_a_tensor_is_its_own_dictionary():
    found = reseed.read_dictionary(ATOMS.double().requires_grad_())
    assert found.atoms.dtype == torch.float64
    assert not found.atoms.requires_grad
    assert found.name == found.source == "tensor"
    assert read(ATOMS.half()).atoms.dtype == torch.float32


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (torch.ones(4), r"shape \(4,\)"),
        (torch.ones(4, 1), "d_model at least 2"),
        (torch.ones(0, 3), r"shape \(0, 3\)"),
        (torch.ones(4, 3, dtype=torch.int64), "torch.int64"),
        (torch.full((4, 3), torch.nan), "the tensor, atom 0 holds NaN"),
        (torch.zeros(4, 3), "zero atoms only"),
    ],
)
def test_what_is_no_dictionary_is_refused_with_what_one_is(broken, said):
    with pytest.raises(DictionaryError, match=said):
        read(broken)


def test_a_damaged_file_and_one_of_several_unknown_tensors_are_told_as_such(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not one")
    save_file({"x": ATOMS, "y": -ATOMS}, tmp_path / "two.safetensors")
    with pytest.raises(DictionaryError, match="cannot be read as safetensors"):
        read(tmp_path / "bad.safetensors")
    with pytest.raises(DictionaryError, match="holds 2 tensors: call the one to read 'atoms'"):
        read(tmp_path / "two.safetensors")


@pytest.mark.parametrize("name", ["none.npy", "empty", "some.pt"])
def test_what_no_reader_recognises_is_refused_with_what_can_be_read(tmp_path, name):
    (tmp_path / "empty").mkdir()
    torch.save(ATOMS, tmp_path / "some.pt")
    with pytest.raises(DictionaryError, match=r"holds no dictionary: give a \.npy file, a \.safetensors file, or the"):
        read(tmp_path / name)


def test_a_reader_that_is_registered_later_is_picked_and_an_ambiguous_source_asks_for_the_format(files, monkeypatch):
    def turned(source):
        return LoadedDictionary(-READERS["matrix"].read(source).atoms, name="turned", source=str(source))

    late = Reader("late", "late", "a file that ends in a", lambda source: str(source).endswith("a"), turned)
    monkeypatch.setitem(READERS, "late", late)
    np.save(files / "turned.npy", ATOMS.numpy())
    (files / "turned.npy").rename(files / "data")
    with pytest.raises(DictionaryError, match=r"run with snapshots; .*or a file that ends in a"):
        read(files / "none")
    monkeypatch.setitem(READERS, "late", replace(late, recognises=lambda source: str(source).endswith("y")))
    with pytest.raises(DictionaryError, match=r"a.npy may be in several formats \(matrix, late\): say which"):
        read(files / "a.npy")
    assert torch.equal(read(files / "a.npy", format="late").atoms, -ATOMS)
    assert torch.equal(read(files / "a.npy", format="matrix").atoms, ATOMS)


def test_an_unknown_format_or_one_that_does_not_fit_is_refused(files):
    with pytest.raises(DictionaryError, match="format 'pickle' is unknown: choose from matrix"):
        read(files / "a.npy", format="pickle")
    with pytest.raises(DictionaryError, match=r"none\.npy holds no dictionary: give a \.npy file"):
        read(files / "none.npy", format="matrix")


def test_every_reader_says_what_it_is():
    for name, reader in READERS.items():
        assert reader.name == name
        assert reader.title
        assert reader.meaning[0].islower()
        assert not reader.meaning.endswith(".")
