"""overcomplete (0.3.0): the state dict of a sparse autoencoder, `.pt` or `.safetensors`, or the whole module, pickled.

Codes are relu(E x + b) before whatever chooses among them; no bias is taken off or added. What a state dict leaves out
is asked for: k of TopK, delta of an archetypal one. A whole module knows them, and `reseed.Recorder` writes them into
the header of its files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from reseed._support.mistakes import shown
from reseed._support.tensors import read_all
from reseed.errors import DictionaryError, TrajectoryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._overcomplete_atoms import archetypal
from reseed.interop._overcomplete_module import at_least, is_module, read_module
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Thresholded, TopK
from reseed.trajectory.reading import read_header

__all__ = ["OVERCOMPLETE"]

_ENDS = (".pt", ".pth", ".safetensors")
_PLAIN, _WEIGHTS, _MULTIPLIER = "dictionary._weights", "dictionary.W", "dictionary.multiplier"


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix not in _ENDS or not Path(source).is_file():
        return False
    try:
        names = _named(read_all(Path(source)))
    except ValueError:
        return is_module(Path(source))
    return _MULTIPLIER in names and (_PLAIN in names or _WEIGHTS in names)


def _named(found: Mapping[str, object]) -> dict[str, object]:
    """Names as they are in a model that was not wrapped for several devices."""
    return {name.removeprefix("module."): each for name, each in found.items()}


def _read(source: Source, *, k: int | None = None, delta: float | None = None) -> LoadedDictionary:
    path = Path(str(source))
    if path.is_file() and is_module(path):
        return read_module(path, k=k, delta=delta)
    found = _named(_checked(path))
    told = _header(path)
    k, delta = _settled(path, told, "top_k", k), _settled(path, told, "delta", delta)
    tensors = {name: each for name, each in found.items() if isinstance(each, Tensor)}
    parts = Parts(path, tensors, format="overcomplete")
    multiplier = parts.number(_MULTIPLIER)
    relaxed = _WEIGHTS in parts
    atoms = (_archetypal(parts, delta) if relaxed else normalize(parts.take(_PLAIN), dim=1)) * math.exp(multiplier)
    notes: tuple[str, ...] = ()
    if "encoder.final_block.1.weight" in parts or "encoder.mlp_blocks.0.0.weight" in parts:
        notes = (f"{path}: its encoder is more than one linear layer, and is not read: it makes no codes here",)
        return assembled(path, atoms=atoms, format=OVERCOMPLETE.name, sums=sha256_of(path), notes=notes)
    encoder, bias = parts.maybe("encoder.final_block.0.weight"), parts.maybe("encoder.final_block.0.bias")
    rule: CodeRule | None = Thresholded(at_least(parts.take("thresholds").exp())) if "thresholds" in parts else None
    if rule is None and k is not None:
        rule = TopK(k)
    if encoder is not None and rule is None:
        notes = (f"{path}: how many atoms are active does not stand in a state dict: give k to have codes",)
    parts.done()
    return assembled(
        path,
        atoms=atoms,
        encoder=encoder,
        encoder_bias=bias,
        rule=rule,
        format=OVERCOMPLETE.name,
        about={"class": "archetypal" if relaxed else "plain"},
        sums=sha256_of(path),
        notes=notes,
    )


def _header(path: Path) -> dict[str, Any]:
    """What a recorded file says beside its tensors; nothing of one that is a plain state dict."""
    try:
        return read_header(path) if path.suffix == ".safetensors" else {}
    except TrajectoryError as error:
        raise DictionaryError(str(error)) from error


def _settled(path: Path, told: Mapping[str, Any], name: str, given: Any) -> Any:  # noqa: ANN401 (a number, or None)
    """What the file says, or else what was given."""
    found = told.get(name)
    if found is None:
        return given
    if type(found) not in {int, float} or not found >= 0:
        raise DictionaryError(f"{path}: its header says {name} = {shown(found)}, which is no size: record it again")
    if given not in {None, found}:
        raise DictionaryError(f"{path} has {name} = {found:g}, and {given:g} was given: leave that out")
    return found


def _archetypal(parts: Parts, delta: float | None) -> Float[Tensor, "atoms d_model"]:
    if delta is None:
        raise DictionaryError(
            f"{parts.path} is archetypal: how far atoms may leave the hull is not in a state dict: say it with --delta"
        )
    return archetypal(parts.take(_WEIGHTS), parts.take("dictionary.C"), parts.take("dictionary.Relax"), delta=delta)


def _checked(path: Path) -> dict[str, object]:
    try:
        return read_all(path)
    except ValueError as error:
        raise DictionaryError(str(error)) from error


OVERCOMPLETE = Reader(
    name="overcomplete",
    title="overcomplete",
    meaning="the state dict of an autoencoder of overcomplete, or the whole module as torch.save pickles it",
    recognises=_recognises,
    read=_read,
    asks=frozenset({"k", "delta"}),
)
