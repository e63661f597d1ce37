"""A progress bar with tokens per second, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from reseed._support.visible import visible

__all__ = ["Advance", "progress_bar"]

Advance = Callable[[int], None]


class _TokensPerSecond(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} tokens/s")


@contextmanager
def progress_bar(what: str, *, total: int, done: int, shown: bool) -> Iterator[Advance]:
    """Show a bar while the block runs; call what comes back with the number of tokens just finished."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _TokensPerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(visible(what), total=total, completed=done)
        # the last shard reads a few tokens more than it stores
        yield lambda tokens: bar.advance(task, min(tokens, total - bar.tasks[task].completed))
