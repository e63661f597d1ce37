"""Memory that runs out while something is done: one sentence that says what, and what to reduce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from reseed._support.machine import lacks_memory
from reseed.errors import MemoryShortError

__all__ = ["enough_memory"]


@contextmanager
def enough_memory(doing: str, reduce: str) -> Iterator[None]:
    """Do something that may need more memory than there is.

    Args:
        doing: what, as in `training topk@centre`.
        reduce: the settings that make it smaller.

    Raises:
        MemoryShortError: it needed more.
    """
    try:
        yield
    except MemoryShortError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise MemoryShortError(f"{_told(error, doing)} {reduce}") from error


def _told(error: Exception, doing: str) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return f"not enough GPU memory for {doing}; what is saved stays: choose another --out and reduce"
    return (
        f"not enough memory for {doing}; what is saved stays: with training.threads = 1, which changes no result, the "
        "same command goes on, and where that is still too much choose another --out and reduce"
    )
