"""What nobody meant in texts that can all the same be read: counted, and said in one sentence each."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reseed.activations.windows import Windows

__all__ = ["notice"]

_UNKNOWN = 0.01  # share of unknown tokens from which on a tokenizer does not know the texts
_SHOWN = 4  # special tokens that a sentence names


def notice(texts: Sequence[str], windows: Windows, tokenizer: Any) -> tuple[str, ...]:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """One sentence for each thing that is probably a mistake: how often it occurs, and what to do about it."""
    return (*_copies(texts), *_special(len(texts), windows, tokenizer), *_unknown(windows, tokenizer))


def _copies(texts: Sequence[str]) -> Iterator[str]:
    copies = len(texts) - len(set(texts))
    if copies:
        yield (
            f"{copies:,} of {len(texts):,} documents {_verb(copies, 'repeats', 'repeat')} an earlier one, so that "
            "tokens count twice and held-out rows may occur in training: leave copies out"
        )


def _special(n_texts: int, windows: Windows, tokenizer: Any) -> Iterator[str]:  # noqa: ANN401 (as above)
    """Special tokens that a text spells out, as templates do, and that the tokenizer reads as what they stand for."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    spelt = np.isin(windows.ids, sorted((added | set(tokenizer.all_special_ids)) - {_unknown_token(tokenizer)}))
    begins, ends = _bounds(windows)
    for where, ids, starts in (("begin", windows.prefix, begins), ("end", windows.suffix, ends - len(windows.suffix))):
        doubled = _where(windows.ids, starts, ids)
        if doubled.size:
            spelt[doubled[:, None] + np.arange(len(ids))] = False
            yield (
                f"{doubled.size:,} of {n_texts:,} documents {_verb(doubled.size, f'{where}s', where)} with "
                f"{''.join(_names(tokenizer, ids))}, which the tokenizer adds too, so that the model reads it twice: "
                "take it out of the texts"
            )
    if spelt.any():
        yield _spelt_out(n_texts, windows, spelt, tokenizer)


def _spelt_out(n_texts: int, windows: Windows, spelt: np.ndarray, tokenizer: Any) -> str:  # noqa: ANN401 (as above)
    numbers, counts = np.unique(windows.ids[spelt], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_SHOWN]
    names = zip(_names(tokenizer, numbers[most]), counts[most], strict=True)
    named = ", ".join(f"{name} {count:,}" for name, count in names) + (", ..." if len(numbers) > _SHOWN else "")
    count = int(spelt.sum())
    return (
        f"{count:,} special {_verb(count, 'token is', 'tokens are')} spelt out in {_documents_with(windows, spelt):,} "
        f"of {n_texts:,} documents ({named}), and the model reads {_verb(count, 'it', 'them')} as what "
        f"{_verb(count, 'it stands', 'they stand')} for: take such out of the texts unless they are meant"
    )


def _unknown(windows: Windows, tokenizer: Any) -> Iterator[str]:  # noqa: ANN401 (as above)
    number = _unknown_token(tokenizer)
    count = 0 if number is None else int((windows.ids == number).sum())
    if count > _UNKNOWN * len(windows.ids):
        yield (
            f"{count:,} of {len(windows.ids):,} tokens are unknown to the tokenizer and are left out: "
            "is this the model for such texts?"
        )


def _unknown_token(tokenizer: Any) -> int | None:  # noqa: ANN401 (as above)
    """The token that stands for what a tokenizer does not know, where it stands for nothing else."""
    return None if tokenizer.unk_token in {tokenizer.bos_token, tokenizer.eos_token} else tokenizer.unk_token_id


def _bounds(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Where each document begins in the ids, and where it has ended; documents without a token are left out."""
    changes = np.flatnonzero(np.diff(windows.documents, prepend=-1))
    last = np.append(changes[1:], len(windows))[: len(changes)] - 1
    return windows.starts[changes], windows.starts[last] + windows.lengths[last]


def _where(ids: np.ndarray, starts: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
    """Those of `starts` where `wanted` stands in the ids; none if nothing is wanted."""
    if not wanted:
        return starts[:0]
    inside = starts[(starts >= 0) & (starts + len(wanted) <= len(ids))]
    found = ids[inside[:, None] + np.arange(len(wanted))]
    return inside[(found == np.asarray(wanted)).all(axis=1)]


def _documents_with(windows: Windows, tokens: np.ndarray) -> int:
    owner = np.searchsorted(windows.starts, np.flatnonzero(tokens), side="right") - 1
    return len(np.unique(windows.documents[owner]))


def _names(tokenizer: Any, ids: Sequence[int] | np.ndarray) -> list[str]:  # noqa: ANN401 (as above)
    return [str(name) for name in tokenizer.convert_ids_to_tokens([int(number) for number in ids])]


def _verb(count: int, one: str, more: str) -> str:
    return one if count == 1 else more
