"""The distribution behind the mean: cosines of matched atoms against those of the null."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import percent, rounded
from reseed.report.axes import base_layout, round_ticks, value_axis
from reseed.report.drawing import Drawing, Trace, scatter
from reseed.report.theme import colour
from reseed.report.words import RUNS_OF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.findings import ConditionFindings, Findings

__all__ = ["cosines"]

HEIGHT = 260  # pixels of the panel


def cosines(_: Findings, condition: ConditionFindings) -> Drawing:
    """Quantiles of the matched cosines: apart, born identical, at step 0 and of the null; without traces if none."""
    found = condition.cosines
    drawn = Drawing(base_layout(HEIGHT, alt=_alt(condition)))
    if found is None or not any((found.between, found.within, found.null)):
        return drawn
    null = f"null: {found.beyond_of}"
    for values, name, role, dash in (
        (found.null, null, "floor", "dash"),
        (found.born, "started apart, at step 0", "between", "dot"),
        (found.within, f"{RUNS_OF['within']}, at the end", "within", "solid"),
        (found.between, f"{RUNS_OF['between']}, at the end", "between", "solid"),
    ):
        if values:
            drawn.add_trace(_line(found.levels, values, name, role, dash))
    values = [value for each in (found.null, found.born, found.within, found.between) for value in each]
    low = min(0.0, *(value for value in values if math.isfinite(value))) - 0.02
    axis = {**value_axis(-0.01, 1.01, ticks=(0.0, 0.25, 0.5, 0.75, 1.0))}
    drawn.update_layout(
        xaxis={**axis, "title": {"text": "share of matched pairs below", "standoff": 6, "font": {"size": 11}}},
        yaxis=value_axis(low, 1.03, ticks=round_ticks(low, 1.03)),
        margin={"r": 12},
    )
    if math.isfinite(found.beyond):
        drawn.add_rule(
            "y",
            found.beyond,
            f"beyond the null from {rounded(found.beyond)}",
            line={"color": colour("floor"), "width": 1, "dash": "dash"},
            label={"font": {"size": 11}, "x": 0, "xanchor": "left", "yanchor": "bottom"},
        )
    return drawn


def _line(levels: Sequence[float], values: Sequence[float], name: str, role: str, dash: str) -> Trace:
    return scatter(
        x=list(levels),
        y=[value if math.isfinite(value) else None for value in values],
        name=name,
        mode="lines",
        line={"color": colour(role), "width": 1.75 if dash == "solid" else 1.25, "dash": dash},
        text=[
            f"{name}<br>{percent(level)} of the pairs below {rounded(value, 3)}"
            for level, value in zip(levels, values, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _alt(condition: ConditionFindings) -> str:
    found = condition.cosines
    lead = f"Cosines of matched atoms of {condition.name}"
    if found is None:
        return f"{lead}: there is nothing to draw."
    shares = [f"{rounded(each.value)} of the pairs above {limit}" for limit, each in found.shares.items()]
    beyond = f"the null's 99th percentile is {rounded(found.beyond)}" if math.isfinite(found.beyond) else ""
    return f"{lead}. {'; '.join([*shares, *([beyond] if beyond else [])]) or 'Quantiles only'}."
