"""The features of some runs as one HTML file that opens offline: to search, sort and browse them.

Numbers of all atoms are columns of bytes, gzip in base64, which the page inflates once; those along training when the
first feature is shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from reseed._support.files import write_text
from reseed._support.visible import visible_document, visible_lines
from reseed.report import features_words, theme
from reseed.report.environment import environment
from reseed.report.packing import json_in_script, packed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.reappearance.browsable import Browsable, Column, Columns

__all__ = ["page", "write_explorer"]


class _Packed(NamedTuple):
    """One recipe in the page."""

    about: str
    numbers: str
    along: str


def write_explorer(shown: Browsable, path: Path) -> Path:
    """Write the page of all features to `path`; the same features give the same bytes.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    write_text(path, page(shown))
    return path


def page(shown: Browsable) -> str:
    """The page of all features as one HTML document."""
    document = visible_document(shown.document)
    heldout = {"texts": list(map(visible_lines, shown.texts)), "windows": shown.windows}
    return (
        environment()
        .get_template("explorer.html.j2")
        .render(
            found=document,
            told=features_words,
            title=features_words.title(document),
            version=document.reseed,
            light=theme.css("light"),
            dark=theme.css("dark"),
            packed=[_packed(each) for each in shown.recipes],
            texts=packed(json.dumps(heldout, separators=(",", ":")).encode()),
        )
    )


def _packed(recipe: Columns) -> _Packed:
    """Its columns as bytes, one after the other, and where each of them is."""
    about = {**recipe.about, "numbers": _places(recipe.numbers), "along": _places(recipe.along)}
    content = (b"".join(column.content for column in part) for part in (recipe.numbers, recipe.along))
    return _Packed(json_in_script(visible_document(about)), *map(packed, content))


def _places(columns: Sequence[Column]) -> list[dict[str, object]]:
    """Of each column its name, its type, how many entries an atom has in it, and where it begins."""
    places: list[dict[str, object]] = []
    at = 0
    for column in columns:
        places.append({"name": column.name, "type": column.type, "entries": column.entries, "at": at})
        at += len(column.content)
    return places
