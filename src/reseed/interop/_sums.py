"""The sums of the files that a dictionary was read from, and where these files are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Sums", "sha256_of"]


class Sums(dict[str, str]):
    """SHA-256 of files by their names, and where these files are."""

    def __init__(self, sums: Mapping[str, str], paths: tuple[Path, ...]) -> None:
        """Of files that were read."""
        super().__init__(sums)
        self.paths = paths


def sha256_of(*paths: Path) -> Sums:
    """The sum of each file, by its name."""
    return Sums({path.name: sha256_of_file(path) for path in paths}, paths)
