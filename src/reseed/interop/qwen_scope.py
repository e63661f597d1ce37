"""Qwen Scope: `layer{N}.sae.pt` with W_enc (n_atoms, d_model) and W_dec (d_model, n_atoms), the transposes of SAELens'.

TopK; k stands in the name of the repository alone (`…L0_50…`). The decoder's bias is not taken off first.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of
from reseed.interop._sums import sha256_of
from reseed.interop.codes import TopK

__all__ = ["QWEN_SCOPE"]

_FILE = re.compile(r"layer(\d+)\.sae\.pt")
_K = re.compile(r"L0_(\d+)")


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and Path(source).is_file() and bool(_FILE.fullmatch(Path(source).name))


def _read(source: Source, *, k: int | None = None) -> LoadedDictionary:
    path = Path(str(source))
    named = next((found for part in reversed(path.resolve().parts) if (found := _K.search(part))), None)
    active = int(named[1]) if k is None and named else k
    silent = f"{path}: how many atoms are active stands in the repository's name (L0_50): give k to have codes"
    parts = parts_of(path, format="Qwen Scope")
    made = {
        "atoms": parts.take("W_dec").T,
        "encoder": parts.take("W_enc"),
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec"),
    }
    parts.done()
    layer = _FILE.fullmatch(path.name)
    return assembled(
        path,
        format=QWEN_SCOPE.name,
        rule=None if active is None else TopK(active),
        notes=(silent,) if active is None else (),
        about={"layer": int(layer[1])} if layer else {},
        sums=sha256_of(path),
        **made,
    )


QWEN_SCOPE = Reader(
    name="qwen-scope",
    title="Qwen Scope",
    meaning="a file layerN.sae.pt of Qwen Scope",
    recognises=_recognises,
    read=_read,
    asks=frozenset({"k"}),
)
