"""The folder that a collection may write into: a new one, an empty one, or one of its own that was begun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reseed._support.files import alone
from reseed.activations.manifest import MANIFEST, Manifest, read_manifest
from reseed.errors import ActivationsError

__all__ = ["begun", "check_destination", "writing_alone"]


def check_destination(out: str | Path) -> Path:
    """The folder `out`, once it is known that a store may be written there; nothing is written yet.

    Raises:
        ActivationsError: it is a file or lies below one, it cannot be written to, or something else is in it.
    """
    folder = Path(out).expanduser()
    if "\0" in str(folder) or not str(out).strip():
        raise ActivationsError(f"--out {str(out)!r} is no name of a folder: choose another one")
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        where = "is" if there == folder else f"lies below {there}, which is"
        raise ActivationsError(f"--out {folder} {where} no folder: choose another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ActivationsError(f"--out {folder} cannot be written to: choose a folder of your own")
    if folder.is_dir():
        _check_content(folder)
    return folder


def _check_content(folder: Path) -> None:
    if (folder / MANIFEST).exists():
        begun(folder)
        return
    others = sorted(path.name for path in folder.iterdir() if not _is_own(path.name))
    if others:
        raise ActivationsError(
            f"{folder} holds something else ({others[0]}{', ...' if len(others) > 1 else ''}): "
            "give a new or an empty folder"
        )


def _is_own(name: str) -> bool:
    # what a process leaves that is killed before the first manifest is in place
    return name == ".lock" or (name.startswith(f".{MANIFEST}.") and name.endswith(".partial"))


def begun(folder: Path) -> Manifest | None:
    """What an earlier collection says about itself that was begun in `folder`; None if there was none.

    Raises:
        ActivationsError: its manifest cannot be read.
    """
    if not (folder / MANIFEST).exists():
        return None
    try:
        return read_manifest(folder)
    except ActivationsError as error:
        raise ActivationsError(
            f"{folder} holds no collection that can go on ({error}): choose another folder, or delete this one"
        ) from error


@contextmanager
def writing_alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a store. ActivationsError where another process does."""
    try:
        with alone(folder / ".lock"):
            yield
    except BlockingIOError as error:
        raise ActivationsError(
            f"another reseed is writing into {folder}: wait for it, or choose another folder"
        ) from error
