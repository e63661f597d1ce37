"""The files that a document names: missing, changed, or the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.files import sha256_of_file
from reseed._support.numbers import size
from reseed.claims.document import Difference, Part
from reseed.claims.parts import one
from reseed.comparison.document import TENSOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.claims.places import Places
    from reseed.comparison.document import ReadFile

__all__ = ["check_files", "missing"]


def missing(told: Sequence[str], places: Places) -> list[str]:
    """Which of the paths of a document are not here, such as its sources."""
    here = (each for each in told if each == TENSOR or not each.startswith("hf:"))
    return [each for each in here if each == TENSOR or not Path(places.of(each)).expanduser().exists()]


def check_files(files: Sequence[ReadFile], places: Places) -> Part:
    """Whether files have the bytes that were read."""
    gone: list[str] = []
    changed: list[Difference] = []
    here = [each for each in files if not each.path.startswith("hf:")]
    for each in here:
        path = Path(places.of(each.path)).expanduser()
        if not path.is_file():
            gone.append(each.path)
        elif path.stat().st_size != each.n_bytes:
            told = f"{path.stat().st_size:,} bytes"
            changed.append(Difference(path=each.path, told=f"{each.n_bytes:,} bytes", found=told))
        elif (found := sha256_of_file(path)) != each.sha256:
            changed.append(Difference(path=each.path, told=each.sha256, found=found))
    if changed:
        first = changed[0]
        return Part(
            name="files",
            state="does not hold",
            sentence=f"{len(changed)} of {len(files)} are not what was read: {first.path} is {first.found[:12]}, not "
            f"{first.told[:12]}",
            checked=len(files),
            differing=len(changed),
            differences=tuple(changed),
        )
    if gone:
        said = f"{len(gone)} of {len(files)} are not here: {gone[0]}; put them where the document names them"
        return one("files", "cannot be checked", said, checked=len(files))
    if not files:
        return one("files", "cannot be checked", "none is named: this was found in tensors that lay in memory")
    if len(here) < len(files):
        said = (
            f"{len(here)} are what was read; {len(files) - len(here)} from the hub are held to as they are read again"
        )
        return one("files", "holds", said, checked=len(here))
    total = size(sum(each.n_bytes for each in files))
    return one("files", "holds", f"{len(files)} are what was read, {total}", checked=len(files))
