"""Agreement against R²: arms that fit differently are read at the same fit."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.report.axes import agreement_range, base_layout, round_ticks, value_axis
from reseed.report.drawing import Drawing, scatter
from reseed.report.lines import RELATIONS, SYMBOLS, curves_of, shown
from reseed.report.theme import colour

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Curve, Findings, Relation

__all__ = ["against_fit"]

HEIGHT = 260
MOST_OTHERS = 12  # arms beside the one
R2 = (-0.03, 1.03)  # the axis; a start below 0 lies left of the panel


def against_fit(findings: Findings, condition: ConditionFindings) -> Drawing:
    """W and B of one condition over its R², and B of the first other arms under the same preprocessing, thin."""
    drawn = Drawing(base_layout(HEIGHT, alt=_alt(condition)))
    fit = shown(condition.metrics.get("r2"))
    if fit is None:
        return drawn
    others = (each for each in findings.conditions if each.preprocess == condition.preprocess)
    for other in islice((each for each in others if each.name != condition.name), MOST_OTHERS):
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


def _add(drawn: Drawing, condition: ConditionFindings, relation: Relation, role: str, name: str) -> None:
    curve, fit = curves_of(condition.agreement).get(relation), shown(condition.metrics.get("r2"))
    if curve is None or fit is None:
        return
    others = role == "run"
    drawn.add_trace(
        scatter(
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
