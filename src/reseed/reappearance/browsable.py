"""What a page of features shows, for whatever draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from reseed._support.brief import brief_repr

if TYPE_CHECKING:
    from reseed.reappearance.document import Features

__all__ = ["Browsable", "Column", "Columns"]


class Column(NamedTuple):
    """One quantity of every atom of every run, run after run."""

    name: str
    type: str
    """How a number is written: `i` for whole ones, `u` for those from 0, `f` for others; and its bytes."""
    entries: int
    """How many numbers an atom has."""
    content: bytes
    """The least byte of a number first."""


@dataclass(frozen=True)
class Columns:
    """The features of one recipe."""

    about: Mapping[str, Any]
    """The runs, their sizes, the steps, and what is the same for all atoms; as JSON has it."""
    numbers: tuple[Column, ...]
    """Of each atom, and of its partners in the other runs."""
    along: tuple[Column, ...]
    """The same step by step; empty where but one step is known."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Browsable:
    """All recipes, and the held-out tokens that features fire on."""

    document: Features
    """Without the rows of the table."""
    recipes: tuple[Columns, ...]
    texts: tuple[str, ...]
    """What each token reads; empty where that is not known."""
    windows: tuple[int, ...]
    """Which text each token is of."""

    __repr__ = brief_repr
