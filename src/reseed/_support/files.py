"""Files that are whole or absent: everything reseed writes goes through a temporary file, fsync and rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from reseed._support import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from torch import Tensor

    Replacing = Callable[[Path], AbstractContextManager[Path]]
    """`replacing`, or one that does more."""

__all__ = [
    "alone",
    "canonical_json",
    "remove_partial",
    "replacing",
    "sha256_of_file",
    "sha256_of_text",
    "write_json",
    "write_tensors",
    "write_text",
]

HEADER = "reseed"  # the one metadata key of our safetensors files: more keys would be written in no fixed order
PARTIAL = ".partial"  # the ending of temporary files: what a killed process leaves behind is known by it


@contextmanager
def replacing(path: Path, *, before: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place on success and disappears on failure.

    Args:
        path: of the file.
        before: told the temporary path when it is whole, before it takes its place.

    Raises:
        OSError: the disk is full or the like; `filename` is `path`, whichever library was writing.
    """
    if path.is_dir():  # which the rename would tell as "busy", after all the work
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with stopping.writing(), _replacing(path, before) as temporary:
        yield temporary


@contextmanager
def _replacing(path: Path, before: Callable[[Path], None]) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _fsync(temporary)
        temporary.chmod(0o644)
        before(temporary)
        temporary.replace(path)
        _fsync(path.parent)
    except Exception as error:
        number = _errno(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file while the context lasts; the system lets go of it when the process ends, however it ends.

    The file stays, empty, or two processes could each lock a file of that name.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0, thread_local=False):
            yield
    except Timeout as error:
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path)) from error


def _errno(error: Exception) -> int | None:
    """The system's number for a failure; safetensors and polars tell it in words only."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None


def remove_partial(folder: Path, patterns: Iterable[str]) -> None:
    """Delete the temporary files that killed processes left of files with such names, and nobody else's.

    safetensors writes into a temporary file of its own beside the one that it is told to write.

    Args:
        folder: where they lie.
        patterns: of names as `replacing` got them, such as `manifest.json` or `runs/*/step-*`.
    """
    for pattern in patterns:
        place, _, name = pattern.rpartition("/")
        for file in folder.glob(f"{place}/.{name}.????????{PARTIAL}".removeprefix("/")):
            file.unlink(missing_ok=True)
        if name.endswith((".safetensors", "*")):
            for file in folder.glob(f"{place}/.tmp??????".removeprefix("/")):
                file.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, *, replacing: Replacing = replacing) -> None:
    """Write `text` to `path`, whole or not at all; `replacing` is what puts it there."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object, *, replacing: Replacing = replacing) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", replacing=replacing)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, object], *, replacing: Replacing = replacing
) -> None:
    """Write one safetensors file whose metadata holds `header` as JSON; the same input gives the same bytes."""
    from safetensors.torch import save_file  # noqa: PLC0415 (the other writers need no torch)

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={HEADER: canonical_json(header)})


def canonical_json(value: object) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_text(text: str) -> str:
    """The hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
