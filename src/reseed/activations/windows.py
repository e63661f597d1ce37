"""Texts cut into context windows, and which windows are held out: decided before any model runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np

from reseed.activations.order import permuted
from reseed.errors import ActivationsError

__all__ = ["Windows", "cut", "shuffled"]

_PIECE = 1 << 19  # characters
_PIECES_AT_ONCE = 256


@dataclass(frozen=True)
class Windows:
    """Windows of consecutive tokens of one text, without special tokens; the last window of a text may be shorter."""

    ids: np.ndarray
    """Token ids of all texts behind one another, int32."""
    starts: np.ndarray
    """Where each window begins in `ids`."""
    lengths: np.ndarray
    """Tokens per window."""
    prefix: tuple[int, ...]
    """Special tokens that the model expects before a window, such as [CLS]."""
    suffix: tuple[int, ...]
    """Special tokens that it expects behind a window, such as [SEP]."""
    documents: np.ndarray
    """Which text each window is of."""

    context: int
    """Tokens that a window has room for, special tokens included."""

    def __len__(self) -> int:
        return len(self.starts)

    def tokens(self, window: int) -> np.ndarray:
        """The token ids of one window, special tokens included."""
        start = self.starts[window]
        return np.concatenate([self.prefix, self.ids[start : start + self.lengths[window]], self.suffix]).astype(
            np.int64
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the tokens and of how they are cut."""
        parts = (
            self.ids.tobytes(),
            self.starts.tobytes(),
            self.lengths.tobytes(),
            repr((self.prefix, self.suffix)).encode(),
        )
        return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


def cut(texts: Sequence[str], tokenizer: Any, *, context: int) -> Windows:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """Tokenise texts and cut each into windows that fill a context, special tokens included.

    Raises:
        ActivationsError: the context leaves no room for text, or the tokenizer does not take a text.
    """
    prefix, suffix = _special_tokens(tokenizer)
    width = context - len(prefix) - len(suffix)
    if width < 1:
        special = len(prefix) + len(suffix)
        raise ActivationsError(
            f"a context of {context} has no room beside {special} special tokens: use {special + 1} or more"
        )
    owners, streams = zip(*_tokenised(texts, tokenizer), strict=True)
    begins = np.cumsum([0, *map(len, streams)])
    starts = [begin + np.arange(0, len(ids), width) for begin, ids in zip(begins, streams, strict=False)]
    lengths = [np.minimum(width, len(ids) - np.arange(0, len(ids), width)) for ids in streams]
    return Windows(
        ids=np.concatenate(streams),
        starts=np.concatenate(starts),
        lengths=np.concatenate(lengths),
        prefix=prefix,
        suffix=suffix,
        documents=np.repeat(owners, [len(of_one) for of_one in starts]),
        context=context,
    )


def _special_tokens(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """What the tokenizer puts before and behind a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    before = next((i for i in range(len(full) + 1) if full[i : i + len(plain)] == plain), None)
    if before is None:
        raise ActivationsError(
            "the tokenizer reads a text differently when it adds special tokens: choose another model"
        )
    return tuple(full[:before]), tuple(full[before + len(plain) :])


def _tokenised(texts: Sequence[str], tokenizer: Any) -> Iterator[tuple[int, np.ndarray]]:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """Which text each piece is of, and its token ids."""
    pieces = ((number, piece) for number, text in enumerate(texts) for piece in _pieces(text))
    while some := list(islice(pieces, _PIECES_AT_ONCE)):
        owners, words = zip(*some, strict=True)
        # verbose=False: texts longer than the model's context are what we are here to cut
        tokens = tokenizer(list(words), add_special_tokens=False, return_attention_mask=False, verbose=False)
        yield from zip(owners, (np.asarray(ids, dtype=np.int32) for ids in tokens["input_ids"]), strict=True)


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that a tokenizer takes at once, broken behind a line or at least behind a word."""
    start = 0
    while len(text) - start > _PIECE:
        marks = (text.rfind(mark, start + _PIECE // 2, start + _PIECE) + 1 for mark in "\n ")
        stop = next(filter(None, marks), start + _PIECE)
        yield text[start:stop]
        start = stop
    yield text[start:]


def shuffled(windows: Windows) -> np.ndarray:
    """All windows in one fixed order that spreads every stretch of it over all texts."""
    index = np.arange(len(windows), dtype=np.uint64)
    return permuted(index, len(windows), "reseed windows").astype(np.int64)
