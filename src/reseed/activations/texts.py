"""Texts to collect activations from."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reseed._support.guard import guarded
from reseed.activations.bundled import SOTU_LICENCE, SOTU_SOURCE, sotu_texts
from reseed.activations.file_kinds import LFS_POINTER, kind_of
from reseed.errors import ActivationsError

__all__ = ["Documents", "check_texts", "encodable", "open_texts", "read_texts"]

_SUFFIXES = (".txt", ".md", ".jsonl")
_LINES = {".jsonl", ".ndjson", ".json"}
_OBJECT = 'a line is a JSON object with "text"'
_SHOWN = 8  # columns that an error message names


class Documents(NamedTuple):
    """Texts, and what a store records about them."""

    texts: tuple[str, ...]
    source: str
    """Where they come from, in words."""
    licence: str
    """Their licence, in words."""


@guarded()
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


@guarded()
def read_texts(sources: Iterable[str | Path]) -> tuple[str, ...]:
    """The documents in some files, in the order given; a folder stands for its .txt, .md and .jsonl files, sorted.

    A .jsonl (or .ndjson or .json) file holds a document per line, under "text"; any other file is one document in
    UTF-8. A byte order mark is no part of a document.

    Raises:
        ActivationsError: a file is missing, empty, given twice, not in UTF-8 or of another kind, or a .jsonl line has
            no "text".
    """
    files = [file for source in sources for file in _files(Path(source).expanduser())]
    _check_once(files)
    return tuple(text for file in files for text in _documents(file))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.exists() and not path.is_dir():
        raise ActivationsError(f"{path} is neither a file nor a folder: write what comes out of it into a file first")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        reason = f"holds no {', '.join(_SUFFIXES)} file" if path.is_dir() else "does not exist"
        raise ActivationsError(f"{path} {reason}: name text files, or folders with some")
    return files


def _check_once(files: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for file in files:
        first = seen.setdefault(file.resolve(), file)
        if first is not file:
            also = "" if first == file else f", also as {first}"
            raise ActivationsError(f"{file} is given twice{also}: name it once, or its tokens would count twice")


def _documents(path: Path) -> Iterator[str]:
    content = _decoded(path, path.read_bytes())
    if not content.strip():
        raise ActivationsError(f"{path} is empty: leave it out")
    if path.suffix.lower() not in _LINES:
        yield content
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield _document(line, f"{path}, line {number:,}")


def _decoded(path: Path, content: bytes) -> str:
    kind = kind_of(content)
    if kind is LFS_POINTER:
        raise ActivationsError(f"{path} is no text but {kind.name}: {kind.remedy}")
    try:
        text = content.decode().lstrip("\ufeff")  # a mark of the byte order, or one for each file that was put together
    except UnicodeDecodeError as error:
        if kind is not None:
            raise ActivationsError(f"{path} is no text but {kind.name}: {kind.remedy}") from error
        raise ActivationsError(f"{path} is not text in UTF-8 (byte {error.start:,}): convert it") from error
    if "\0" in text:
        what, remedy = kind or ("binary data", "give text in UTF-8")
        raise ActivationsError(f"{path} is no text but {what} (byte {content.index(0):,} is NUL): {remedy}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _document(line: str, place: str) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ActivationsError(f"{place} has no document ({_complaint(error)}): {_OBJECT}") from error
    if not isinstance(found, dict):
        raise ActivationsError(f"{place} has no document (it holds {_kind(found)}): {_OBJECT}")
    if "text" not in found:
        raise ActivationsError(f'{place} has no document (no "text" among {_columns(found)}): {_OBJECT}')
    text = found["text"]
    if not isinstance(text, str):
        raise ActivationsError(f'{place} holds {_kind(text)} under "text": it is a string')
    if not text.strip():
        raise ActivationsError(f"{place} holds an empty document: leave it out")
    _check_encodable(text, place)
    return text


def check_texts(texts: object) -> None:
    """Raise ActivationsError unless `texts` are documents: strings with something in them that a tokenizer can read."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise ActivationsError(f"texts is a {type(texts).__name__}: give a list of documents, one string each")
    if not texts:
        raise ActivationsError("no text was given: name at least one text file")
    for number, text in enumerate(texts, start=1):
        place = f"text {number:,} of {len(texts):,}"
        if not isinstance(text, str):
            raise ActivationsError(f"{place} is a {type(text).__name__}: give a list of documents, one string each")
        if not text.strip():
            raise ActivationsError(f"{place} is empty: leave it out")
        _check_encodable(text, place)


def _check_encodable(text: str, place: str) -> None:
    # half a surrogate pair has no encoding, and no tokenizer reads it
    try:
        text.encode()
    except UnicodeEncodeError as error:
        broken = f"U+{ord(text[error.start]):04X}"
        raise ActivationsError(
            f"{place} holds half a character ({broken}, a lone surrogate, at character {error.start:,}): "
            "take it out, or write the text again as UTF-8"
        ) from error


def encodable(words: str) -> str:
    """Words that can be written as UTF-8: bytes of a name that are none are spelt out."""
    return words.encode("utf-8", "backslashreplace").decode()


def _complaint(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON at character {error.pos:,}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]


def _kind(value: Any) -> str:  # noqa: ANN401 (whatever JSON holds)
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _columns(found: dict[str, Any]) -> str:
    names = [repr(name) for name in list(found)[:_SHOWN]]
    return ", ".join(names) + (" ..." if len(found) > _SHOWN else "") if names else "no columns"
