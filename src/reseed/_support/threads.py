"""Threads that share the cores: torch itself has one in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import torch

from reseed._support import stopping

__all__ = ["in_turn", "workers"]

S = TypeVar("S")
T = TypeVar("T")


@contextmanager
def workers(count: int | None = None) -> Iterator[Executor]:
    """As many threads as `count`, or as torch has, whose kernels use no further threads.

    So what they compute does not depend on how many there are, and no thread of torch's waits in a busy loop for work.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _Pool(count or before, initializer=lambda: torch.set_num_threads(1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def in_turn(pool: Executor, at_once: int, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """What `function` makes of each item, in order; of `at_once` items at a time, which are taken only then.

    So no more than these are in memory, where `map` would take all of them first.
    """
    following = iter(items)
    while some := list(islice(following, at_once)):
        yield from pool.map(function, some)


class _Pool(ThreadPoolExecutor):
    """Threads whose results are waited for in slices: a signal is noticed in between, which polars would sleep over.

    polars has a handler for Ctrl-C after which the system goes on waiting for a lock where Python's own would wake up.
    """

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """The results in order; Interrupted where an end is asked for, and what has not begun does not begin."""
        del timeout, chunksize
        futures = [self.submit(_unless_stopped, fn, *each) for each in zip(*iterables, strict=False)]
        return _results(futures)


def _unless_stopped(fn: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 (whatever fn takes)
    stopping.check()
    return fn(*arguments)


def _results(futures: list[Future[T]]) -> Iterator[T]:
    try:
        for future in futures:
            yield _result(future)
    finally:
        for future in futures:
            future.cancel()


def _result(future: Future[T]) -> T:
    while True:
        try:
            return future.result(stopping.SLICE)
        except TimeoutError:
            if future.done():  # its own
                return future.result()
            stopping.check()
