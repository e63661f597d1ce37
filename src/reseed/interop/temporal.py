"""Temporal autoencoders (canrager/temporalSAEs): a folder with `conf.yaml` and `latest_ckpt.safetensors`.

D is (n_atoms, d_model), b the decoder's bias; activations are multiplied by one factor first. Attention over the tokens
before predicts a part of every token, and codes are made of what is left: they are no function of a token alone, and
are not made here. E is left out: its orientation is not certain.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from torch import Tensor

from reseed._support.tensors import read_all
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._sums import sha256_of
from reseed.interop.spaces import Raw

__all__ = ["TEMPORAL"]

CONFIG, WEIGHTS = "conf.yaml", "latest_ckpt.safetensors"
_FACTOR = re.compile(r"^[ \t]+scaling_factor:[ \t]*([-+.\deE]+)[ \t]*(?:#.*)?$", re.MULTILINE)
_LAYER = re.compile(r"layer_(\d+)")
_ATTENTION = "attn_layers."


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and all((Path(source) / name).is_file() for name in (CONFIG, WEIGHTS))


def _read(source: Source) -> LoadedDictionary:
    folder = Path(str(source))
    if not _recognises(source):
        raise DictionaryError(f"{source} is no folder of a temporal autoencoder: it has {CONFIG} and {WEIGHTS}")
    config, path = folder / CONFIG, folder / WEIGHTS
    try:
        found, text = read_all(path), config.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DictionaryError(f"{folder} cannot be read ({error}): copy it again") from error
    tensors = {name: each for name, each in found.items() if not name.startswith(_ATTENTION)}
    parts = Parts(path, tensors, format="a temporal autoencoder")
    parts.ignore("E")
    atoms, bias = parts.take("D"), parts.take("b")
    parts.done()
    notes = [f"{folder}: its codes depend on the tokens before, through attention: it makes no codes here"]
    factors = [float(each) for each in _FACTOR.findall(text) if _is_number(each)]
    if len(factors) != 1 or not 0 < factors[0] < math.inf:
        notes.append(f"{config} does not say once by which factor activations are multiplied, which turns no atom")
        factors = [1.0]
    layer = next((told for part in reversed(folder.resolve().parts) if (told := _LAYER.search(part))), None)
    return assembled(
        path,
        name=str(source),
        atoms=atoms,
        decoder_bias=bias,
        format=TEMPORAL.name,
        space=Raw(scale=factors[0]),
        about={} if layer is None else {"layer": int(layer[1])},
        sums=sha256_of(config, path),
        notes=tuple(notes),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


TEMPORAL = Reader(
    name="temporal",
    title="temporal autoencoders",
    meaning=f"a folder of a temporal autoencoder, with {CONFIG} and {WEIGHTS}",
    recognises=_recognises,
    read=_read,
)
