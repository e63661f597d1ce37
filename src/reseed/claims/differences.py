"""Two documents held against each other, leaf by leaf."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reseed._support.mistakes import shown
from reseed.claims.document import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ABSOLUTE", "RELATIVE", "Held", "Leaf", "held"]

RELATIVE = 1e-6
"""How far two numbers may be apart, relative to the larger: other processors add in another order."""
ABSOLUTE = 1e-6
"""How far they may be apart in any case."""

_MOST = 20  # differences that are told
_BEFORE = 20  # characters of a text that are shown before it differs
_ABSENT = "nothing"

Path = tuple[str | int, ...]
Leaf = tuple[Path, Any, Any]
"""A place, what is told there and what was found; `_Absent` where one of them has no such place."""


class _Absent:
    """There is no such place."""

    def __repr__(self) -> str:
        return _ABSENT


_NOTHING = _Absent()


@dataclass
class Held:
    """How many leaves of one part were looked at, and which differ."""

    checked: int = 0
    differing: int = 0
    first: list[Difference] = field(default_factory=list)

    def add(self, leaf: Leaf) -> None:
        """One leaf more."""
        path, told, found = leaf
        self.checked += 1
        if not _equal(told, found):
            self.differing += 1
            if len(self.first) < _MOST:
                told, found = _from_where_they_differ(told, found)
                self.first.append(Difference(path=_named(path), told=_shown(told), found=_shown(found)))


def held(told: Any, found: Any, part_of: Callable[[Leaf], str | None]) -> dict[str, Held]:  # noqa: ANN401 (parsed JSON)
    """What is told against what was found, both as parsed from JSON, by parts.

    Args:
        told: a document.
        found: the same of its files.
        part_of: the part that a leaf belongs to; None for what is not compared.
    """
    parts: dict[str, Held] = {}
    for leaf in _leaves((), told, found):
        part = part_of(leaf)
        if part is not None:
            parts.setdefault(part, Held()).add(leaf)
    return parts


def _leaves(path: Path, told: Any, found: Any) -> Iterator[Leaf]:  # noqa: ANN401 (parsed JSON)
    if isinstance(told, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*told, *found)):
            yield from _leaves((*path, name), told.get(name, _NOTHING), found.get(name, _NOTHING))
    elif isinstance(told, list) and isinstance(found, list):
        if len(told) != len(found):
            yield (*path, "length"), len(told), len(found)
        for place, (one, other) in enumerate(zip(told, found, strict=False)):
            yield from _leaves((*path, place), one, other)
    else:
        yield path, told, found


def _equal(told: Any, found: Any) -> bool:  # noqa: ANN401 (a leaf of parsed JSON)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (told, found))
    if numbers and (isinstance(told, float) or isinstance(found, float)):
        return math.isclose(told, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(told) is type(found) and told == found


def _named(path: Path) -> str:
    words = [f"[{each}]" if isinstance(each, int) else f".{each}" for each in path]
    return "".join(words).removeprefix(".")


def _from_where_they_differ(told: Any, found: Any) -> tuple[Any, Any]:  # noqa: ANN401 (a leaf of parsed JSON)
    """Two long texts without most of what they have in common at their beginnings."""
    if not (isinstance(told, str) and isinstance(found, str)):
        return told, found
    alike = next((i for i, pair in enumerate(zip(told, found, strict=False)) if pair[0] != pair[1]), 0)
    same = max(0, alike - _BEFORE)
    return (told, found) if same == 0 else (f"…{told[same:]}", f"…{found[same:]}")


def _shown(value: Any) -> str:  # noqa: ANN401 (a leaf of parsed JSON)
    kind = {dict: "an object", list: "a list"}.get(type(value))
    if kind is not None:
        return f"{kind} of {len(value):,}"
    return repr(value) if isinstance(value, float | _Absent) else shown(value)
