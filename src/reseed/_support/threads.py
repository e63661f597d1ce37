"""Threads that share the cores: torch itself has one in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch

__all__ = ["workers"]


@contextmanager
def workers(count: int | None = None) -> Iterator[Executor]:
    """As many threads as `count`, or as torch has, whose kernels use no further threads.

    So what they compute does not depend on how many there are, and no thread of torch's waits in a busy loop for work.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count or before, initializer=lambda: torch.set_num_threads(1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
