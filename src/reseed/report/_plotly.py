"""The one place that imports plotly."""

from __future__ import annotations

from reseed.errors import MissingExtraError

try:
    from plotly import graph_objects as go
except ImportError as error:
    raise MissingExtraError("plotly", "report") from error

__all__ = ["go"]
