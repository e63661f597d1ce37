"""What a dictionary's files hold: tensors that are taken one by one until none is left, and settings beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.tensors import read_all
from reseed.errors import DictionaryError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Parts", "finite", "parts_of", "read_config"]

_MOST_JSON = 1 << 24  # bytes: a config of more is none


class Parts:
    """The tensors of one file. What nobody takes would change the codes in a way that nobody knows of."""

    def __init__(self, path: Path, tensors: Mapping[str, Tensor], *, format: str) -> None:  # noqa: A002 (as in `read`)
        """Of a file that is read as this format."""
        self.path, self._tensors, self._format = path, dict(tensors), format
        self._left = set(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str) -> Tensor:
        """A tensor of numbers, in float32 or float64, on the CPU and finite.

        Raises:
            DictionaryError: it is missing, holds no floats, or NaN or infinity.
        """
        if name not in self._tensors:
            has = ", ".join(sorted(self._tensors)[:8]) or "nothing"
            raise DictionaryError(
                f"{self.path} has no tensor {name}, which {self._format} has; it holds {has}: copy it again, or say "
                "with --format what it is"
            )
        self._left.discard(name)
        return finite(self._tensors[name], f"{self.path}, {name}")

    def maybe(self, name: str) -> Tensor | None:
        """The tensor, or None where there is none."""
        return self.take(name) if name in self._tensors else None

    def number(self, name: str) -> float:
        """A tensor of one number."""
        self._left.discard(name)
        found = self._tensors.get(name)
        if found is None or found.numel() != 1:
            raise DictionaryError(f"{self.path}: {name} is not one number, as it is in {self._format}")
        return float(found.detach())

    def sizes(self, name: str) -> tuple[int, ...]:
        """A tensor of whole numbers."""
        self._left.discard(name)
        found = self._tensors.get(name)
        if found is None or found.ndim != 1 or found.is_floating_point():
            raise DictionaryError(f"{self.path}: {name} is no row of whole numbers, as it is in {self._format}")
        return tuple(int(each) for each in found)

    def ignore(self, *names: str) -> None:
        """Tensors that change neither atoms nor codes."""
        self._left -= set(names)

    def done(self) -> None:
        """Refuse what was left over.

        Raises:
            DictionaryError: there are tensors that the format does not have.
        """
        if self._left:
            raise DictionaryError(
                f"{self.path} holds {', '.join(sorted(self._left))} beside what {self._format} has: it is of another "
                "kind, or of a version that is not known here; with --format matrix its decoder alone is read"
            )


def parts_of(path: Path, *, format: str) -> Parts:  # noqa: A002 (as in `read`)
    """The tensors of a file.

    Raises:
        DictionaryError: the file is missing, damaged, or holds more than tensors.
    """
    try:
        found = read_all(path)
    except ValueError as error:
        raise DictionaryError(str(error)) from error
    return Parts(path, {name: each for name, each in found.items() if isinstance(each, Tensor)}, format=format)


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a JSON file.

    Raises:
        DictionaryError: it is missing, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > _MOST_JSON:
            raise DictionaryError(f"{path} is larger than settings are: is it another file?")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DictionaryError(f"{path} cannot be read ({error.strerror or error}): copy it again") from error
    except (ValueError, RecursionError) as error:
        raise DictionaryError(f"{path} is no JSON ({type(error).__name__}): copy it again") from error
    if not isinstance(found, dict):
        raise DictionaryError(f"{path} holds {type(found).__name__}, not the settings of a dictionary: copy it again")
    return found


def finite(tensor: Tensor, name: str, *, row: str = "row") -> Float[Tensor, ...]:
    """The numbers in float32 or float64 on the CPU. Raises DictionaryError for others, and for NaN or infinity."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_nested:
        kind = "meta" if tensor.is_meta else "nested" if tensor.is_nested else str(tensor.layout)
        raise DictionaryError(f"{name} is a {kind} tensor: a dictionary is dense, with data; give tensor.to_dense()")
    if not tensor.is_floating_point():
        raise DictionaryError(f"{name} holds {tensor.dtype}: a dictionary is made of floats; save it as float32")
    found = tensor.detach().cpu()
    found = found if found.dtype == torch.float64 else found.float()
    broken = (~found.isfinite()).nonzero()
    if len(broken):
        where = f", {row} {int(broken[0][0])}" if found.ndim else ""
        raise DictionaryError(f"{name}{where} holds NaN or infinity: save the dictionary again, in float32")
    return found
