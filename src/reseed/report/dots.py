"""Nulls and references before anything is trained: a row for each, a dot for each preprocessing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import rounded
from reseed.report.axes import base_layout, round_ticks, value_axis
from reseed.report.drawing import Drawing, Trace, scatter
from reseed.report.geometry_words import called, estimated, floor_rows
from reseed.report.theme import colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.geometry.document import Geometry, ViewGeometry

__all__ = ["worth"]

ROW = 36  # pixels per row: a line of words and a line of dots
SYMBOLS = {
    "none": "circle",
    "centre": "square",
    "centre-scale": "triangle-up",
    "unit-norm": "triangle-down",
    "standardise": "diamond",
    "whiten": "cross",
}
_DOTS, _WORDS = -0.18, 0.24  # above the middle of a row


def worth(geometry: Geometry) -> Drawing:
    """Nulls and references of every preprocessing with their spread; the agreement of two dictionaries as a line."""
    views = geometry.views
    names = list(floor_rows(views))
    drawn = Drawing(base_layout(ROW * max(1, len(names)) + 92, alt=_alt(geometry)))
    if not views:
        return drawn
    for view in views:
        drawn.add_trace(_dots(view))
    low = min(0.0, *(floor.value for view in views for floor in view.floors if math.isfinite(floor.value)))
    axis = value_axis(low - 0.02, 1.02, ticks=round_ticks(low, 1.0))
    drawn.update_layout(
        margin={"l": 12, "r": 14, "t": 40, "b": 44},
        xaxis={**axis, "title": {"text": "matched agreement of nulls and references", "font": {"size": 11}}},
        yaxis={"range": [-len(names) + 0.5, 0.5], "visible": False, "fixedrange": True},
        annotations=[_label(name, row) for row, name in enumerate(names)],
        shapes=[*(_reach(views, row) for row in range(len(names))), *_agreed(geometry)],
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    )
    return drawn


def _dots(view: ViewGeometry) -> Trace:
    return scatter(
        x=[floor.value if math.isfinite(floor.value) else None for floor in view.floors],
        y=[_DOTS - row for row in range(len(view.floors))],
        mode="markers",
        name=view.preprocess,
        marker={"color": colour(f"seen-{view.preprocess}"), "symbol": SYMBOLS[view.preprocess], "size": 10},
        error_x={
            "type": "data",
            "array": [floor.spread if math.isfinite(floor.spread) else 0.0 for floor in view.floors],
            "color": colour(f"seen-{view.preprocess}"),
            "thickness": 1.25,
            "width": 3,
        },
        hovertext=[
            f"{called(floor)}, {view.preprocess}: {estimated(floor)}<br>{floor.policy}" for floor in view.floors
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=True,
    )


def _label(name: str, row: int) -> dict[str, Any]:
    return {
        "text": name,
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": _WORDS - row,
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 11.5, "color": colour("ink")},
        "bgcolor": colour("surface"),
    }


def _reach(views: Sequence[ViewGeometry], row: int) -> dict[str, Any]:
    """A thin line from the lowest dot of a row to the highest."""
    values = [view.floors[row].value for view in views if math.isfinite(view.floors[row].value)]
    ends = {"x0": min(values, default=0.0), "x1": max(values, default=0.0)}
    line = {"color": colour("rule"), "width": 2}
    return {"type": "line", **ends, "y0": _DOTS - row, "y1": _DOTS - row, "line": line, "layer": "below"}


def _agreed(geometry: Geometry) -> list[dict[str, Any]]:
    """A dashed line at the agreement of the two dictionaries."""
    if geometry.pair is None:
        return []
    at = geometry.pair.agreement
    line = {"color": colour("floor"), "width": 1.75, "dash": "dash"}
    label = {
        "text": f"A {rounded(at)}",
        "textposition": "end",
        "textangle": 0,
        "font": {"size": 11, "color": colour("ink")},
    }
    return [{"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line, "label": label}]


def _alt(geometry: Geometry) -> str:
    names = [view.preprocess for view in geometry.views]
    rows = [
        f"{floor}: {', '.join(f'{name} {value}' for name, value in zip(names, cells, strict=True))}"
        for floor, cells in floor_rows(geometry.views).items()
    ]
    return f"Matched agreement of nulls and references. {'; '.join(rows) or 'There are no activations'}."
