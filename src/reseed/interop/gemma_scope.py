"""Gemma Scope 1 (`params.npz`) and 2 (`params.safetensors`): relu(pre) where pre > threshold, pre = x W_enc + b_enc.

The decoder's bias is not taken off first. Of the second: transcoders with an affine skip connection, stored (in,
out), and cross-layer transcoders, whose atoms are those of all their layers side by side. Autoencoders of the
instruction-tuned models began as those of the pretrained ones.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of, read_config
from reseed.interop._sums import sha256_of
from reseed.interop.codes import Thresholded

__all__ = ["GEMMA_SCOPE", "GEMMA_SCOPE_2"]

_FIRST, _SECOND = "params.npz", "params.safetensors"


def _file(source: Source, name: str) -> Path | None:
    if isinstance(source, Tensor):
        return None
    path = Path(source)
    path = path / name if path.is_dir() else path
    return path if path.name == name and path.is_file() else None


def _read_first(source: Source) -> LoadedDictionary:
    path = _needed(source, _FIRST)
    parts = parts_of(path, format="Gemma Scope")
    made = {
        "atoms": parts.take("W_dec"),
        "encoder": parts.take("W_enc").T,
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec"),
        "rule": Thresholded(parts.take("threshold")),
    }
    parts.done()
    return assembled(path, name=str(source), format=GEMMA_SCOPE.name, sums=sha256_of(path), **made)


def _read_second(source: Source) -> LoadedDictionary:
    path = _needed(source, _SECOND)
    parts = parts_of(path, format="Gemma Scope 2")
    config = path.with_name("config.json")
    about = read_config(config) if config.is_file() else {}
    kind = about.get("architecture", "jump_relu")
    if kind != "jump_relu":
        raise DictionaryError(f"{config} names the architecture {kind!r}: of Gemma Scope 2 jump_relu is read")
    atoms, skip = parts.take("w_dec"), parts.maybe("affine_skip_connection")
    made = {
        "atoms": atoms.flatten(start_dim=1),
        "encoder": parts.take("w_enc").T,
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec").flatten(),
        "rule": Thresholded(parts.take("threshold")),
        "skip": None if skip is None else skip.T,
    }
    parts.done()
    files = (path, config) if config.is_file() else (path,)
    return assembled(path, name=str(source), format=GEMMA_SCOPE_2.name, about=about, sums=sha256_of(*files), **made)


def _needed(source: Source, name: str) -> Path:
    path = _file(source, name)
    if path is None:
        raise DictionaryError(
            f"{source} holds no {name}: give the folder of one autoencoder of Gemma Scope, or that file"
        )
    return path


GEMMA_SCOPE = Reader(
    name="gemma-scope",
    title="Gemma Scope",
    meaning=f"a folder of Gemma Scope, with {_FIRST}",
    recognises=lambda source: _file(source, _FIRST) is not None,
    read=_read_first,
)
GEMMA_SCOPE_2 = Reader(
    name="gemma-scope-2",
    title="Gemma Scope 2",
    meaning=f"a folder of Gemma Scope 2, with {_SECOND}",
    recognises=lambda source: _file(source, _SECOND) is not None,
    read=_read_second,
)
