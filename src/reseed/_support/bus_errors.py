"""One sentence where the system would end the process without a word: a mapped file that is cut short while it is read.

Whoever reads asks beforehand whether the file is whole; this is for what happens between the question and the reading.
The signal cannot be handled in Python, whose handlers run after the instruction that failed, which never ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reseed._support.visible import visible_lines

__all__ = ["telling_of"]

_lock = threading.Lock()
_told: list[str] = []
_installed: list[Any] = []  # the handler, which must live as long as it may be called, and the one before


@contextmanager
def telling_of(name: object) -> Iterator[None]:
    """While this lasts, reading behind the end of a mapped file exits with code 1 and a sentence about `name`."""
    if not hasattr(signal, "SIGBUS"):  # Windows does not let anybody shorten a file that is mapped
        yield
        return
    with _lock:
        if not _told:
            _install()
        _told.append(visible_lines(str(name)))
    try:
        yield
    finally:
        with _lock:
            _told.pop()
            if not _told:
                _uninstall()


def _install() -> None:
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_tell)
    before = _signal()(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))
    _installed[:] = [handler, before]


def _uninstall() -> None:
    _signal()(signal.SIGBUS, ctypes.c_void_p(_installed[1]))
    _installed.clear()


def _signal() -> Any:  # noqa: ANN401 (a function of the C library)
    function = ctypes.CDLL(None).signal
    function.argtypes, function.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    return function


def _tell(_number: int) -> None:
    sentence = (
        f"\nreseed: {_told[-1] if _told else 'a file'} was cut short while it was read: nothing that reads it is "
        "called done; put it back as it was, and the same command goes on from what is saved\n"
    )
    os.write(2, sentence.encode(errors="backslashreplace"))
    os._exit(1)
