"""The versions that a document names: whether they could have written it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reseed._support.version import VERSION
from reseed.claims.parts import one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.claims.document import Part
    from reseed.reappearance.passport import Made

__all__ = ["check_made", "check_reseed"]

_FIRST = "0.1.0"
"""The first reseed that wrote any of these documents in the versions that are read here."""


def check_reseed(told: Sequence[str]) -> Part:
    """The versions of reseed in a document, which have to be one.

    Another one than this proves nothing either way, as long as it could have written the document.
    """
    wrong = next((each for each in told if _number(each) is None or _number(each) < _number(_FIRST)), None)  # type: ignore[operator] (the first is a number)
    if wrong is not None:
        return one("versions", "does not hold", f"no reseed {wrong} wrote such documents: {_FIRST} was the first")
    if len(set(told)) > 1:
        return one("versions", "does not hold", f"it names several versions of reseed: {', '.join(sorted(set(told)))}")
    if told[0] != VERSION:
        return one("versions", "noted", f"made by reseed {told[0]}, checked by {VERSION}")
    return one("versions", "holds", f"made and checked by reseed {VERSION}")


def check_made(told: Made, here: Made, reseed: Sequence[str]) -> Part:
    """The same with all else that made a passport; another torch or processor may give other last digits."""
    found = check_reseed([told.reseed, *reseed])
    others = [
        f"{name} {before} (here {now})"
        for (name, before), (_, now) in zip(told, here, strict=True)
        if name != "reseed" and before != now
    ]
    if found.state == "does not hold" or not others:
        return found
    return one("versions", "noted", f"{found.sentence}; made with {', '.join(others)}")


def _number(version: str) -> tuple[int, ...] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)\S*", version)
    return None if found is None else tuple(map(int, found.groups()))
