"""The files that dictionaries were read from, with their sums: by them a claim is held to what it was made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.files import sha256_of_file
from reseed.comparison.document import TENSOR, ReadFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.interop import Source

__all__ = ["named", "read_files"]


def named(source: Source) -> str:
    """A source as documents tell it."""
    return str(source) if isinstance(source, str | Path) else TENSOR


def read_files(read: Iterable[tuple[str, Path]], sources: Sequence[Source]) -> tuple[ReadFile, ...]:
    """Every file that was read, once.

    Args:
        read: what each file is of, and where it is.
        sources: what was given: where all of it is relative, files are told as seen from here.
    """
    relative = not any(os.path.isabs(each) or each.startswith(("~", "hf:")) for each in map(named, sources))  # noqa: PTH117 (a text)
    told: dict[str, ReadFile] = {}
    for of, path in read:
        where = os.path.relpath(path) if relative else os.path.abspath(path)  # noqa: PTH100 (links stay as they are)
        if where not in told:
            told[where] = ReadFile(path=where, of=of, sha256=sha256_of_file(path), n_bytes=path.stat().st_size)
    return tuple(told.values())
