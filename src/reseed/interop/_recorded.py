"""How a dictionary that is being trained is put on disk: as its own library saves it, so that its reader reads it.

Whose it is follows from the modules that its classes are from; no library is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reseed._support.files import write_json, write_tensors
from reseed._support.mistakes import did_you_mean, shown
from reseed._support.version import VERSION
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import Components
from reseed.interop._files import finite
from reseed.interop.codes import CodeRule, Relu, Thresholded, TopK
from reseed.interop.saelens_writer import SAELENS_WRITER

__all__ = ["Recordable", "saver"]

RECORDED_VERSION = 1
"""Of the headers of recorded files. 1: first version."""

Recordable = nn.Module | Tensor | Mapping[str, Any] | Components
"""What can be recorded."""

_PARTS = ("atoms", "encoder", "encoder_bias", "decoder_bias")
_RULES = ("k", "threshold", "subtracts")
_WRAPPED = ("_orig_mod", "module")  # by torch.compile, and by what shares a module among devices


class Saver(NamedTuple):
    """How something is saved."""

    end: str
    """Of the name of the file; empty for a folder."""
    save: Callable[[Path], None]
    """Writes it to a path, which does not exist before."""


def saver(dictionary: Recordable) -> Saver:
    """How this one is saved.

    Raises:
        DictionaryError: it is nothing that can be recorded.
    """
    if isinstance(dictionary, nn.Module):
        module = _unwrapped(dictionary)
        library = next((name for name in _origins(module) if name in _LIBRARIES), None)
        if library is not None:
            return _LIBRARIES[library](module)
        raise DictionaryError(
            f"{type(module).__name__} is a module of none of {', '.join(_LIBRARIES)}: give its atoms as a tensor "
            f"(n_atoms, d_model), or by name what makes its codes, too: {{{', '.join(_PARTS)}, k}}"
        )
    if isinstance(dictionary, Mapping):
        return _of_parts(dictionary)
    atoms = torch.as_tensor(dictionary.components_) if isinstance(dictionary, Components) else dictionary
    if not isinstance(atoms, Tensor):
        raise DictionaryError(
            f"{shown(dictionary)} cannot be recorded: give a module of one of {', '.join(_LIBRARIES)}, or its atoms as "
            "a tensor (n_atoms, d_model)"
        )
    return Saver(".safetensors", lambda path: write_tensors(path, {"atoms": atoms}, _header()))


def _unwrapped(module: nn.Module) -> nn.Module:
    for name in _WRAPPED:
        inner = getattr(module, name, None)
        if isinstance(inner, nn.Module) and not any(origin in _LIBRARIES for origin in _origins(module)):
            return _unwrapped(inner)
    return module


def _origins(module: nn.Module) -> list[str]:
    """The packages that a module's classes are from, its own first."""
    return [kind.__module__.partition(".")[0] for kind in type(module).__mro__]


def _header(**more: object) -> dict[str, object]:
    return {"format_version": RECORDED_VERSION, "reseed": VERSION, **more}


def _saelens(module: Any) -> Saver:  # noqa: ANN401 (theirs)
    """For inference, as far as it has a form of its own for that: thresholds are what training learns of them."""
    save = getattr(module, "save_inference_model", module.save_model)
    return Saver("", lambda path: save(str(path)))


def _sparsify(module: Any) -> Saver:  # noqa: ANN401 (theirs)
    return Saver("", module.save_to_disk)


def _dictionary_learning(module: nn.Module) -> Saver:
    def save(path: Path) -> None:
        path.mkdir()
        torch.save({name: each.detach().cpu() for name, each in module.state_dict().items()}, path / "ae.pt")
        write_json(path / "config.json", {"trainer": {"dict_class": _class_of(module, "dictionary_learning")}})

    return Saver("", save)


def _class_of(module: nn.Module, library: str) -> str:
    """The library's own class, of one that is derived from it."""
    return next(kind.__name__ for kind in type(module).__mro__ if kind.__module__.partition(".")[0] == library)


def _overcomplete(module: Any) -> Saver:  # noqa: ANN401 (theirs)
    """Its state dict, with what that leaves out."""
    told = {"top_k": getattr(module, "top_k", None), "delta": getattr(module.dictionary, "delta", None)}
    header = _header(**{name: value for name, value in told.items() if value is not None})
    return Saver(".safetensors", lambda path: write_tensors(path, module.state_dict(), header))


_LIBRARIES: dict[str, Callable[[Any], Saver]] = {
    "sae_lens": _saelens,
    "sparsify": _sparsify,
    "dictionary_learning": _dictionary_learning,
    "overcomplete": _overcomplete,
}
"""By the name of the package."""


def _of_parts(given: Mapping[str, Any]) -> Saver:
    """By name: a dictionary alone, or with what makes its codes, in the format of SAELens, which has words for it."""
    unknown = next((name for name in given if name not in {*_PARTS, *_RULES}), None)
    if unknown is not None or "atoms" not in given:
        told = "has no atoms" if unknown is None else f"has {shown(unknown)}{did_you_mean(unknown, [*_PARTS, *_RULES])}"
        raise DictionaryError(f"what is recorded {told}; these are known: {', '.join((*_PARTS, *_RULES))}")
    if "encoder" not in given:
        return saver(given["atoms"])
    parts = {name: finite(given[name], name) for name in _PARTS if given.get(name) is not None}
    subtracts = bool(given.get("subtracts", False))
    dictionary = assembled(Path("what is recorded"), rule=_rule(given), subtracts=subtracts, **parts)
    written = SAELENS_WRITER.made(dictionary)

    def save(path: Path) -> None:
        write_tensors(path / SAELENS_WRITER.weights, written.tensors, _header())
        write_json(path / SAELENS_WRITER.config, written.settings)

    return Saver("", save)


def _rule(given: Mapping[str, Any]) -> CodeRule:
    k, threshold = given.get("k"), given.get("threshold")
    if k is not None and threshold is not None:
        raise DictionaryError("what is recorded has k and threshold: codes are the k largest, or what is above it")
    if threshold is not None:
        return Thresholded(finite(torch.as_tensor(threshold), "threshold"))
    return Relu() if k is None else TopK(k)
