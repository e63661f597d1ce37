"""What verifying found, in lines: one for each part, the differences under it, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.visible import visible_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.claims.document import Verified

__all__ = ["lines"]

_TOLD = 5  # differences of a part
_MARKS = {"holds": "ok", "noted": "note", "does not hold": "NO", "cannot be checked": "?"}


def lines(found: Verified) -> Iterator[str]:
    """Of everything that was checked, without a line end."""
    found = visible_document(found)
    for part in found.parts:
        yield f"{_MARKS[part.state]:<5}{part.name + ':':<13}{part.sentence}"
        if part.differing > 1:
            yield from (
                f"       {each.path}: {each.told}, by the files {each.found}" for each in part.differences[:_TOLD]
            )
        if part.differing > _TOLD:
            yield f"       and {part.differing - _TOLD:,} more"
    yield found.sentence
