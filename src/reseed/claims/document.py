"""What `reseed verify` found, in one versioned document.

VERIFIED_VERSION history
  1  first version
"""

from __future__ import annotations

from typing import Literal

from reseed._support.documents import Document

__all__ = ["VERIFIED_VERSION", "Difference", "Part", "State", "Verified"]

VERIFIED_VERSION = 1

State = Literal["holds", "does not hold", "cannot be checked", "noted"]
"""Of a part. What is noted, such as another version of torch, counts neither way."""


class Difference(Document):
    """One place in which a document says something else than its files do."""

    path: str
    """Where, such as `found.recipes[0].reappearance.value`."""
    told: str
    """What the document says there."""
    found: str
    """What follows from the files."""


class Part(Document):
    """One part of a document."""

    name: str
    """What was checked."""
    state: State
    """Whether it holds."""
    sentence: str
    """The same in words, with what to do where it cannot be checked."""
    checked: int
    """How many numbers, words or files were looked at."""
    differing: int
    """How many of them differ."""
    differences: tuple[Difference, ...]
    """The first of these."""


class Verified(Document):
    """Whether a document holds, part by part."""

    verified_version: int = VERIFIED_VERSION
    """Version of this document's format."""
    reseed: str
    """The version of reseed that checked it."""
    file: str
    """The document that was checked."""
    kind: Literal["passport", "features", "comparison", "findings"]
    """What it is, by its content."""
    sha256: str
    """Of its bytes."""
    relative: float
    """How far two numbers may be apart, relative to the larger one."""
    absolute: float
    """How far they may be apart in any case."""
    parts: tuple[Part, ...]
    """Part by part."""
    state: State
    """Of all together: the worst of its parts."""
    sentence: str
    """What was found."""
