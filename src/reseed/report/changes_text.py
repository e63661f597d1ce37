"""What became of findings, as text: what fell first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reseed._support.numbers import digits_apart, interval, percent, rounded
from reseed._support.visible import visible
from reseed.report.text import printed
from reseed.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from reseed.requirements import Change, Changes

__all__ = ["render"]


def render(compared: Changes, *, width: int) -> str:
    """All changes as text that is at most `width` columns wide."""
    return printed(_parts(compared), width=width, colour=False)


def _parts(compared: Changes) -> Iterator[RenderableType]:
    falls = compared.falls
    yield Text()
    yield Text(
        f"Against before: {counted(len(falls), 'number')} of {len(compared.changes)} fell beyond the error of both"
        if falls
        else f"Against before: none of {counted(len(compared.changes), 'number')} fell beyond the error of both"
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("condition", "quantity"):
        table.add_column(name, overflow="fold")
    for name in ("before", "now", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for change in sorted(compared.changes, key=lambda each: not each.fell):
        table.add_row(*_cells(change))
    yield table
    yield Text(f"Intervals of changes hold together, at {percent(compared.level)}; less is worse in all of these.")
    yield from (Padding(Text(f"! {visible(note)}"), (0, 0, 0, 2)) for note in compared.notes)


def _cells(change: Change) -> tuple[str, ...]:
    old, new = change.old.value, change.new.value
    digits = digits_apart(old, new)
    ends = interval(change.low, change.high, digits)
    sign = "+" if change.difference > 0 else ""
    told = f"{sign}{rounded(change.difference, digits)} {ends}".rstrip()
    word = ("gone" if change.lost else "FELL") if change.fell else ""
    return visible(change.condition), change.quantity, rounded(old, digits), rounded(new, digits), told, word
