"""A passport: which features come back, with all that another needs to find the same again, in one document.

PASSPORT_VERSION history
  1  first version
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.documents import Document, Number
from reseed.reappearance.document import Features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

__all__ = ["PASSPORT_VERSION", "Columns", "Made", "Passport", "ShareInterval", "columns"]

PASSPORT_VERSION = 1

_DIGITS = 7  # behind the point: fewer than machines may differ in, and a third of the bytes


class Made(Document):
    """What made it, and where."""

    reseed: str
    """Version of reseed."""
    python: str
    """Version of Python."""
    torch: str
    """Version of torch."""
    numpy: str
    """Version of numpy."""
    platform: str
    """System and processor."""


class ShareInterval(Document):
    """Where a reappearance may lie over runs, 95 %, exact (Clopper and Pearson): it follows from the reappearance."""

    reappearance: Number
    """The share of the other runs."""
    low: Number
    """One end."""
    high: Number
    """The other."""


class Columns(Document):
    """The features of one run, column by column: atom 0 first. Numbers have seven digits behind the point."""

    recipe: str
    """The recipe, or the condition of a study."""
    run: str
    """The run."""
    atoms: int
    """How many atoms it has, which is how long every column is."""
    expected: Number
    """The share of pairs that come back by the same rule on the null."""
    intervals: tuple[ShareInterval, ...]
    """For every reappearance that there is, ascending."""
    reappearance: tuple[Number, ...]
    """In which share of the other runs each atom comes back."""
    cosine: tuple[Number, ...]
    """Mean cosine with its partners; null without any."""
    code: tuple[Number, ...] | None
    """Mean correlation of its codes with theirs; null without codes."""
    classes: tuple[int, ...]
    """Its class of atoms over runs."""


class Passport(Document):
    """Which features come back, what that was found in, and how to find it again."""

    passport_version: int = PASSPORT_VERSION
    """Version of this document's format."""
    made: Made
    """What made it."""
    trained: dict[str, str] | None
    """The versions and the device that a study says it was trained with; null for dictionaries."""
    found: Features
    """What `reseed features` says, without its rows and without texts, which may be private. Paths are relative to this
    file, unless they have nothing in common with it."""
    features: tuple[Columns, ...]
    """Every feature of every independent run."""
    sha256: str
    """Of all of the above, as JSON with sorted keys and without spaces: an edit shows even where the files are gone."""


def columns(table: pl.DataFrame) -> tuple[Columns, ...]:
    """The table of features, run by run."""
    return tuple(_columns(table))


def _columns(table: pl.DataFrame) -> Iterator[Columns]:
    for (recipe, run), own in table.group_by("recipe", "run", maintain_order=True):
        ends = own.select("reappearance", "low", "high").unique("reappearance").sort("reappearance")
        yield Columns(
            recipe=str(recipe),
            run=str(run),
            atoms=own.height,
            expected=own["expected"][0],
            intervals=tuple(ShareInterval(**each) for each in ends.to_dicts()),
            reappearance=_rounded(own, "reappearance"),
            cosine=_rounded(own, "cosine"),
            code=None if own["code"].null_count() == own.height else _rounded(own, "code"),
            classes=tuple(own["class"].to_list()),
        )


def _rounded(own: pl.DataFrame, name: str) -> tuple[float, ...]:
    return tuple(own[name].round(_DIGITS).to_list())
