"""Attribution: the gap between two arms, and what of it was born and what earned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reseed.report.axes import base_layout, round_ticks, value_axis
from reseed.report.drawing import Drawing, Trace, bars
from reseed.report.theme import colour
from reseed.report.words import estimated, versus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.findings import Comparison

__all__ = ["attribution"]

PARTS = {
    "gap": "gap at the end",
    "born": "born: there at step 0",
    "earned": "earned in training",
    "gain_difference": "tested: gains between independent starts",
}
ROLES = {"gain_difference": "tested"}  # colours that are not called like their part
ROW = 100  # pixels per comparison: a line of words and four bars
_BAR = 0.17
_SHIFT = {"gap": 0.18, "born": 0.0, "earned": -0.18, "gain_difference": -0.36}  # of each bar from the middle of its row


def attribution(comparisons: Sequence[Comparison]) -> Drawing:
    """Bars with intervals per comparison: gap = born + earned, and what is tested; without traces where none is."""
    drawn = Drawing(base_layout(ROW * max(1, len(comparisons)) + 60, alt=_alt(comparisons)))
    if not comparisons:
        return drawn
    for part, name in PARTS.items():
        drawn.add_trace(_bars(comparisons, part, name))
    span = _span(comparisons)
    axis = value_axis(*span, ticks=round_ticks(*span))
    drawn.update_layout(
        barmode="overlay",
        bargap=0,
        margin={"l": 10, "r": 12, "t": 6, "b": 44},
        xaxis={
            **axis,
            "zeroline": True,
            "zerolinecolor": colour("floor"),
            "title": {"text": "difference in agreement", "font": {"size": 11}},
        },
        yaxis={"range": [-len(comparisons) + 0.45, 0.55], "visible": False, "fixedrange": True},
        annotations=[_label(comparison, row) for row, comparison in enumerate(comparisons)],
    )
    return drawn


def _bars(comparisons: Sequence[Comparison], part: str, name: str) -> Trace:
    found = [getattr(comparison, part) for comparison in comparisons]
    return bars(
        x=[_or_none(each.value) for each in found],
        y=[_SHIFT[part] - row for row in range(len(found))],
        width=_BAR,
        orientation="h",
        name=name,
        marker={"color": colour(ROLES.get(part, part))},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_or_zero(each.high - each.value) for each in found],
            "arrayminus": [_or_zero(each.value - each.low) for each in found],
            "color": colour("ink"),
            "thickness": 1.25,
            "width": 3,
        },
        hovertext=[
            f"{versus(comparison)}<br>{name}: {estimated(each, sign=True)}"
            for comparison, each in zip(comparisons, found, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _label(comparison: Comparison, row: int) -> dict[str, Any]:
    return {
        "text": f"<b>{versus(comparison)}</b>  {comparison.outcome}",
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": 0.4 - row,
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 11.5, "color": colour("ink")},
        "bgcolor": colour("surface"),
    }


def _span(comparisons: Sequence[Comparison]) -> tuple[float, float]:
    """As far as values and intervals go, with 0 in sight."""
    parts = [getattr(comparison, part) for comparison in comparisons for part in PARTS]
    ends = [end for part in parts for end in (part.value, part.low, part.high) if math.isfinite(end)]
    low, high = min(0.0, *ends, -0.02), max(0.0, *ends, 0.02)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _alt(comparisons: Sequence[Comparison]) -> str:
    said = [
        f"{versus(each)}: gap {estimated(each.gap, sign=True)}, born {estimated(each.born, sign=True)}, "
        f"earned {estimated(each.earned, sign=True)}, gains of independent starts differ by "
        f"{estimated(each.gain_difference, sign=True)}: {each.outcome}"
        for each in comparisons
    ]
    return f"Gaps between arms, split into born and earned. {'; '.join(said) or 'There are no two arms to compare'}."


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0
