"""The one place that imports plotly."""

from __future__ import annotations

from typing import Any

from reseed.errors import MissingExtraError

try:
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots
except ImportError as error:
    raise MissingExtraError("plotly", "report") from error

__all__ = ["go", "layout", "make_subplots"]


def layout(drawn: go.Figure) -> Any:  # noqa: ANN401 (plotly makes a layout's attributes as it runs)
    """A figure's layout."""
    return drawn.layout
