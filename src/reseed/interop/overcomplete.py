"""overcomplete (0.3.0): the state dict of a sparse autoencoder, `.pt` or `.safetensors`, with no settings beside it.

    plain    D = normalise(_weights) exp(m)
    archetypal    D = (rows(relu W) C + clip(Relax, delta)) exp(m), rows(.) summing to 1

What a state dict leaves out is asked for: k of TopK, delta of an archetypal one; `reseed.Recorder` writes both into
the header of its files. Codes are relu(E x + b) before
whatever chooses among them; no bias is taken off or added. Weights are put back where they belong before every
forward pass, and so are they here.
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
from reseed.interop._files import Parts, sha256_of
from reseed.interop.codes import CodeRule, Thresholded, TopK
from reseed.trajectory.reading import read_header

__all__ = ["OVERCOMPLETE"]

_ENDS = (".pt", ".pth", ".safetensors")
_PLAIN, _WEIGHTS, _MULTIPLIER = "dictionary._weights", "dictionary.W", "dictionary.multiplier"
_EPSILON = 1e-8  # the library's, in a sum of weights


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix not in _ENDS or not Path(source).is_file():
        return False
    try:
        names = _named(read_all(Path(source)))
    except ValueError:
        return False
    return _MULTIPLIER in names and (_PLAIN in names or _WEIGHTS in names)


def _named(found: Mapping[str, object]) -> dict[str, object]:
    """Names as they are in a model that was not wrapped for several devices."""
    return {name.removeprefix("module."): each for name, each in found.items()}


def _read(source: Source, *, k: int | None = None, delta: float | None = None) -> LoadedDictionary:
    path = Path(str(source))
    found = _named(_checked(path))
    told = _header(path)
    k, delta = _settled(path, told, "top_k", k), _settled(path, told, "delta", delta)
    tensors = {name: each for name, each in found.items() if isinstance(each, Tensor)}
    parts = Parts(path, tensors, format="overcomplete")
    multiplier = parts.number(_MULTIPLIER)
    archetypal = _WEIGHTS in parts
    atoms = (_archetypal(parts, delta) if archetypal else normalize(parts.take(_PLAIN), dim=1)) * math.exp(multiplier)
    notes: tuple[str, ...] = ()
    if "encoder.final_block.1.weight" in parts or "encoder.mlp_blocks.0.0.weight" in parts:
        notes = (f"{path}: its encoder is more than one linear layer, and is not read: it makes no codes here",)
        return assembled(path, atoms=atoms, format=OVERCOMPLETE.name, sums=sha256_of(path), notes=notes)
    encoder, bias = parts.maybe("encoder.final_block.0.weight"), parts.maybe("encoder.final_block.0.bias")
    rule: CodeRule | None = Thresholded(parts.take("thresholds").exp()) if "thresholds" in parts else None
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
        about={"class": "archetypal" if archetypal else "plain"},
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
    weights = parts.take(_WEIGHTS).relu()
    relaxation = parts.take("dictionary.Relax")
    reach = (delta / relaxation.norm(dim=1, keepdim=True)).clamp(max=1.0).nan_to_num(1.0)
    mixtures = (weights / (weights.sum(dim=1, keepdim=True) + _EPSILON)) @ parts.take("dictionary.C")
    return mixtures + relaxation * reach


def _checked(path: Path) -> dict[str, object]:
    try:
        return read_all(path)
    except ValueError as error:
        raise DictionaryError(str(error)) from error


OVERCOMPLETE = Reader(
    name="overcomplete",
    title="overcomplete",
    meaning="the state dict of an autoencoder of overcomplete",
    recognises=_recognises,
    read=_read,
    asks=frozenset({"k", "delta"}),
)
