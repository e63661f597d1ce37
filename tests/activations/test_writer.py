"""Writing a store: whatever was interrupted or damaged is picked up, and ends in the same bytes."""

import pytest
import torch

from reseed.activations import open_activations
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.errors import ActivationsError

ABOUT = {"model": "by hand", "layer": 3}


def shards():
    generator = torch.Generator().manual_seed(6)
    return [torch.randn(height, 5, generator=generator) for height in (40, 50, 30, 20)]


def write(folder, *, stop=None):
    """Write a store, or continue one; `stop` shards at most."""
    manifest = begin_store(folder, about=ABOUT, d_model=5, dtype="bf16")
    if manifest.heldout is None:
        manifest = write_heldout(folder, manifest, shards()[3], texts=["a"] * 20)
    for shard in shards()[len(manifest.shards) : stop or 3]:
        manifest = append_shard(folder, manifest, shard)
    if stop is None and manifest.moments is None:
        finish_store(folder, manifest)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_an_interrupted_store_ends_in_the_same_bytes(tmp_path, stop):
    write(tmp_path / "interrupted", stop=stop)
    assert write(tmp_path / "interrupted") == write(tmp_path / "whole")


def test_writing_a_complete_store_again_changes_nothing(tmp_path):
    assert write(tmp_path / "store") == write(tmp_path / "store")


@pytest.mark.parametrize(
    "name",
    [
        "shard-00000.safetensors",
        "shard-00002.safetensors",
        "heldout.safetensors",
        "heldout-texts.json",
        "moments.safetensors",
    ],
)
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_store_is_repaired_to_the_same_bytes(tmp_path, name, damage):
    whole = write(tmp_path / "store")
    path = tmp_path / "store" / name
    path.unlink()
    if damage == "changed":
        path.write_bytes(whole[name][:-1] + bytes([whole[name][-1] ^ 1]))
    assert write(tmp_path / "store") == whole


def test_a_shard_that_the_manifest_does_not_know_is_written_again(tmp_path):
    write(tmp_path / "store", stop=1)
    # as after a power cut between the shard and the manifest, or within the shard
    (tmp_path / "store" / "shard-00001.safetensors").write_bytes(b"half a sha")
    (tmp_path / "store" / ".shard-00001.safetensors.x1234567.partial").write_bytes(b"half a sha")
    (tmp_path / "store" / ".manifest.json.x1234567.partial").write_bytes(b"half a man")
    assert write(tmp_path / "store") == write(tmp_path / "whole")


def test_another_collection_in_the_same_folder_is_refused(tmp_path):
    write(tmp_path / "store")
    with pytest.raises(
        ActivationsError,
        match=r"store holds another collection \(layer 3, now 4; dtype bf16, now fp32\): choose another",
    ):
        begin_store(tmp_path / "store", about={**ABOUT, "layer": 4}, d_model=5, dtype="fp32")


def test_an_unfinished_store_cannot_be_opened(tmp_path):
    write(tmp_path / "store", stop=3)
    with pytest.raises(ActivationsError, match="is not complete: run the same reseed collect again"):
        open_activations(tmp_path / "store")


def test_held_out_rows_that_occur_in_training_are_counted_and_said(tmp_path):
    rows, heldout = torch.cat(shards()[:3]), shards()[3].clone()
    heldout[3], heldout[7], heldout[8], heldout[9] = rows[5], rows[100], rows[100], 0.0
    for folder in (tmp_path / "whole", tmp_path / "resumed"):
        for stop in (1, None) if folder.name == "resumed" else (None,):
            manifest = begin_store(folder, about=ABOUT, d_model=5, dtype="bf16")
            if manifest.heldout is None:
                manifest = write_heldout(folder, manifest, heldout)
            for shard in (torch.cat([rows[:60], torch.zeros(1, 5)]), rows[60:])[len(manifest.shards) : stop]:
                manifest = append_shard(folder, manifest, shard)
        finish_store(folder, manifest)
    store = open_activations(tmp_path / "whole")
    assert store.about["heldout_copies"] == 3  # of equal numbers in bf16; zeros do not count
    assert store.warnings[0].startswith("whole: 3 of 20 held-out rows occur in training")
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("whole", "resumed")]
    assert manifests[0] == manifests[1]
    begin_store(tmp_path / "whole", about=ABOUT, d_model=5, dtype="bf16")  # the same collection still
    write(tmp_path / "without")
    assert "heldout_copies" not in open_activations(tmp_path / "without").about
