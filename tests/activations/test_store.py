"""Opening activations: what comes back, and one line for everything that can be wrong with them."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reseed._support.files import canonical_json, sha256_of_text
from reseed.activations import open_activations
from reseed.activations.split import Split
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.errors import ActivationsError

ABOUT = {"model": "by hand", "layer": 3}


def some_rows(n_rows=300, d_model=8):
    return torch.randn(n_rows, d_model, generator=torch.Generator().manual_seed(4)) * 3 + 1


def write_store(folder, rows, *, dtype="fp32", heldout=20):
    manifest = begin_store(folder, about=ABOUT, d_model=rows.shape[1], dtype=dtype)
    manifest = write_heldout(folder, manifest, rows[-heldout:], token_ids=torch.arange(heldout), texts=["é "] * heldout)
    for shard in rows[:-heldout].split(100):
        manifest = append_shard(folder, manifest, shard)
    finish_store(folder, manifest)
    return folder


def as_store(folder, rows):
    return write_store(folder / "store", rows, heldout=30)


def as_npy(folder, rows):
    np.save(folder / "rows.npy", rows.numpy())
    return folder / "rows.npy"


def as_fortran_npy(folder, rows):
    np.save(folder / "rows.npy", np.asfortranarray(rows.numpy()))
    return folder / "rows.npy"


def as_safetensors(folder, rows):
    save_file({"hidden": rows}, folder / "rows.safetensors")
    return folder / "rows.safetensors"


def as_named_safetensors(folder, rows):
    save_file({"activations": rows, "other": torch.zeros(2)}, folder / "rows.safetensors")
    return folder / "rows.safetensors"


def as_folder(folder, rows):
    np.save(folder / "a.npy", rows[:70].numpy())
    save_file({"hidden": rows[70:].clone()}, folder / "b.safetensors")
    return folder


def as_tensor(_, rows):
    return rows


SOURCES = [as_store, as_npy, as_fortran_npy, as_safetensors, as_named_safetensors, as_folder, as_tensor]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_rows_moments_and_heldout_split(tmp_path, source):
    rows = some_rows()
    opened = open_activations(source(tmp_path, rows))
    assert (opened.n_tokens, opened.d_model) == (270, 8)
    index = torch.tensor([[0, 269, 5], [99, 100, 200]])
    heldout = torch.arange(300) % 10 == 9 if source is not as_store else torch.arange(300) >= 270
    assert torch.equal(opened.rows(index), rows[~heldout][index])
    assert torch.equal(torch.cat(list(opened.blocks())), rows[~heldout])
    assert torch.equal(opened.heldout.rows, rows[heldout])
    training = rows[~heldout].double().numpy()
    np.testing.assert_allclose(opened.moments.mean.numpy(), training.mean(0), rtol=1e-12)
    np.testing.assert_allclose(opened.moments.covariance.numpy(), np.cov(training.T, bias=True), rtol=1e-10, atol=1e-12)
    assert opened.moments.n_tokens == 270


def test_bare_matrices_with_equal_content_have_equal_fingerprints(tmp_path):
    rows = some_rows()
    sources = [source(tmp_path, rows) for source in (as_npy, as_tensor)]
    assert len({open_activations(source).fingerprint for source in sources}) == 1
    rows[3, 3] += 1
    assert open_activations(rows).fingerprint != open_activations(tmp_path / "rows.npy").fingerprint


def test_a_store_tells_where_it_comes_from(tmp_path):
    opened = open_activations(as_store(tmp_path, some_rows()))
    assert opened.name == "store"
    assert opened.about == ABOUT
    assert opened.heldout.token_ids.tolist() == list(range(30))
    assert opened.heldout.texts == ("é ",) * 30
    assert len(opened.fingerprint) == 64


def test_bf16_stores_round_once_and_read_as_float32(tmp_path):
    rows = some_rows()
    opened = open_activations(write_store(tmp_path / "store", rows, dtype="bf16"))
    read = opened.rows(torch.arange(280))
    assert read.dtype == torch.float32
    assert torch.equal(read, rows[:280].bfloat16().float())
    # the moments are those of the rows as they are read
    np.testing.assert_allclose(opened.moments.mean.numpy(), read.double().mean(0).numpy(), rtol=1e-12)


def test_moments_survive_a_mean_a_million_times_the_spread():
    rows = some_rows(5000).double()
    moments = open_activations((rows + 1e6).float()).moments
    training = torch.cat(list(open_activations((rows + 1e6).float()).blocks()))
    exact = np.cov(training.double().T.numpy(), bias=True)
    np.testing.assert_allclose(moments.covariance.numpy(), exact, rtol=1e-9, atol=1e-9)


def test_no_rows_and_repeated_rows_can_be_read_from_many_shards(tmp_path):
    rows = some_rows(400)
    for number, shard in enumerate(rows.split(7)):
        np.save(tmp_path / f"{number:02d}.npy", shard.numpy())
    opened = open_activations(tmp_path)
    index = torch.tensor([359, 0, 6, 7, 7, 200, 0])
    training = rows[torch.arange(400) % 10 != 9]
    assert torch.equal(opened.rows(index), training[index])
    assert opened.rows(index[:0]).shape == (0, 8)


def test_rows_outside_the_training_split_are_refused(tmp_path):
    opened = open_activations(as_npy(tmp_path, some_rows()))
    for index in (270, -1):
        with pytest.raises(IndexError, match="of 270 training tokens"):
            opened.rows(torch.tensor([0, index]))


def test_reading_never_writes(tmp_path):
    path = as_npy(tmp_path, some_rows())
    before = path.read_bytes()
    open_activations(path).rows(torch.arange(5)).zero_()
    opened = open_activations(path)
    opened.matrix.shards[0].tensor.zero_()
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_activations_moved_to_a_device_read_the_same(tmp_path):
    opened = open_activations(as_folder(tmp_path, some_rows()))
    index = torch.tensor([5, 69, 70, 269])
    assert torch.equal(opened.to("cpu").rows(index), opened.rows(index))


@pytest.mark.parametrize("n_rows", [10, 11, 300, 1279, 5000, 50_001])
def test_held_out_rows_are_blocks_spread_evenly_over_a_matrix(n_rows):
    split = Split(n_rows)
    heldout = torch.cat([torch.arange(start, stop) for start, stop, held in split.stretches() if held])
    training = split.rows(torch.arange(split.n_tokens))
    assert len(heldout) == split.n_heldout == min(4096, n_rows // 10)
    assert torch.equal(torch.cat([heldout, training]).sort().values, torch.arange(n_rows))
    assert torch.equal(training, training.sort().values)
    every = torch.histc(heldout.float(), bins=5, min=0, max=n_rows)
    assert every.max() - every.min() <= max(1, len(heldout) // 64)


def refused(source, match, **options):
    with pytest.raises(ActivationsError, match=match) as caught:
        open_activations(source, **options)
    assert "\n" not in str(caught.value)


def test_missing_and_foreign_files_are_refused(tmp_path):
    refused(tmp_path / "none.npy", r"none.npy does not exist: give a folder, or a file that ends in .npy")
    (tmp_path / "rows.csv").write_text("1,2")
    refused(tmp_path / "rows.csv", r"rows.csv is not one of .npy, .safetensors, .pt: convert it")
    refused(tmp_path, r"is a folder that holds neither a manifest.json nor a .npy or .safetensors file$")
    (tmp_path / "rows.safetensors").write_bytes(b"no safetensors")
    refused(tmp_path / "rows.safetensors", r"rows.safetensors cannot be read as safetensors .*: save or copy it again")
    (tmp_path / "folder.npy").mkdir()
    refused(tmp_path / "folder.npy", r"folder.npy is a folder that holds neither")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 5, 6)), np.zeros(7), np.zeros((0, 3)), np.zeros((5, 3), dtype=int), np.zeros((5, 3), dtype=complex)],
)
def test_what_is_no_matrix_of_floats_is_refused(tmp_path, array):
    np.save(tmp_path / "rows.npy", array)
    refused(tmp_path / "rows.npy", r"rows.npy holds torch.\w+ of shape .*: activations are a floating-point matrix")
    refused(torch.from_numpy(array), r"the tensor holds torch.\w+ of shape")


def test_several_tensors_without_a_name_are_refused(tmp_path):
    save_file({"a": some_rows(), "b": some_rows()}, tmp_path / "rows.safetensors")
    refused(tmp_path / "rows.safetensors", r"holds 2 tensors \(a, b\): say which with --tensor")


def test_matrices_of_different_widths_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 3)))
    np.save(tmp_path / "b.npy", np.zeros((20, 4)))
    refused(tmp_path, r"b.npy has d_model 4, a.npy has 3: all matrices of a folder have one width")


def test_too_few_rows_to_hold_some_out_are_refused():
    refused(torch.zeros(9, 3), r"tensor holds 9 rows of 3 columns: at least 10 are needed, a tenth is held out")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("row", [0, 150, 299])
def test_rows_that_are_not_finite_are_named(tmp_path, value, row):
    rows = some_rows()
    rows[row, 2] = value
    refused(as_tensor(None, rows), rf"tensor.*, row {row} holds NaN or infinity: remove such rows")
    if row < 270:
        name, place = ("a.npy", row) if row < 70 else ("b.safetensors", row - 70)
        refused(as_folder(tmp_path, rows), rf"^{name}, row {place} holds NaN or infinity: remove such rows$")


def test_numbers_too_large_for_float32_are_told_from_infinity(tmp_path):
    rows = some_rows().double()
    rows[33, 2] = 1e60
    np.save(tmp_path / "rows.npy", rows.numpy())
    refused(tmp_path / "rows.npy", r"^rows.npy, row 33 holds numbers too large for float32: rescale all rows")


def test_rows_that_are_not_finite_never_enter_a_store(tmp_path):
    rows = some_rows()
    rows[110, 2] = float("nan")
    with pytest.raises(ActivationsError, match=r"^shard-00001.safetensors, row 10 holds NaN or infinity"):
        as_store(tmp_path, rows)
    refused(tmp_path / "store", r"store is not complete: run the same reseed collect again")


@pytest.mark.parametrize(
    "name", ["shard-00001.safetensors", "heldout.safetensors", "heldout-texts.json", "moments.safetensors"]
)
def test_one_changed_byte_is_found_and_its_file_named(tmp_path, name):
    folder = as_store(tmp_path, some_rows())
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, rf"{name} has changed since it was written \(its checksum differs\): copy the store again")
    (folder / name).unlink()
    refused(folder, rf"{name} is missing: copy the store again")


def test_checksums_can_be_left_unchecked(tmp_path):
    folder = as_store(tmp_path, some_rows())
    content = bytearray((folder / "shard-00000.safetensors").read_bytes())
    content[-3] ^= 1
    (folder / "shard-00000.safetensors").write_bytes(content)
    assert open_activations(folder, verify=False).n_tokens == 270


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format_version": 1}', b"\xff\xfe", b"[" * 100_000, b"9" * 5000])
def test_a_damaged_manifest_is_refused(tmp_path, content):
    folder = as_store(tmp_path, some_rows())
    (folder / "manifest.json").write_bytes(content)
    refused(folder, r"manifest.json is damaged \(.+\): copy the store again, or delete .*store and run the same")


def told_otherwise(folder, *, signed=True, **changes):
    """A manifest that says something else; with its checksum made anew, or as reseed wrote before there was one."""
    manifest = json.loads((folder / "manifest.json").read_text()) | ({} if signed else {"format_version": 1}) | changes
    manifest.pop("sha256", None)
    if signed:
        manifest["sha256"] = sha256_of_text(canonical_json(manifest))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("version", [99, 0, "1", None, True])
def test_another_format_version_is_refused(tmp_path, version):
    folder = as_store(tmp_path, some_rows())
    told_otherwise(folder, format_version=version)
    refused(folder, rf"is of format version {version!r}, this reseed reads 1 to 2: use the reseed that wrote it")


def test_a_manifest_without_a_checksum_is_read_as_before(tmp_path):
    folder = as_store(tmp_path, some_rows())
    fingerprint = open_activations(folder).fingerprint
    told_otherwise(folder, signed=False)
    assert open_activations(folder).fingerprint == fingerprint


@pytest.mark.parametrize("signed", [True, False])
def test_a_manifest_counts_the_rows_that_are_there(tmp_path, signed):
    folder = as_store(tmp_path, some_rows())
    shards = json.loads((folder / "manifest.json").read_text())["shards"]
    told_otherwise(folder, signed=signed, n_tokens=100)
    refused(folder, r"n_tokens is 100, and its shards hold 270 rows")
    fewer = [shards[0] | {"rows": 50}, *shards[1:]]
    told_otherwise(folder, signed=signed, n_tokens=220, shards=fewer)
    refused(folder, r"shard-00000.safetensors is damaged \(it holds \(100, 8\), and manifest.json says \(50, 8\)\)")
    told_otherwise(folder, signed=signed, n_tokens=270, shards=shards, d_model=9)
    refused(folder, r"heldout.safetensors is damaged \(it holds \(30, 8\), and manifest.json says \(30, 9\)\)")


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "..", "", "a\\b", "C:x", "a\0b"])
def test_a_manifest_never_leads_out_of_its_folder(tmp_path, name):
    folder = as_store(tmp_path, some_rows())
    shards = json.loads((folder / "manifest.json").read_text())["shards"]
    told_otherwise(folder, shards=[shards[0] | {"file": name}, *shards[1:]])
    refused(folder, r"is no name of a file in the folder of the store")
    with pytest.raises(ActivationsError, match="is no name of a file"):
        begin_store(folder, about=ABOUT, d_model=8, dtype="fp32")


def test_every_byte_of_a_manifest_counts(tmp_path):
    folder = write_store(tmp_path / "store", some_rows(40))
    content = (folder / "manifest.json").read_bytes()
    for place in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        (folder / "manifest.json").write_bytes(flipped)
        refused(folder, r"manifest.json is (damaged|of format version)")
    (folder / "manifest.json").write_bytes(content)
    open_activations(folder)


def test_the_advice_about_a_damaged_store_works(tmp_path):
    folder = as_store(tmp_path, some_rows())
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(whole.replace(b"270", b"271"))
    refused(folder, rf"checksum differs\): copy the store again, or delete {folder} and run the same reseed collect")
    shutil.rmtree(folder)
    as_store(tmp_path, some_rows())
    assert (folder / "manifest.json").read_bytes() == whole


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("heldout-texts.json", b"[1]"),
        ("heldout-texts.json", b"{"),
        ("moments.safetensors", None),
        ("heldout.safetensors", None),
    ],
)
def test_files_that_hold_something_else_are_refused_even_unverified(tmp_path, name, content, verify):
    folder = as_store(tmp_path, some_rows())
    if content is None:
        save_file({"other": torch.zeros(2)}, folder / name)
    else:
        (folder / name).write_bytes(content)
    refused(folder, rf"{name} (is damaged|has changed)", verify=verify)
