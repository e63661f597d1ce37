"""What torch.save wrote, read as tensors and as what objects held: nothing of a library is imported, and nothing runs.

`torch.load(weights_only=True)` takes tensors and containers. Of whole modules it takes those whose every name has a
stand-in here: an empty class that keeps its state, and refuses to be called with anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StandIn", "load", "names_in", "stand_ins"]

_ONE_AT_A_TIME = Lock()
"""What torch.load takes is a setting of the whole process."""


class StandIn:
    """What a file holds of one object. Of a function or a class that a file names alone, the class itself."""

    __slots__ = ("state",)
    name: ClassVar[str] = ""
    """The last part of the name in the file."""
    state: dict[str, Any]
    """The object's attributes."""

    def __new__(cls) -> Self:
        made = super().__new__(cls)
        made.state = {}
        return made

    def __setstate__(self, state: object) -> None:
        if type(state) is not dict or not all(type(name) is str for name in state):
            raise TypeError(f"the state of {self.name} is no attributes by name")
        self.state = state


def stand_ins(names: Iterable[str]) -> dict[str, type[StandIn]]:
    """An empty class for each full name of a class or a function, by that name."""
    return {
        name: type("_StandIn", (StandIn,), {"__slots__": (), "name": name.rpartition(".")[2]}) for name in sorted(names)
    }


def load(file: Path | IO[bytes], allowed: dict[str, type[StandIn]] | None = None) -> Any:  # noqa: ANN401 (whatever was saved)
    """What was saved, on the CPU, with stand-ins for what may be more than tensors.

    Raises:
        Exception: of many kinds, where the file is damaged or names something that is not allowed.
    """
    with _allowing(allowed or {}):
        return torch.load(file, map_location="cpu", weights_only=True)


def names_in(path: Path) -> list[str]:
    """The full names of classes and functions in a file that are no tensors; empty where there are none to be told."""
    try:
        with _allowing({}):
            return sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:  # noqa: BLE001 (what torch raises for a damaged file, and for one of another kind, is of many kinds)
        return []


@contextmanager
def _allowing(allowed: dict[str, type[StandIn]]) -> Iterator[None]:
    """That torch.load takes these and tensors, and not what the process lets it take besides."""
    with _ONE_AT_A_TIME:
        before = get_safe_globals()
        clear_safe_globals()
        add_safe_globals([(each, name) for name, each in allowed.items()])
        try:
            yield
        finally:
            clear_safe_globals()
            add_safe_globals(before)
