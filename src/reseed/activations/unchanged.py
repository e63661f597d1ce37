"""Files that must stay as they are while they are read, as their system tells of them: size, time and place on disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reseed.errors import ActivationsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["UNWATCHED", "Watch"]

_State = tuple[int, int, int]

_WHAT_TO_DO = (
    "nothing that reads it is called done; put it back as it was, and the same command goes on from what is saved, or "
    "begin again with another --out"
)


class Watch:
    """Some files, how they were when reading began, and a way to see whether their content is still the same.

    Asking costs one question to the system per file; content is read again only where its answer has changed.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        """Take down how the files are now, before anything is read from them."""
        self._known = {path: _state(path) for path in paths}
        self._lock = threading.Lock()
        self._same: Callable[[], bool] = lambda: False

    def accept(self, same: Callable[[], bool]) -> None:
        """From now on a file may be written anew, as long as `same`, which reads it again, finds the same content."""
        self._same = same

    def check(self) -> None:
        """Raise ActivationsError, naming the file, where one is gone, cut short, or holds something else."""
        if any(_state(path) != known for path, known in self._known.items()):
            with self._lock:
                self._look()

    def _look(self) -> None:
        now = {path: _state(path) for path in self._known}
        changed = [path for path, state in now.items() if state != self._known[path]]
        for path in changed:
            before, after = self._known[path], now[path]
            if after is None:
                raise ActivationsError(f"{path} is gone, while it was read: {_WHAT_TO_DO}")
            if before is not None and after[0] < before[0]:
                raise ActivationsError(
                    f"{path} was cut short while it was read, to {after[0]:,} of {before[0]:,} bytes: {_WHAT_TO_DO}"
                )
        if changed and not self._is_same():
            raise ActivationsError(f"{changed[0]} was overwritten while it was read: {_WHAT_TO_DO}")
        self._known = now

    def _is_same(self) -> bool:
        try:
            return self._same()
        except ActivationsError:
            return False


def _state(path: Path) -> _State | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


UNWATCHED = Watch(())
"""Of activations that lie in memory."""
