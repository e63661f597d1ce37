"""deenais/sae-stability: checkpoints `seedS_kK_tokensT.pt` of TopK autoencoders, each a table with its record.

codes = relu of the k largest of (x - b_dec) W_enc + b_enc, reconstruction codes W_dec + b_dec; W_enc is
(d_model, n_atoms), W_dec (n_atoms, d_model). The seed is set again before every start, and k does not enter it: runs of
one seed start alike. k stands in the settings, or else in the name of the file; files without one are of an earlier
run with an L1 penalty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from reseed._support.tensors import read_all
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._sums import sha256_of
from reseed.interop.codes import TopK

__all__ = ["SAE_STABILITY"]

_NAME = "sae-stability"
_MARKS = {"model_state_dict", "tokens_seen", "config"}
_K = re.compile(r"_k(\d+)(?=_|$)")
_TOLD = str | int | float  # settings that are told; others are of the optimiser, or long


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix != ".pt" or not Path(source).is_file():
        return False
    try:
        return read_all(Path(source)).keys() >= _MARKS
    except ValueError:
        return False


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    try:
        found = read_all(path)
    except ValueError as error:
        raise DictionaryError(str(error)) from error
    tensors, settings = (_table(path, found, name) for name in ("model_state_dict", "config"))
    parts = Parts(path, {str(name): each for name, each in tensors.items() if isinstance(each, Tensor)}, format=_NAME)
    made = {
        "atoms": parts.take("W_dec"),
        "encoder": parts.take("W_enc").T,
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec"),
    }
    parts.done()
    k = _active(path, settings)
    silent = f"{path}: neither its settings nor its name say how many atoms are active: it makes no codes here"
    told = {str(name): each for name, each in settings.items() if isinstance(each, _TOLD)}
    return assembled(
        path,
        format=_NAME,
        subtracts=True,
        rule=None if k is None else TopK(k),
        step=_whole(path, found, "step"),
        seed=None if (seed := _whole(path, found, "seed")) is None else str(seed),
        about=told | {"tokens_seen": _whole(path, found, "tokens_seen")},
        sums=sha256_of(path),
        notes=(silent,) if k is None else (),
        **made,
    )


def _table(path: Path, found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = found.get(name)
    if not isinstance(table, Mapping):
        raise DictionaryError(f"{path}: {name} is {type(table).__name__}, and no table, as it is in {_NAME}")
    return table


def _whole(path: Path, found: Mapping[str, Any], name: str) -> int | None:
    number = found.get(name)
    if number is not None and (type(number) is not int or number < 0):
        raise DictionaryError(f"{path}: {name} is {number!r}, and no whole number from 0")
    return number


def _active(path: Path, settings: Mapping[str, Any]) -> int | None:
    """How many, by the settings, or by the file's name; None where neither says."""
    named = _K.search(path.stem)
    by_name, k = None if named is None else int(named[1]), settings.get("k")
    if k is not None and (type(k) is not int or k < 1):
        raise DictionaryError(f"{path}: its settings say k = {k!r}, and that is no whole number from 1")
    if k is not None and by_name is not None and k != by_name:
        raise DictionaryError(f"{path}: its name says k = {by_name}, and its settings k = {k}: is it another file?")
    return by_name if k is None else k


SAE_STABILITY = Reader(
    name=_NAME,
    title="sae-stability",
    meaning="a checkpoint seedS_kK_tokensT.pt of deenais/sae-stability",
    recognises=_recognises,
    read=_read,
)
