"""Texts to collect activations from."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reseed.activations.bundled import SOTU_LICENCE, SOTU_SOURCE, sotu_texts
from reseed.errors import ActivationsError

__all__ = ["Documents", "open_texts", "read_texts"]

_SUFFIXES = (".txt", ".md", ".jsonl")


class Documents(NamedTuple):
    """Texts, and what a store records about them."""

    texts: tuple[str, ...]
    source: str
    """Where they come from, in words."""
    licence: str
    """Their licence, in words."""


def open_texts(sources: Sequence[str | Path], *, licence: str | None = None) -> Documents:
    """The documents in some files, or those of `sotu`: the bundled State of the Union messages, whose licence is known.

    Raises:
        ActivationsError: as `read_texts`; sotu beside files or with another licence; its package is not installed.
    """
    if "sotu" not in map(str, sources):
        named = ", ".join(Path(source).name for source in sources)
        return Documents(read_texts(sources), named, licence or "not stated")
    if len(sources) > 1 or licence is not None:
        raise ActivationsError("sotu is given alone: no other text and no licence, for its own is recorded")
    return Documents(sotu_texts(), SOTU_SOURCE, SOTU_LICENCE)


def read_texts(sources: Iterable[str | Path]) -> tuple[str, ...]:
    """The documents in some files, in the order given; a folder stands for its .txt, .md and .jsonl files, sorted.

    A .jsonl file holds a document per line, under "text"; any other file is one document in UTF-8.

    Raises:
        ActivationsError: a file is missing, empty, not in UTF-8, or a .jsonl line has no "text".
    """
    return tuple(text for source in sources for path in _files(Path(source).expanduser()) for text in _documents(path))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
    if not files:
        reason = f"holds no {', '.join(_SUFFIXES)} file" if path.is_dir() else "does not exist"
        raise ActivationsError(f"{path} {reason}: name text files, or folders with some")
    return files


def _documents(path: Path) -> Iterator[str]:
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ActivationsError(f"{path} is not text in UTF-8 (byte {error.start:,}): convert it") from error
    if not content.strip():
        raise ActivationsError(f"{path} is empty: leave it out")
    if path.suffix != ".jsonl":
        yield content
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield _document(line, f"{path}, line {number:,}")


def _document(line: str, place: str) -> str:
    try:
        text = json.loads(line)["text"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ActivationsError(f'{place} has no document: a line is a JSON object with "text"') from error
    if not isinstance(text, str) or not text.strip():
        raise ActivationsError(f"{place} holds an empty document: leave it out")
    return text
