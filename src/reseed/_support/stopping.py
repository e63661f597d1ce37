"""Asked to stop: by Ctrl-C, by a scheduler (SIGTERM), by a terminal that closes (SIGHUP).

A signal leaves a note and interrupts nothing: an exception out of nowhere would leave imports half made, locks held and
tracebacks behind. Whoever computes calls `check` where nothing is half done. The command line has a thread of its own
beside it (`own`), which ends the process where nobody looks at the note for some seconds, or at a second signal: every
file is replaced whole or not at all, so that nothing is lost but what was being computed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # nothing that takes time is imported before signals are heard
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, NoReturn

__all__ = [
    "SLICE",
    "Interrupted",
    "asked",
    "check",
    "deaf",
    "exit_code",
    "goes_on",
    "held",
    "noticed",
    "own",
    "say",
    "writing",
]

SLICE = 0.1
"""Seconds that anything may wait at a time before it looks at the note again."""
_GRACE = 3.0  # seconds from the first signal, or from the last moment at which something had to be saved

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_STDERR = 2


class Interrupted(KeyboardInterrupt):
    """A signal asked for an end, and what was made is saved."""


class _Note:
    """What the process was asked, and what must not be cut short."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.mine = False  # handlers of ours are in place
        self.watched = False  # the thread of the command line looks after the end
        self.heard = 0  # calls of `noticed` that last
        self.held = 0
        self.writing = 0
        self.said = False
        self.goes_on = True
        self.lock = threading.Lock()
        self.saying = threading.Lock()


_note = _Note()


def asked() -> int | None:
    """The signal that asked for an end, or None."""
    return _note.signal


def exit_code() -> int:
    """What a shell gives for a process that this signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (_note.signal or signal.SIGINT)


def check() -> None:
    """Go on, unless an end was asked for.

    Raises:
        Interrupted: it was, and nothing is held.
    """
    if _note.signal is not None and not _note.held:
        raise Interrupted


@contextmanager
def held() -> Iterator[None]:
    """While this lasts `check` lets pass: what is inside looks at `asked` itself, and has something to save first."""
    with _counted("held"):
        yield


@contextmanager
def writing() -> Iterator[None]:
    """While this lasts a first signal does not end the process: a file is about to be whole."""
    with _counted("writing"):
        yield


@contextmanager
def _counted(what: str) -> Iterator[None]:
    with _note.lock:
        setattr(_note, what, getattr(_note, what) + 1)
    try:
        yield
    finally:
        with _note.lock:
            setattr(_note, what, getattr(_note, what) - 1)


@contextmanager
def noticed() -> Iterator[None]:
    """Signals leave a note while this lasts, and a second one raises KeyboardInterrupt; then all is as it was before.

    In another thread than the main one, where Python has no handlers, it changes nothing. Signals that are ignored stay
    so, and so do handlers for SIGTERM and SIGHUP of the program around.

    Raises:
        Interrupted: an end was asked for and nobody had occasion to say so.
    """
    ours = not _note.mine and threading.current_thread() is threading.main_thread()
    before = _listen(_leave_note, others=False) if ours else {}
    _note.mine = _note.mine or ours
    try:
        with _counted("heard"):
            check()
            yield
            check()
    finally:
        if ours:
            for number, handler in before.items():
                signal.signal(number, handler)
            _note.mine, _note.signal = False, None


def _listen(handler: Callable[[int, FrameType | None], None], *, others: bool) -> dict[int, Any]:
    """Put a handler in for our signals; who was there before, by signal."""
    before: dict[int, Any] = {}
    for number in _SIGNALS:
        now = signal.getsignal(number)
        plain = now in {signal.SIG_DFL, signal.default_int_handler}
        if now is not None and now is not signal.SIG_IGN and (plain or others or number == signal.SIGINT):
            before[number] = signal.signal(number, handler)
    return before


def _leave_note(number: int, _frame: FrameType | None) -> None:
    if _note.signal is not None:
        raise KeyboardInterrupt
    _note.signal = number


def own() -> None:
    """Take this process's signals for good; only the command line does, as the first thing of all."""
    if _note.mine:
        return
    reads, writes = os.pipe()
    if os.name == "posix":
        os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)  # heard in every thread, however busy the main one is
    _listen(_nothing, others=True)
    _note.mine = _note.watched = True
    threading.Thread(target=_watch, args=(reads,), daemon=True, name="signals").start()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Python calls a handler in the main thread only, which may be busy: `_watch` has been told already."""


def _watch(reads: int) -> None:
    """Leave a note at the first signal and end the process at the second one."""
    _note.signal = _next_signal(reads)
    threading.Thread(target=_end_when_late, daemon=True, name="grace").start()
    _next_signal(reads)
    _end("stopped at once")


def _next_signal(reads: int) -> int:
    while (number := os.read(reads, 1)[0]) not in _SIGNALS:
        pass
    return number


def _end_when_late() -> None:
    """End the process at once where no work is at stake, else where it has not ended after the time of grace."""
    until = time.monotonic() + (_GRACE if _note.heard else 0.0)
    while time.monotonic() < until or _note.held or _note.writing:
        time.sleep(SLICE)
        if _note.held:
            until = time.monotonic() + _GRACE
    _end("stopped")


def _end(what: str) -> NoReturn:
    said = threading.Thread(target=say, args=(what,), daemon=True)
    said.start()
    said.join(1.0)  # whoever reads stderr may have stopped reading
    os._exit(exit_code())


def goes_on(yes: bool, /) -> None:  # noqa: FBT001 (the question is in the name)
    """Whether the same command goes on from what this one has written; else it is said that nothing was written."""
    _note.goes_on = yes


def say(what: str = "stopped") -> None:
    """Say on stderr that the command was stopped, and how it goes on; in its own process once, whoever comes first."""
    with _note.saying:
        if not (_note.said and _note.watched):
            _note.said = True
            then = "the same command goes on from here" if _note.goes_on else "nothing was written"
            shown = "\x1b[?25h\r\x1b[K" if os.isatty(_STDERR) else ""  # a bar hides the cursor
            with suppress(OSError):  # the terminal may be gone
                os.write(_STDERR, f"{shown}reseed: {what}; {then}\n".encode())


def deaf() -> None:
    """Hear no signals any more: all is done, and Python takes itself apart."""
    if _note.watched:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
