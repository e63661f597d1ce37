"""Where a document's files are: paths as it tells them, as seen from a folder, and as this process opens them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from reseed._support.visible import rewritten
from reseed.comparison.document import TENSOR
from reseed.comparison.files import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic import BaseModel

    D = TypeVar("D", bound=BaseModel)

__all__ = ["Places", "relative_to"]


@dataclass(frozen=True)
class Places:
    """The sources of a document, as seen from a folder."""

    folder: Path
    """What relative paths are relative to."""
    told: tuple[str, ...]
    """The sources as the document tells them."""

    def of(self, told: str) -> str:
        """Where a path is; one that is told as absolute, or on the hub, is there."""
        return told if told == TENSOR or is_elsewhere(told) else os.path.normpath(self.folder.absolute() / told)

    def as_told(self, document: D, beside: Iterable[str] = ()) -> D:
        """A document with paths in all of its words as the other document tells them.

        Args:
            document: found with the sources at their places.
            beside: more paths, as told.
        """
        names = {self.of(each): each for each in (*self.told, *beside)}
        ordered = sorted(names.items(), key=lambda pair: -len(pair[0]))

        def say(text: str) -> str:
            for place, name in ordered:
                text = text.replace(place, name)
            return text

        return rewritten(document, say)


def relative_to(path: str, folder: Path) -> str:
    """A path as seen from a folder; absolute where the two have nothing but the root in common."""
    if is_elsewhere(path) and not os.path.isabs(path):  # noqa: PTH117 (a text)
        return path
    here, there = str(folder.absolute()), os.path.abspath(path)  # noqa: PTH100 (links stay as they are)
    return there if os.path.commonpath([here, there]) == os.sep else os.path.relpath(there, here)
