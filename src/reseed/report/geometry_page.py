"""A geometry as one HTML file that opens offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.files import write_text
from reseed._support.visible import visible_document
from reseed.report import geometry_words
from reseed.report.dots import worth
from reseed.report.drawing import literal
from reseed.report.html import rendered

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.geometry.document import Geometry

__all__ = ["page", "write_html"]


def write_html(geometry: Geometry, path: Path) -> Path:
    """Write the page to `path`; the same geometry gives the same bytes.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    write_text(path, page(geometry))
    return path


def page(geometry: Geometry) -> str:
    """The geometry as one HTML document."""
    geometry = visible_document(geometry)
    return rendered(
        "geometry_page.html.j2",
        {"worth": worth(literal(geometry))} if geometry.views else {},
        geometry=geometry,
        told=geometry_words,
        title=geometry_words.name(geometry),
        version=geometry.reseed,
    )
