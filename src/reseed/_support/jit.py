"""Loops that are compiled to machine code at their first call, and kept on disk for the next process.

numba sees when the file of a loop has changed, but not when that of a loop it calls has: after such an edit, delete
`__pycache__/*.nb*`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled"]

Loop = TypeVar("Loop", bound=Callable[..., object])

_REORDER = {"reassoc", "contract", "nsz"}  # sums may run in lanes and fuse: still the same bits at every call


def compiled(loop: Loop) -> Loop:
    """The loop as machine code that other threads run beside; NaN and inf keep their meaning."""
    plain = inspect.unwrap(loop)
    try:
        kept = njit(plain, cache=True, nogil=True, fastmath=_REORDER)
    except RuntimeError:  # there is nowhere to keep it, so that each process compiles it again
        return njit(plain, nogil=True, fastmath=_REORDER)
    _forget_unreadable(kept)
    return kept


def _forget_unreadable(loop: Any) -> None:  # noqa: ANN401 (numba's own type is not public)
    """Remove what an older reseed kept of a loop whose arguments had types that are gone: it would end in a traceback.

    numba has no public way to ask; where its inside has changed, nothing is removed.
    """
    file = getattr(getattr(loop, "_cache", None), "_cache_file", None)
    if file is None:
        return
    try:
        file._load_index()  # noqa: SLF001 (the reading that would fail at the first call)
    except (AttributeError, ImportError):
        Path(file._index_path).unlink(missing_ok=True)  # noqa: SLF001 (the same)
