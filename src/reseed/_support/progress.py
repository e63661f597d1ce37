"""Progress on stderr, for people; stdout stays data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from reseed._support.visible import visible

__all__ = ["Show", "bar"]

Show = Callable[[str, int], Callable[[int], None]]
"""Opens a bar with a title and a total, and returns what advances it."""


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Show]:
    """Bars that follow each other on stderr; nothing at all when `quiet`."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as shown:

        def show(title: str, total: int) -> Callable[[int], None]:
            task = shown.add_task(visible(title), total=total)
            return lambda n: shown.advance(task, n)

        yield show
