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


class Learnt:
    def __init__(self, components):
        self.components_ = components


def test_arrays_and_objects_with_components_are_their_own_dictionaries():
    for given in (ATOMS.numpy(), Learnt(ATOMS.numpy()), Learnt(ATOMS.numpy().T.copy().T)):
        assert torch.equal(read(given).atoms, ATOMS)
    with pytest.raises(DictionaryError, match=r"shape \(4,\)"):
        read(Learnt(np.ones(4)))


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
    with pytest.raises(DictionaryError, match=r"holds 2 tensors \(x, y\): say which with --tensor, or call it 'atoms'"):
        read(tmp_path / "two.safetensors")


@pytest.mark.parametrize("name", ["none.npy", "empty", "some.bin"])
def test_what_no_reader_recognises_is_refused_with_what_can_be_read(tmp_path, name):
    (tmp_path / "empty").mkdir()
    torch.save(ATOMS, tmp_path / "some.bin")
    with pytest.raises(
        DictionaryError, match=r"holds no dictionary: give a file that ends in \.npy, \.safetensors, \.pt, or the"
    ):
        read(tmp_path / name)


def test_a_reader_that_is_registered_later_is_picked_and_an_ambiguous_source_asks_for_the_format(files, monkeypatch):
    def turned(source):
        return LoadedDictionary(-READERS["matrix"].read(source).atoms, name="turned", source=str(source))

    late = Reader("late", "late", "a file that ends in a", lambda source: str(source).endswith("a"), turned)
    monkeypatch.setitem(READERS, "late", late)
    np.save(files / "turned.npy", ATOMS.numpy())
    (files / "turned.npy").rename(files / "data")
    with pytest.raises(DictionaryError, match=r"run with snapshots, or what was written by one of .*, late$"):
        read(files / "none")
    monkeypatch.setitem(READERS, "late", replace(late, recognises=lambda source: str(source).endswith("y")))
    assert torch.equal(read(files / "a.npy").atoms, -ATOMS)  # a bare matrix is what nobody else recognises
    monkeypatch.setitem(READERS, "later", replace(READERS["late"], name="later"))
    with pytest.raises(DictionaryError, match=r"may be in several formats \(late, later\): say which with --format"):
        read(files / "a.npy")
    assert torch.equal(read(files / "a.npy", format="late").atoms, -ATOMS)
    assert torch.equal(read(files / "a.npy", format="matrix").atoms, ATOMS)
    with pytest.raises(DictionaryError, match="read as late, which has one layout: leave out tensor and transpose"):
        read(files / "a.npy", format="late", transpose=True)


WIDE = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
BIASES = {"b_enc": torch.zeros(6), "b_dec": torch.zeros(4)}
LAYOUTS = {
    "SAELens": ({"W_enc": WIDE.T, "W_dec": WIDE, **BIASES}, None),
    "SAELens, without biases": ({"W_enc": WIDE.T, "W_dec": WIDE}, None),
    "Qwen Scope": ({"W_enc": WIDE, "W_dec": WIDE.T, **BIASES}, "the columns of W_dec were read as atoms"),
    "Gemma Scope 2": ({"w_enc": WIDE.T, "w_dec": WIDE, "threshold": torch.zeros(6)}, None),
    "llamascopium": ({"W_E": WIDE.T, "W_D": WIDE, "b_E": torch.zeros(6), "b_D": torch.zeros(4)}, None),
    "dictionary_learning": (
        {"encoder.weight": WIDE, "decoder.weight": WIDE.T, "encoder.bias": torch.zeros(6), "bias": torch.zeros(4)},
        "the columns of decoder.weight were read as atoms",
    ),
    "a linear layer alone": ({"decoder.weight": WIDE.T}, "the columns of decoder.weight were read as atoms"),
}


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_atoms_come_out_as_rows_whoever_wrote_the_file(tmp_path, layout, ending):
    tensors, note = LAYOUTS[layout]
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    (save_file if ending == "safetensors" else torch.save)(plain, tmp_path / f"a.{ending}")
    found = read(tmp_path / f"a.{ending}")
    assert torch.equal(found.atoms, WIDE)
    assert found.notes == (() if note is None else (f"{tmp_path}/a.{ending}: {note}",))


def test_a_decoder_of_overcomplete_alone_has_the_norms_that_the_library_gives_it(tmp_path):
    save_file({"dictionary._weights": WIDE, "dictionary.multiplier": torch.tensor(0.5)}, tmp_path / "a.safetensors")
    found = read(tmp_path / "a.safetensors")
    torch.testing.assert_close(found.atoms, torch.nn.functional.normalize(WIDE, dim=1) * torch.tensor(0.5).exp())
    assert (found.encoder, found.rule, found.notes) == (None, None, ())
    assert torch.equal(read(tmp_path / "a.safetensors", format="matrix").atoms, WIDE)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"decoder": WIDE.T}, r"the rows of decoder were read as atoms, but it has fewer rows than columns"),
        ({"W_dec": WIDE[:4], "b_dec": torch.zeros(4)}, r"the rows of W_dec were read as atoms, but it is square"),
    ],
)
def test_where_nothing_tells_rows_from_columns_the_choice_is_said_and_can_be_turned(tmp_path, tensors, told):
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
    given = next(iter(tensors.values()))
    found = read(tmp_path / "a.safetensors")
    assert torch.equal(found.atoms, given)
    assert told in found.notes[0]
    assert found.notes[0].endswith("if its columns are the atoms, use --transpose")
    turned = read(tmp_path / "a.safetensors", transpose=True)
    assert torch.equal(turned.atoms, given.T)
    assert turned.notes == ()


def test_a_tensor_can_be_named(files):
    named = read(files / "several.safetensors", tensor="W_enc", transpose=True)
    assert torch.equal(named.atoms, ATOMS)
    with pytest.raises(DictionaryError, match="holds no tensor 'W': choose from W_dec, W_enc"):
        read(files / "several.safetensors", tensor="W")
    with pytest.raises(DictionaryError, match="one array without a name"):
        read(files / "a.npy", tensor="W")


def test_numbers_of_eight_bits_are_read_and_what_has_none_is_refused(tmp_path):
    small = ATOMS.to(torch.float8_e4m3fn)
    save_file({"atoms": small}, tmp_path / "a.safetensors")
    assert torch.equal(read(tmp_path / "a.safetensors").atoms, small.float())
    for broken in (ATOMS.to_sparse(), ATOMS.to("meta")):
        with pytest.raises(DictionaryError, match=r"the tensor is a .* tensor: a dictionary is dense, with data"):
            read(broken)


def test_an_unknown_format_or_one_that_does_not_fit_is_refused(files):
    with pytest.raises(DictionaryError, match=r"format 'pickle' is unknown: choose from reseed, saelens, .*, matrix"):
        read(files / "a.npy", format="pickle")
    with pytest.raises(DictionaryError, match=r"none\.npy holds no dictionary: give a file that ends in \.npy"):
        read(files / "none.npy", format="matrix")


def test_every_reader_says_what_it_is():
    for name, reader in READERS.items():
        assert reader.name == name
        assert reader.title
        assert reader.meaning[0].islower()
        assert not reader.meaning.endswith(".")
