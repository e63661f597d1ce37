"""ESMC-SAE: one file with W_enc (d_model, n_atoms), W_dec (n_atoms, d_model), b_dec, idf and max, and no b_enc.

Every token is z-scored before it is encoded, and atoms live there. With which standard deviation, and how codes are
chosen, is not in the file: atoms and encoder are read, and no codes are made.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from reseed._support.tensors import read_all
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of
from reseed.interop._sums import sha256_of
from reseed.interop.spaces import Unmapped

__all__ = ["ESMC"]

_ENDS = (".pt", ".pth", ".safetensors")
_MARKS = {"W_enc", "W_dec", "b_dec", "idf", "max"}
_SPACE = Unmapped(
    "token z-score",
    why="with which standard deviation tokens are z-scored does not stand in its file; compare its atoms",
)


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix not in _ENDS or not Path(source).is_file():
        return False
    try:
        names = read_all(Path(source)).keys()
    except ValueError:
        return False
    return names >= _MARKS and "b_enc" not in names


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    parts = parts_of(path, format="ESMC-SAE")
    made = {"atoms": parts.take("W_dec"), "encoder": parts.take("W_enc").T, "decoder_bias": parts.take("b_dec")}
    parts.ignore("idf", "max")
    parts.done()
    return assembled(
        path,
        format=ESMC.name,
        space=_SPACE,
        sums=sha256_of(path),
        notes=(f"{path}: how codes are chosen does not stand in it: it makes no codes here; idf and max are left out",),
        **made,
    )


ESMC = Reader(
    name="esmc-sae",
    title="ESMC-SAE",
    meaning="a file of ESMC-SAE, with W_enc, W_dec, b_dec, idf and max",
    recognises=_recognises,
    read=_read,
)
