"""The one place that imports plotly."""

from __future__ import annotations

import html
from typing import Any, TypeVar

from reseed._support.visible import rewritten, visible
from reseed.errors import MissingExtraError

try:
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots
except ImportError as error:
    raise MissingExtraError("plotly", "report") from error

__all__ = ["go", "layout", "literal", "make_subplots"]

T = TypeVar("T")


def literal(document: T) -> T:
    """A document whose words a figure shows as they are: plotly reads tags, links and entities in text."""
    return rewritten(document, lambda text: html.escape(visible(text), quote=False))


def layout(drawn: go.Figure) -> Any:  # noqa: ANN401 (plotly makes a layout's attributes as it runs)
    """A figure's layout."""
    return drawn.layout
