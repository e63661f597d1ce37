"""Progress in tokens, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reseed._support import progress

__all__ = ["Advance", "progress_bar"]

Advance = Callable[[int], None]


@contextmanager
def progress_bar(what: str, *, total: int, done: int, shown: bool) -> Iterator[Advance]:
    """Show progress while the block runs; call what comes back with the number of tokens just finished."""
    with progress.bar(quiet=not shown) as show:
        advance, left = show(what, total, "tokens"), total - done
        advance(done)

        def advance_to_the_end(tokens: int) -> None:  # the last shard reads a few tokens more than it stores
            nonlocal left
            counted = min(tokens, left)
            left -= counted
            advance(counted)

        yield advance_to_the_end
