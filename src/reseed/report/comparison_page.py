"""A comparison of dictionaries as one HTML file that opens offline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.files import write_text
from reseed._support.numbers import percent, rounded
from reseed._support.visible import visible_document
from reseed.report import comparison_steps, comparison_words
from reseed.report.axes import base_layout, round_ticks, value_axis
from reseed.report.drawing import Drawing, literal, scatter
from reseed.report.html import rendered
from reseed.report.theme import colour

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.comparison.document import DictionaryComparison
    from reseed.report.drawing import Trace

__all__ = ["page", "quantiles", "write_html"]

_HEIGHT = 320  # pixels of the figure


def write_html(found: DictionaryComparison, path: Path) -> Path:
    """Write the page to `path`; the same comparison gives the same bytes.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    write_text(path, page(found))
    return path


def page(found: DictionaryComparison) -> str:
    """The comparison as one HTML document."""
    found = visible_document(found)
    drawn = literal(found)
    along = {comparison_steps.plot_name(i): comparison_steps.drawing(of) for i, of in enumerate(drawn.trajectories)}
    return rendered(
        "comparison_page.html.j2",
        {"quantiles": quantiles(drawn), **along},
        found=found,
        told=comparison_words,
        stepwise=comparison_steps,
        title=comparison_words.name(found),
        version=found.reseed,
    )


def quantiles(found: DictionaryComparison) -> Drawing:
    """Cosines of matched atoms of every pair, in order: pairs of one recipe, of different ones, and the nulls."""
    drawn = Drawing(base_layout(_HEIGHT, alt=_alt(found)))
    short = comparison_words.called(found)
    for values in dict.fromkeys(pair.null_quantiles for pair in found.pairs):
        drawn.add_trace(_line(found.levels, values, "null", "floor", "dash"))
    for called, pair in zip(short, found.pairs, strict=True):
        role = "between" if pair.same_recipe else "within"
        drawn.add_trace(_line(found.levels, pair.quantiles, called, role, "solid"))
    every = [value for pair in found.pairs for value in (*pair.quantiles, *pair.null_quantiles)]
    low = min(0.0, *(value for value in every if math.isfinite(value))) - 0.02
    axis = value_axis(-0.01, 1.01, ticks=(0.0, 0.25, 0.5, 0.75, 1.0))
    return drawn.update_layout(
        xaxis={**axis, "title": {"text": "share of matched pairs below", "standoff": 6, "font": {"size": 11}}},
        yaxis=value_axis(low, 1.03, ticks=round_ticks(low, 1.03)),
        margin={"r": 12},
    )


def _line(levels: Sequence[float], values: Sequence[float], name: str, role: str, dash: str) -> Trace:
    return scatter(
        x=list(levels),
        y=[value if math.isfinite(value) else None for value in values],
        name=name,
        mode="lines",
        line={"color": colour(role), "width": 1.5, "dash": dash},
        text=[
            f"{name}<br>{percent(level)} of the pairs below {rounded(value, 3)}"
            for level, value in zip(levels, values, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _alt(found: DictionaryComparison) -> str:
    medians = [
        f"{called} median {rounded(pair.quantiles[found.levels.index(0.5)])}"
        for called, pair in zip(comparison_words.called(found), found.pairs, strict=True)
    ]
    return f"Cosines of matched atoms in order, and those of the null. {'; '.join(medians)}."
