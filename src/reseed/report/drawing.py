"""Figures as plain data, as plotly.js reads them: a page of thousands is written in seconds.

plotly itself is asked only for the figures that somebody holds in their hands (`reseed.figure`), where it checks every
property; that takes a hundred times as long as to write them down.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, TypeVar

from reseed._support.visible import rewritten, visible
from reseed.report.theme import colour

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Drawing", "Trace", "bars", "grid", "literal", "scatter"]

Trace = dict[str, Any]
T = TypeVar("T")


class Drawing:
    """The traces and the layout of one figure."""

    def __init__(self, layout: dict[str, Any], *, columns: int = 1) -> None:
        """Empty, with a layout; in rows of `columns` panels where `grid` made it."""
        self.data: list[Trace] = []
        self.layout: dict[str, Any] = dict(layout)
        self._columns = columns

    def add_trace(self, trace: Trace, *, row: int = 1, col: int = 1) -> None:
        """One trace more, in a panel."""
        number = self._number(row, col)
        self.data.append(trace if number == 1 else {**trace, "xaxis": f"x{number}", "yaxis": f"y{number}"})

    def update_layout(self, **changes: Any) -> Drawing:  # noqa: ANN401 (plotly's own options)
        """Change the layout; what a nested option does not name stays as it is."""
        self.layout = _merged(self.layout, changes)
        return self

    def update_axis(self, letter: str, axis: dict[str, Any], *, row: int = 1, col: int = 1) -> None:
        """Change the axis `x` or `y` of a panel; None takes an option away."""
        number = self._number(row, col)
        self.update_layout(**{f"{letter}axis{number if number > 1 else ''}": axis})

    def add_rule(self, letter: str, at: float, said: str, *, line: dict[str, Any], label: dict[str, Any]) -> None:
        """A line across the panel at a value of `x` or `y`, with words at its end."""
        other = "y" if letter == "x" else "x"
        ends = {f"{letter}0": at, f"{letter}1": at, f"{other}0": 0, f"{other}1": 1, f"{other}ref": f"{other} domain"}
        shape = {"type": "line", **ends, f"{letter}ref": letter, "line": line}
        words = {"text": said, letter: at, f"{letter}ref": letter, f"{other}ref": f"{other} domain", "showarrow": False}
        self.layout["shapes"] = [*self.layout.get("shapes", ()), shape]
        self.layout["annotations"] = [*self.layout.get("annotations", ()), {**words, **label}]

    def to_dict(self) -> dict[str, Any]:
        """As plotly reads it."""
        return {"data": self.data, "layout": self.layout}

    def to_json(self) -> str:
        """As plotly.js reads it."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False, ensure_ascii=False)

    def _number(self, row: int, col: int) -> int:
        return (row - 1) * self._columns + col


def scatter(**options: Any) -> Trace:  # noqa: ANN401 (plotly's own options)
    """Lines and markers."""
    return {"type": "scatter", **options}


def bars(**options: Any) -> Trace:  # noqa: ANN401 (plotly's own options)
    """Bars."""
    return {"type": "bar", **options}


def grid(
    layout: dict[str, Any], titles: Sequence[str], *, columns: int, rows: int, gaps: tuple[float, float]
) -> Drawing:
    """Panels in rows with titles above them; `gaps` between columns and rows, in shares of width and height."""
    drawn = Drawing(layout, columns=columns)
    width, height = ((1 - gap * (n - 1)) / n for gap, n in zip(gaps, (columns, rows), strict=True))
    annotations = []
    for i in range(rows * columns):
        row, column = divmod(i, columns)
        left, top = column * (width + gaps[0]), 1 - row * (height + gaps[1])
        suffix = str(i + 1) if i else ""
        drawn.layout[f"xaxis{suffix}"] = {"anchor": f"y{suffix}", "domain": [left, left + width]}
        drawn.layout[f"yaxis{suffix}"] = {"anchor": f"x{suffix}", "domain": [max(0.0, top - height), top]}
        if i < len(titles):
            annotations.append(_panel_title(titles[i], left + width / 2, top))
    drawn.layout["annotations"] = annotations
    return drawn


def _panel_title(text: str, x: float, y: float) -> dict[str, Any]:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom", "yshift": 1}
    return {"text": text, **place, "showarrow": False, "font": {"size": 11, "color": colour("muted")}}


def literal(document: T) -> T:
    """A document whose words a figure shows as they are: plotly reads tags, links and entities in text."""
    return rewritten(document, lambda text: html.escape(visible(text), quote=False))


def _merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in changes.items():
        if value is None:
            both.pop(key, None)
        elif isinstance(value, dict) and isinstance(both.get(key), dict):
            both[key] = _merged(both[key], value)
        elif isinstance(value, dict):
            both[key] = _merged({}, value)
        else:
            both[key] = value
    return both
