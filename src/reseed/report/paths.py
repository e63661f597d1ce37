"""Figures along training: the trajectory, init memory and retention of one condition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from reseed._support.numbers import rounded
from reseed.report._plotly import go, layout
from reseed.report.axes import (
    Label,
    agreement_range,
    base_layout,
    margin_labels,
    position,
    round_ticks,
    step_axis,
    value_axis,
)
from reseed.report.lines import adjusted_words, band, extreme_pairs, floor_line, line, pair_lines, shown
from reseed.report.theme import colour
from reseed.report.words import FLOORS, steps, strictest_floor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.findings import ConditionFindings, Curve, Findings

__all__ = ["memory", "retention", "trajectory"]

HEIGHT = 300  # pixels of the main panels
LOWER = 240  # and of those for init memory
_EDGES = 54  # pixels above and below a panel, for its margins


class _Stroke(NamedTuple):
    """One curve of a figure of several."""

    curve: str
    role: str
    name: str
    letter: str = ""
    """Its label beside the panel; empty for a dotted curve without one."""


def trajectory(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """W and B with bands, pairs and floors; the panels of one study share their vertical axis."""
    span = agreement_range(findings.conditions)
    drawn = go.Figure(layout=base_layout(HEIGHT, alt=_trajectory_alt(condition)))
    for relation in ("between", "within"):
        curve = shown(condition, relation)
        if curve is not None:
            drawn.add_trace(band(curve, relation))
            drawn.add_trace(pair_lines(condition, relation))
    for floor in condition.floors:
        if math.isfinite(floor.value):
            strictest = floor.name == condition.strictest
            drawn.add_trace(floor_line(condition.steps, floor.name, floor.value, strictest=strictest))
    labels = []
    for relation, letter, name in (("within", "W", "W, born identical"), ("between", "B", "B, started apart")):
        curve = shown(condition, relation)
        if curve is not None:
            drawn.add_trace(line(curve, relation, name, more=_more(condition, relation)))
            labels.append(_end(letter, curve, relation, condition.curves.get(f"{relation} adjusted")))
    floor = strictest_floor(condition)
    if floor is not None:
        labels.append(Label(f"{FLOORS[floor.name]}: {rounded(floor.value)}", floor.value, "floor"))
    return _framed(drawn, condition, span, labels)


def memory(_: Findings, condition: ConditionFindings) -> go.Figure:
    """M(t) with its band and half-life; without traces where there is nothing to remember."""
    alt = _alt(f"Init memory of {condition.name} along training", condition, {"M": "memory"})
    drawn = go.Figure(layout=base_layout(LOWER, alt=alt))
    curve = shown(condition, "memory")
    if curve is None:
        return drawn
    drawn.add_trace(band(curve, "plain"))
    drawn.add_trace(line(curve, "plain", "init memory"))
    _framed(drawn, condition, _around(curve), [_end("M", curve, "plain")])
    if math.isfinite(condition.half_life):
        early = position(condition.half_life) < position(condition.steps[-1]) / 2
        drawn.add_vline(
            position(condition.half_life),
            line={"color": colour("floor"), "width": 1.25, "dash": "dash"},
            annotation={"text": f"half-life {steps(condition.half_life)}", "font": {"size": 11}},
            annotation_position="top right" if early else "top left",
        )
    return drawn


def retention(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """R, and beside W and B what retention alone would leave of them."""
    strokes = (
        _Stroke("within", "within", "W, born identical", "W"),
        _Stroke("explained within", "within", "W explained by retention"),
        _Stroke("between", "between", "B, started apart", "B"),
        _Stroke("explained between", "between", "B explained by retention"),
        _Stroke("retention", "plain", "retention R", "R"),
    )
    lead = f"Init retention of {condition.name} along training, beside the agreement"
    drawn = go.Figure(
        layout=base_layout(HEIGHT, alt=_alt(lead, condition, {each.name: each.curve for each in strokes}))
    )
    labels = []
    for stroke in strokes:
        curve = shown(condition, stroke.curve)
        if curve is not None:
            pen = {"color": colour(stroke.role), "width": 1.75, "dash": "solid" if stroke.letter else "dot"}
            mode = "lines+markers" if stroke.curve == "retention" else "lines"
            drawn.add_trace(line(curve, stroke.role, stroke.name, line=pen, mode=mode))
            if stroke.letter:
                labels.append(_end(stroke.letter, curve, stroke.role))
    return _framed(drawn, condition, agreement_range(findings.conditions), labels)


def _framed(
    drawn: go.Figure, condition: ConditionFindings, span: tuple[float, float], labels: list[Label]
) -> go.Figure:
    drawn.update_layout(
        xaxis=step_axis(condition.steps),
        yaxis=value_axis(*span, ticks=round_ticks(*span)),
        annotations=margin_labels(labels, span, layout(drawn).height - _EDGES),
    )
    return drawn


def _end(letter: str, curve: Curve, role: str, adjusted: Curve | None = None) -> Label:
    """The last value, and in brackets what it is floor-adjusted."""
    aside = "" if adjusted is None else f" ({rounded(adjusted.value[-1])})"
    return Label(f"<b>{letter}</b> {rounded(curve.value[-1])}{aside}", curve.value[-1], role)


def _more(condition: ConditionFindings, relation: str) -> list[str]:
    """What hovering over W and B adds at every step: the floor-adjusted value, and which pairs are the extremes."""
    parts = [part for part in (adjusted_words(condition, relation), extreme_pairs(condition, relation)) if part]
    return ["<br>".join(said) for said in zip(*parts, strict=True)]


def _around(curve: Curve) -> tuple[float, float]:
    """[0, 1], and beyond it as far as the curve goes."""
    finite = [value for value in curve.value if math.isfinite(value)]
    return min(0.0, *finite) - 0.06, max(1.0, *finite) + 0.12


def _trajectory_alt(condition: ConditionFindings) -> str:
    named = {"W, runs born identical": "within", "B, runs that started apart": "between"}
    alt = _alt(f"Matched agreement of {condition.name} along training", condition, named)
    floor = strictest_floor(condition)
    return f"{alt} The strictest floor, {FLOORS[floor.name]}, is {rounded(floor.value)}." if floor else alt


def _alt(lead: str, condition: ConditionFindings, named: Mapping[str, str]) -> str:
    """The figure in words: where each curve begins and ends."""
    curves = {name: shown(condition, curve) for name, curve in named.items()}
    said = [_from_to(name, curve) for name, curve in curves.items() if curve is not None]
    return f"{lead}. {'; '.join(said)}." if said else f"{lead}: there is nothing to draw."


def _from_to(name: str, curve: Curve) -> str:
    first, last = rounded(curve.value[0]), rounded(curve.value[-1])
    return f"{name}: {first} at step {curve.steps[0]:,}, {last} at step {curve.steps[-1]:,}"
