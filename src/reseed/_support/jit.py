"""Loops that are compiled to machine code at their first call, and kept on disk for the next process.

numba sees when the file of a loop has changed, but not when that of a loop it calls has: after such an edit, delete
`__pycache__/*.nb*`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from numba import njit

__all__ = ["compiled"]

Loop = TypeVar("Loop", bound=Callable[..., object])

_REORDER = {"reassoc", "contract", "nsz"}  # sums may run in lanes and fuse: still the same bits at every call


def compiled(loop: Loop) -> Loop:
    """The loop as machine code that other threads run beside; NaN and inf keep their meaning."""
    plain = inspect.unwrap(loop)
    try:
        return njit(plain, cache=True, nogil=True, fastmath=_REORDER)
    except RuntimeError:  # there is nowhere to keep it, so that each process compiles it again
        return njit(plain, nogil=True, fastmath=_REORDER)
