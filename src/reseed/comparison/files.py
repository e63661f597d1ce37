"""The files that dictionaries were read from, with their sums: by them a claim is held to what it was made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.files import sha256_of_file
from reseed.comparison.document import TENSOR, ReadFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from reseed.interop import Source

    class Asked(Protocol):
        """What both documents say of what was given."""

        @property
        def sources(self) -> tuple[str, ...]: ...
        @property
        def null(self) -> tuple[str, ...]: ...
        @property
        def labels(self) -> tuple[str, ...] | None: ...


__all__ = ["as_its_source", "is_elsewhere", "named", "read_files"]


def named(source: Source) -> str:
    """A source as documents tell it."""
    return str(source) if isinstance(source, str | Path) else TENSOR


def read_files(read: Iterable[tuple[str, Path]], asked: Asked) -> tuple[ReadFile, ...]:
    """Every file that was read, once.

    Args:
        read: what each file is of, and where it is.
        asked: what was given: where a source is relative, so are its files.
    """
    told: dict[str, ReadFile] = {}
    for of, path in read:
        where = as_its_source(path, of, asked, None)
        if where not in told:
            told[where] = ReadFile(path=where, of=of, sha256=sha256_of_file(path), n_bytes=path.stat().st_size)
    return tuple(told.values())


def as_its_source(path: str | Path, of: str, asked: Asked, folder: Path | None) -> str:
    """A path as the source that it is of was given: relative to a folder (None: where reseed was started), or not.

    Of a place on the hub it is that place and the file's name.
    """
    nulls = {f"null {i}": each for i, each in enumerate(asked.null, 1)}
    source = (nulls | dict(zip(asked.labels or (), asked.sources, strict=False))).get(of, asked.sources[0])
    if source.startswith("hf:"):  # where the cache lies says nothing to others
        return str(path) if str(path).startswith("hf:") else f"{source}: {Path(path).name}"
    if is_elsewhere(source):
        return os.path.abspath(path)  # noqa: PTH100 (links stay as they are)
    return os.path.relpath(path, folder)


def is_elsewhere(told: str) -> bool:
    """Whether a path is the same wherever it is seen from: absolute, at home, or on the hub."""
    return os.path.isabs(told) or told.startswith(("~", "hf:"))  # noqa: PTH117 (a text)
