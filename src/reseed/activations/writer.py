"""Writing a store: begin, append shard by shard, finish. Every step leaves a folder that a later run can continue."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support.files import remove_partial, sha256_of_file, write_json, write_tensors
from reseed.activations.manifest import (
    MANIFEST,
    About,
    Dtype,
    FileRecord,
    Manifest,
    is_whole,
    read_manifest,
    write_manifest,
)
from reseed.activations.matrix import Matrix, check_finite, read_shard
from reseed.activations.moments import Moments, moments_of
from reseed.activations.survey import Copies
from reseed.errors import ActivationsError

__all__ = ["append_shard", "begin_store", "check_same", "finish_store", "write_heldout"]

_FILES = (MANIFEST, "shard-*.safetensors", "heldout.safetensors", "heldout-texts.json", "moments.safetensors")
_TEXTS = "heldout-texts.json"
_COPIES = "heldout_copies"
_SAID = {"noticed", _COPIES}  # entries of `about` that follow from the others
_LONG = 40  # characters of a value that an error message shows
_SHARD_VERSION = 1  # in the header of every shard: their bytes are what a store's fingerprint is made of
_NOT_FINITE = "NaN or infinity: remove such texts, or collect with --dtype fp32"
_DTYPES: dict[Dtype, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}


def begin_store(folder: Path, *, about: About, d_model: int, dtype: Dtype) -> Manifest:
    """Start a store, or pick up the one that an interrupted run with the same `about` has left in `folder`.

    What comes back lists what is already there and whole; a damaged shard and those behind it are to be written again.

    Raises:
        ActivationsError: `folder` holds something else.
    """
    fresh = Manifest(about=about, d_model=d_model, dtype=dtype)
    folder.mkdir(parents=True, exist_ok=True)
    remove_partial(folder, _FILES)
    if not (folder / MANIFEST).exists():
        return _written(folder, fresh)
    found = read_manifest(folder)
    check_same(folder, found, about={**about, "d_model": d_model, "dtype": dtype})
    return (
        found if all(is_whole(folder, file) for file in found.files) else _written(folder, _whole_part(folder, found))
    )


def _whole_part(folder: Path, manifest: Manifest) -> Manifest:
    heldout = (manifest.heldout, manifest.heldout_texts)
    if not all(file is None or is_whole(folder, file) for file in heldout):
        manifest = manifest.model_copy(update={"heldout": None, "heldout_texts": None})
    return manifest.with_shards(tuple(takewhile(lambda shard: is_whole(folder, shard), manifest.shards)))


def check_same(folder: Path, found: Manifest, *, about: About) -> None:
    """Raise ActivationsError when the store in `folder` says something else of itself than `about` does.

    `about` may also name `d_model` and `dtype`. What is only one side's is another thing too.
    """
    old = {**found.about, "d_model": found.d_model, "dtype": found.dtype}
    known = set(about) | set(found.about)
    differing = [key for key in {**old, **about} if key in known - _SAID and old.get(key) != about.get(key)]
    if differing:
        changes = "; ".join(f"{key} {_short(old.get(key))}, now {_short(about.get(key))}" for key in differing)
        raise ActivationsError(
            f"{folder} holds another collection ({changes}): choose another folder or delete this one"
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < _LONG else f"{text[:_LONG]}..."


def append_shard(folder: Path, manifest: Manifest, rows: Float[Tensor, "rows d_model"]) -> Manifest:
    """Add one shard of training rows; the manifest that comes back, and lies in the folder, counts it.

    Raises:
        ActivationsError: a row holds NaN or infinity.
    """
    name = f"shard-{len(manifest.shards):05d}.safetensors"
    check_finite(rows, name, what=_NOT_FINITE)
    shard = _write_tensors(folder, name, {"activations": rows.to(_DTYPES[manifest.dtype])}, len(rows))
    return _written(folder, manifest.with_shards((*manifest.shards, shard)))


def write_heldout(
    folder: Path,
    manifest: Manifest,
    rows: Float[Tensor, "tokens d_model"],
    *,
    token_ids: Int[Tensor, "tokens"] | None = None,
    contexts: Int[Tensor, "tokens"] | None = None,
    positions: Int[Tensor, "tokens"] | None = None,
    texts: Sequence[str] | None = None,
) -> Manifest:
    """Add the held-out split: its rows and, where they are known, each row's token, its window and its place there."""
    check_finite(rows, "held-out split", what=_NOT_FINITE)
    optional = {"token_ids": token_ids, "contexts": contexts, "positions": positions}
    tensors = {"activations": rows.to(_DTYPES[manifest.dtype])}
    tensors |= {name: tensor for name, tensor in optional.items() if tensor is not None}
    update = {"heldout": _write_tensors(folder, "heldout.safetensors", tensors, len(rows))}
    if texts is not None:
        write_json(folder / _TEXTS, list(texts))
        update["heldout_texts"] = _record(folder, _TEXTS, len(texts))
    return _written(folder, manifest.model_copy(update=update))


def finish_store(folder: Path, manifest: Manifest, measure: Callable[[Matrix], Moments] | None = None) -> Manifest:
    """Compute the moments of the rows as they lie on disk, which completes the store.

    In the same pass the held-out rows that occur among them are counted; where there are any, `about` says how many.
    With a `measure` of its own whoever collects knows that there are none.
    """
    matrix = Matrix(tuple(read_shard(folder / shard.file) for shard in manifest.shards))
    copies = Copies(None if manifest.heldout is None else read_shard(folder / manifest.heldout.file).tensor)
    if measure is None:
        moments = moments_of(copies.looked_for(block.rows) for block in matrix.blocks())
    else:
        moments = measure(matrix)
    tensors = {"mean": moments.mean, "covariance": moments.covariance}
    update: dict[str, object] = {"moments": _write_tensors(folder, "moments.safetensors", tensors, moments.n_tokens)}
    if copies.count:
        update["about"] = manifest.about | {_COPIES: copies.count}
    return _written(folder, manifest.model_copy(update=update))


def _written(folder: Path, manifest: Manifest) -> Manifest:
    write_manifest(folder, manifest)
    return manifest


def _write_tensors(folder: Path, name: str, tensors: dict[str, Tensor], rows: int) -> FileRecord:
    write_tensors(folder / name, tensors, {"format_version": _SHARD_VERSION})
    return _record(folder, name, rows)


def _record(folder: Path, name: str, rows: int) -> FileRecord:
    return FileRecord(file=name, rows=rows, sha256=sha256_of_file(folder / name))
