"""Folders for studies of seconds: in memory where the system has such a place, so that no disk is waited for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["passing_folder"]

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder in it has a name of its own)


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder that is gone when the context ends."""
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        yield Path(folder)
