"""Agreement against R²: arms that fit differently are read at the same fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.report._plotly import go
from reseed.report.axes import agreement_range, base_layout, round_ticks, value_axis
from reseed.report.lines import RELATIONS, SYMBOLS, curves_of, shown
from reseed.report.theme import colour

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Curve, Findings, Relation

__all__ = ["against_fit"]

HEIGHT = 260
R2 = (-0.03, 1.03)  # the axis; a start below 0 lies left of the panel


def against_fit(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """W and B of one condition over its R², and B of the other arms under the same preprocessing as thin lines."""
    drawn = go.Figure(layout=base_layout(HEIGHT, alt=_alt(condition)))
    fit = shown(condition.metrics.get("r2"))
    if fit is None:
        return drawn
    for other in findings.conditions:
        if other.preprocess == condition.preprocess and other.name != condition.name:
            _add(drawn, other, "between", "run", f"{other.arm}, started apart")
    for relation, said in RELATIONS.items():
        _add(drawn, condition, relation, relation, f"{condition.arm}, {said}")
    span = agreement_range(findings.conditions)
    title = {"title": {"text": "held-out R²", "standoff": 6, "font": {"size": 11}}}
    return drawn.update_layout(
        xaxis={**value_axis(*R2, ticks=(0.0, 0.25, 0.5, 0.75, 1.0)), **title},
        yaxis=value_axis(*span, ticks=round_ticks(*span)),
        margin={"r": 12},
    )


def _add(drawn: go.Figure, condition: ConditionFindings, relation: Relation, role: str, name: str) -> None:
    curve, fit = curves_of(condition.agreement).get(relation), shown(condition.metrics.get("r2"))
    if curve is None or fit is None:
        return
    others = role == "run"
    drawn.add_trace(
        go.Scatter(
            x=[value if math.isfinite(value) else None for value in fit.value],
            y=[value if math.isfinite(value) else None for value in curve.value],
            name=name,
            mode="lines" if others else "lines+markers",
            line={"color": colour(role), "width": 1 if others else 2.25},
            marker={"symbol": SYMBOLS.get(role, "circle"), "size": 5, "color": colour(role)},
            text=_said(name, curve, fit),
            hovertemplate="%{text}<extra></extra>",
            showlegend=not others,
        )
    )


def _said(name: str, curve: Curve, fit: Curve) -> list[str]:
    return [
        f"{name}<br>step {step:,}: {rounded(value, 3)} at R² {rounded(r2, 3)}"
        for step, value, r2 in zip(curve.steps, curve.value, fit.value, strict=True)
    ]


def _alt(condition: ConditionFindings) -> str:
    lead = f"Agreement of {condition.name} against held-out R²"
    fit = shown(condition.metrics.get("r2"))
    curves = curves_of(condition.agreement)
    ends = [f"{RELATIONS[relation]} {rounded(curve.value[-1])}" for relation, curve in curves.items()]
    if fit is None or not ends:
        return f"{lead}: there is nothing to draw."
    return f"{lead}. At the last R², {rounded(fit.value[-1])}: {', '.join(ends)}."
