"""Where things go in a figure: the step axis, the agreement axis, labels beside the lines."""

from __future__ import annotations

import html
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from reseed._support.numbers import rounded
from reseed.report.theme import colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.findings import ConditionFindings

__all__ = ["agreement_range", "base_layout", "margin_labels", "position", "round_ticks", "step_axis", "value_axis"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
LABEL_WIDTH = 92  # pixels right of the panel for labels
MOST_TICKS = 7
LINE_HEIGHT = 15  # pixels between two labels


class Label(NamedTuple):
    """Words beside a panel, at the height of a value."""

    text: str
    value: float
    role: str


def position(step: SupportsFloat) -> float:
    """Where a step stands on the axis: logarithmic, with room for step 0."""
    return math.log10(1 + float(step))


def step_axis(steps: Sequence[int]) -> dict[str, Any]:
    """An axis from step 0 to the last, with ticks at 0 and the powers of ten."""
    last = steps[-1] if steps else 1
    powers = [10**e for e in range(len(str(last)))]
    ticks = [0, *powers]
    return {
        **_axis(),
        "range": [-0.06 * position(last), 1.03 * position(last)],
        "tickvals": [position(step) for step in ticks],
        "ticktext": [_short(step) for step in ticks],
        "title": {"text": "training step", "standoff": 6, "font": {"size": 11}},
    }


def value_axis(low: float, high: float, *, ticks: Sequence[float] | None = None) -> dict[str, Any]:
    """A vertical axis over [low, high]."""
    marked = {} if ticks is None else {"tickvals": list(ticks), "ticktext": [_bare(tick) for tick in ticks]}
    return {**_axis(), "range": [low, high], "nticks": 5, **marked}


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """At most about seven round numbers in [low, high], 0 among them where it is inside."""
    step = next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / step <= MOST_TICKS), 0.5)
    return tuple(round(i * step, 2) for i in range(math.ceil(low / step), math.floor(high / step) + 1))


def _axis() -> dict[str, Any]:
    return {
        "gridcolor": colour("rule"),
        "linecolor": colour("rule"),
        "tickcolor": colour("rule"),
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickfont": {"size": 11, "color": colour("muted")},
    }


def _bare(tick: float) -> str:
    """`.5`, `1`: no zeros that say nothing."""
    text = rounded(tick)
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def _short(step: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if step >= size:
            return f"{step // size}{unit}"
    return str(step)


def agreement_range(conditions: Iterable[ConditionFindings]) -> tuple[float, float]:
    """The range that holds the agreements, pairs and floors of all conditions: panels that share it compare by eye."""
    shown = [0.0]
    for condition in conditions:
        if found := condition.agreement:
            shown += [*found.within.curve.value, *found.between.curve.value, *(floor.value for floor in found.floors)]
        shown += [value for pair in condition.pairs for value in pair.agreement]
    return min(value for value in shown if not math.isnan(value)) - 0.02, 1.03


def base_layout(height: int, *, alt: str) -> dict[str, Any]:
    """What all figures share; `meta.alt` says in words what the figure shows, as plain text."""
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 38, "r": LABEL_WIDTH, "t": 10, "b": 44},
        "paper_bgcolor": colour("surface"),
        "plot_bgcolor": colour("surface"),
        "font": {"family": FONT, "size": 12, "color": colour("ink")},
        "hoverlabel": {
            "bgcolor": colour("raised"),
            "bordercolor": colour("rule"),
            "font": {"family": FONT, "size": 12, "color": colour("ink")},
            "align": "left",
        },
        "hovermode": "closest",
        "hoverdistance": 24,
        "legend": {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        "dragmode": False,
        "meta": {"alt": html.unescape(alt)},
    }


def margin_labels(labels: Iterable[Label], axis: Sequence[float], height: int) -> list[dict[str, Any]]:
    """Annotations right of a panel of `height` pixels, moved apart where they would overlap."""
    low, high = axis
    gap = (high - low) * LINE_HEIGHT / height
    known = sorted((label for label in labels if not math.isnan(label.value)), key=lambda label: -label.value)
    places = _apart([label.value for label in known], gap, low)
    return [
        {
            "text": label.text,
            "x": 1,
            "xref": "paper",
            "xanchor": "left",
            "xshift": 4,
            "y": place,
            "yref": "y",
            "yanchor": "middle",
            "showarrow": False,
            "font": {"size": 11, "color": colour(label.role)},
        }
        for label, place in zip(known, places, strict=True)
    ]


def _apart(values: Sequence[float], gap: float, low: float) -> list[float]:
    """Descending values, each at least `gap` below the one before, and all above `low` if there is room."""
    places = list(values)
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - gap)
    if places and places[-1] < low:
        places[-1] = low
    for below, above in pairwise(reversed(range(len(places)))):
        places[above] = max(places[above], places[below] + gap)
    return places
