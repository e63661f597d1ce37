"""saev: a line of JSON with the settings, and a state dict after it, in one `.pt` file.

codes = activation(x W_enc + b_enc), reconstruction codes W_dec + b_dec; W_dec is (n_atoms, d_model). TopK keeps the k
largest as they are, negative ones among them. BatchTopK is read as it is evaluated, by its running threshold.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reseed._support.modules import load
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Relu, Thresholded, TopK

__all__ = ["SAEV"]

_MOST_JSON = 1 << 20  # bytes of a first line: more are no settings


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix != ".pt" or not Path(source).is_file():
        return False
    return _settings(Path(source)) is not None


def _settings(path: Path) -> dict[str, Any] | None:
    """The first line, where it is the settings of an autoencoder."""
    with path.open("rb") as file:
        line = file.readline(_MOST_JSON) if file.peek(1)[:1] == b"{" else b""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and ("cfg" in found or "d_vit" in found) else None


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    settings = _settings(path)
    if settings is None:
        raise DictionaryError(f"{path} is no file of saev: its first line is no settings")
    with path.open("rb") as file:
        file.readline()
        try:
            found = load(io.BytesIO(file.read()))
        except Exception as error:  # what torch raises for a damaged file is of many kinds
            raise DictionaryError(f"{path} holds more than tensors, or is damaged, and is not unpickled") from error
    parts = Parts(path, {name: each for name, each in found.items() if isinstance(each, Tensor)}, format="saev")
    rule = _rule(path, settings, parts)
    made = {
        "atoms": parts.take("W_dec"),
        "encoder": parts.take("W_enc").T,
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec"),
    }
    parts.done()
    return assembled(path, format=SAEV.name, rule=rule, sums=sha256_of(path), **made)


def _rule(path: Path, settings: dict[str, Any], parts: Parts) -> CodeRule:
    inner = settings.get("cfg", {})
    activation = inner.get("activation") or {"cls": settings.get("cls", "Relu"), "params": inner}
    kind, params = activation.get("cls"), activation.get("params", {})
    if kind in {"Relu", "SparseAutoencoderConfig"}:
        return Relu()
    if kind == "TopK" and isinstance(params.get("top_k"), int):
        return TopK(params["top_k"], signed=True)
    if kind == "BatchTopK":
        return Thresholded(torch.tensor(parts.number("activation.threshold")), name="BatchTopK")
    raise DictionaryError(f"{path} names the activation {kind!r}: Relu, TopK with its top_k and BatchTopK are read")


SAEV = Reader(
    name="saev",
    title="saev",
    meaning="a .pt file of saev, which begins with a line of settings",
    recognises=_recognises,
    read=_read,
)
