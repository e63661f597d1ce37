"""Progress on stderr, for people: bars in a terminal or a notebook, elsewhere a line a minute. stdout stays data.

Every report of progress is also an occasion to be stopped.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reseed._support import stopping
from reseed._support.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Show", "bar"]

_FIRST, _MINUTE, _HOUR = 1.0, 60.0, 3600.0


Show = Callable[..., Callable[[int], None]]
"""Opens a phase with a title, a total and in words what is counted, and returns what advances it: that raises
Interrupted where an end is asked for."""


@contextmanager
def bar(*, quiet: bool = False, every: float = _MINUTE) -> Iterator[Show]:
    """Phases that follow each other on stderr; nothing at all when `quiet`.

    Args:
        quiet: say nothing.
        every: seconds between two lines where there is no terminal; the first one comes after a second.
    """
    if quiet:
        yield _silent
    elif sys.stderr.isatty() or "ipykernel" in sys.modules:
        with _bars() as shown:
            yield lambda title, total, unit="": _stoppable(_advance_bar(shown, title, total, unit))
    else:
        with _lines(every) as show:
            yield lambda title, total, unit="": _stoppable(show(title, total, unit))


def _silent(title: str, total: int, unit: str = "") -> Callable[[int], None]:
    del title, total, unit
    return _stoppable(lambda _: None)


def _stoppable(advance: Callable[[int], None]) -> Callable[[int], None]:
    def advance_or_stop(n: int) -> None:
        advance(n)
        stopping.check()

    return advance_or_stop


def _bars() -> Progress:
    from rich.console import Console  # noqa: PLC0415 (only a terminal needs it)
    from rich.progress import (  # noqa: PLC0415 (the same)
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _advance_bar(shown: Progress, title: str, total: int, unit: str) -> Callable[[int], None]:
    task = shown.add_task(visible(title), total=total, unit=unit)
    return lambda n: shown.advance(task, n)


@dataclass
class _Phase:
    title: str
    total: int
    unit: str
    begun: float = field(default_factory=time.monotonic)
    done: int = 0
    counted_from: tuple[float, int] | None = None
    """When the first report came, and what was done by then: the rest of an earlier process tells no rate."""

    def advance(self, n: int) -> None:
        self.done += n
        self.counted_from = self.counted_from or (time.monotonic(), self.done)

    def line(self) -> str:
        """Where it stands: `train topk@centre: 1,200 of 8,000 steps of 8 runs (15 %), 41 a second, 3 min left`."""
        now = time.monotonic()
        told = f"{self.title}: {self.done:,} of {self.total:,}{self.unit and ' '}{self.unit}"
        told += f" ({100 * self.done // max(self.total, 1)} %)"
        since, before = self.counted_from or (now, self.done)
        if self.done > before:
            rate = (self.done - before) / (now - since)
            return f"{told}, {rate:.3g} a second, {_duration((self.total - self.done) / rate)} left"
        return f"{told}, {_duration(now - self.begun)} so far" if now - self.begun > 1 else told


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"


@contextmanager
def _lines(every: float) -> Iterator[Show]:
    """One line about the latest phase every so many seconds, whether it advances or not."""
    phases: list[_Phase] = []
    over = threading.Event()

    def tell() -> None:
        wait = min(_FIRST, every)
        while not over.wait(wait):
            _say(phases[-1])
            wait = every

    teller = threading.Thread(target=tell, daemon=True, name="progress")

    def show(title: str, total: int, unit: str = "") -> Callable[[int], None]:
        phase = _Phase(title, total, unit)
        phases.append(phase)
        if len(phases) == 1:
            teller.start()
        return phase.advance

    try:
        yield show
    finally:
        over.set()


def _say(phase: _Phase) -> None:
    try:
        print(visible(phase.line()), file=sys.stderr, flush=True)  # noqa: T201 (it is what this is for)
    except (OSError, ValueError):  # whoever read it is gone: no reason to end hours of training
        return
