"""Large objects in a line or a small table, so that none of them floods a notebook, a log or a failed test."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

from reseed._support.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl

__all__ = ["MOST_ROWS", "BriefTable", "Tabled", "brief", "brief_fields", "brief_repr", "html_table"]

WORDS = 80  # characters of a text
FEW = 4  # entries that are told one by one
ONE_VALUE = (int, float, bool, type(None))


MOST_ROWS = 10
"""Of a small table of something large."""


@dataclass(frozen=True)
class BriefTable:
    """Something large as a title, a few sentences and the first rows: for a notebook, or a paper."""

    title: str
    lines: tuple[str, ...]
    """What is said of it."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int
    """How many of the first columns hold words; the others hold numbers."""

    @property
    def html(self) -> str:
        """Without styles or scripts; everything in it is text."""
        return html_table(self.title, self.lines, self.columns, self.rows)


@runtime_checkable
class Tabled(Protocol):
    """What has a table of its own, and a brief one for papers and notebooks."""

    def to_frame(self) -> pl.DataFrame:
        """Every number."""
        ...

    def brief_table(self) -> BriefTable:
        """What is said of it, and its first rows."""
        ...


class _Told(str):
    """Words that are printed as they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def brief(value: object) -> str:
    """A value in a few words: a tensor by its shape, many entries by their number, a long text by its start."""
    if isinstance(value, str):
        text = visible(value)
        return repr(text if len(text) <= WORDS else f"{text[: WORDS - 1]}…")
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = str(value.dtype).removeprefix("torch.")  # type: ignore[attr-defined] (of torch, numpy or polars)
        return f"{kind}[{', '.join(str(size) for size in value.shape)}]"  # type: ignore[attr-defined] (the same)
    if isinstance(value, dict):
        return f"<{len(value)}: {_first(value)}>"
    if isinstance(value, (tuple, list)):
        return _sequence(value)
    if isinstance(value, BaseModel):
        return f"<{type(value).__name__}>"
    text = repr(value)
    return text if len(text) <= WORDS or isinstance(value, ONE_VALUE) else f"<{type(value).__name__}>"


def _sequence(value: Sequence[Any]) -> str:
    if len(value) <= FEW and all(isinstance(each, (str, *ONE_VALUE)) for each in value):
        each_said = ", ".join(map(brief, value))
        if len(each_said) <= 2 * WORDS:
            return f"({each_said}{',' if len(value) == 1 else ''})"
    kinds = {type(each).__name__ for each in value}
    return f"<{len(value)} {kinds.pop() if len(kinds) == 1 else 'values'}>"


def _first(keys: Iterable[Any]) -> str:
    named = [visible(str(key)) for key in keys]
    return ", ".join([*named[:FEW], *(["…"] if len(named) > FEW else [])])


def brief_fields(document: BaseModel) -> Iterator[tuple[str, object]]:
    """For `__repr_args__`: what pydantic prints of a document."""
    return ((name, _Told(brief(value))) for name, value in document)


def brief_repr(record: Any) -> str:  # noqa: ANN401 (any dataclass)
    """For `__repr__` of a dataclass that holds tensors."""
    said = (f"{each.name}={brief(getattr(record, each.name))}" for each in fields(record) if each.repr)
    return f"{type(record).__name__}({', '.join(said)})"


def html_table(title: str, lines: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A title, lines of text and a table for a notebook, without styles or scripts; everything in it is text."""
    head = "".join(f"<th>{_shown(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows)
    said = "".join(f"<p>{_shown(line)}</p>" for line in lines)
    return f"<div><b>{_shown(title)}</b>{said}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _shown(text: str) -> str:
    return f"<bdi>{html.escape(visible(text))}</bdi>"
