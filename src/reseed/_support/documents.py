"""The documents that reseed reads and writes: what their models have in common, and the one reader of JSON and TOML."""

from __future__ import annotations

import json
import math
import re
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict

from reseed._support.brief import brief_fields
from reseed._support.system_errors import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Document", "Number", "UnreadableError", "parse_json", "read_json", "read_json_list", "read_toml"]

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that is nan where it is not defined; null in JSON."""

_DEEPEST = 100  # tables in tables; ours go to about ten
_LARGEST = 2**63
_MOST_TOML = 2**24  # bytes of a study.toml: beyond it, somebody means another file
_MOST_JSON = 2**31
_PIECE = 2**20  # bytes that are read at once
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a truth",
    int: "a number",
    float: "a number",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Document(BaseModel):
    """A document, or a part of one: frozen, and every field documented under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", use_attribute_docstrings=True)

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        return brief_fields(self)


class UnreadableError(ValueError):
    """Why a file is no document, in words that follow its name."""


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file, with or without a byte order mark.

    Raises:
        UnreadableError: it is missing, a folder, empty, no UTF-8, no TOML, nested too deeply, or has huge integers.
    """
    return _checked(_parsed(tomllib.loads, _text(_content(path, _MOST_TOML))))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UnreadableError: as `read_toml`; and where it holds something else than an object.
    """
    return _of_kind(parse_json(_content(path, _MOST_JSON)), dict)


def read_json_list(path: Path) -> list[Any]:
    """The list in a JSON file.

    Raises:
        UnreadableError: as `read_toml`; and where it holds something else than a list.
    """
    return _of_kind(parse_json(_content(path, _MOST_JSON)), list)


def _of_kind(found: Any, kind: type) -> Any:  # noqa: ANN401 (whatever a document holds)
    if not isinstance(found, kind):
        given = next((word for each, word in _KINDS.items() if isinstance(found, each)), "null")
        raise UnreadableError(f"it holds {given} in the place of {_KINDS[kind]}")
    return found


def parse_json(content: bytes | str, *, finite: bool = True) -> Any:  # noqa: ANN401 (whatever it holds)
    """What a JSON text holds; NaN and Infinity, which are no JSON, where `finite` is false.

    Raises:
        UnreadableError: it is no JSON, nested too deeply, or holds huge integers or half a character.
    """
    text = content if isinstance(content, str) else _text(content)
    refuse = _refuse if finite else None
    return _checked(_parsed(lambda json_text: json.loads(json_text, parse_constant=refuse), text))


def _refuse(word: str) -> NoReturn:
    raise UnreadableError(f"it holds {word}, which is no JSON")


def _pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    """What a file holds, until it is more than that: to ask for so much at once takes memory for all of it."""
    left = most + 1
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece


def _content(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = b"".join(_pieces(file, most))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
        raise UnreadableError(told(error)) from error
    if len(content) > most:
        raise UnreadableError(f"it is longer than {most // 2**20:,} MiB")
    return content


def _text(content: bytes) -> str:
    if not content.strip():
        raise UnreadableError("it is empty")
    if content.startswith(_UTF16_BOMS):
        raise UnreadableError("it is text in UTF-16: save it as UTF-8")
    try:
        text = content.removeprefix(_UTF8_BOM).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not text in UTF-8 (byte {error.start:,})") from error
    if "\0" in text:
        raise UnreadableError(f"it holds a NUL byte (character {text.index(chr(0)):,}): it is no text")
    return text


def _parsed(parse: Callable[[str], Any], text: str) -> Any:  # noqa: ANN401 (whatever it holds)
    try:
        return parse(text)
    except UnreadableError:
        raise
    except RecursionError as error:
        raise UnreadableError("it is nested too deeply") from error
    except ValueError as error:  # of tomllib, of json, and of int() for thousands of digits
        words = "it holds an integer of thousands of digits" if "int_max_str_digits" in str(error) else str(error)
        raise UnreadableError(words) from error


def _checked(document: Any) -> Any:  # noqa: ANN401 (whatever it holds)
    """The same, where it is nested no deeper than others can follow, its integers fit into 64 bits, its text is text.

    Level by level and not by recursion.
    """
    level = [document]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                for name in part:
                    _check_text(name)
                inner += part.values()
            elif isinstance(part, list):
                inner += part
            elif isinstance(part, str):
                _check_text(part)
            elif type(part) is int and not -_LARGEST <= part < _LARGEST:
                raise UnreadableError("it holds an integer that does not fit into 64 bits")
        if not inner:
            return document
        level = inner
    raise UnreadableError("it is nested too deeply")


def _check_text(text: str) -> None:
    if not text.isascii() and _SURROGATE.search(text):
        raise UnreadableError("it holds half a character (a lone surrogate)")
