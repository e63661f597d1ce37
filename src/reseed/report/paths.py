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
from reseed.report.called import floor_title
from reseed.report.lines import (
    RELATIONS,
    adjusted_words,
    band,
    curves_of,
    extreme_pairs,
    floor_line,
    line,
    pair_lines,
    shown,
)
from reseed.report.theme import colour
from reseed.report.words import defined_floors, steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.findings import ConditionFindings, Curve, Findings, MeasureFindings, Relation

__all__ = ["memory", "retention", "trajectory"]

HEIGHT = 300  # pixels of the main panels
LOWER = 240  # and of those for init memory
LETTERS: dict[Relation, str] = {"within": "W", "between": "B"}
NAMED = {relation: f"{letter}, {RELATIONS[relation]}" for relation, letter in LETTERS.items()}
_EDGES = 54  # pixels above and below a panel, for its margins


class _Stroke(NamedTuple):
    """One curve of a figure of several."""

    curve: Curve | None
    """None where there is nothing to draw."""
    role: str
    name: str
    letter: str = ""
    """Its label beside the panel; empty for a dotted curve without one."""


def trajectory(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """W and B with bands, pairs and floors; the panels of one study share their vertical axis."""
    drawn = go.Figure(layout=base_layout(HEIGHT, alt=_trajectory_alt(condition)))
    labels = _add_agreement(drawn, condition, condition.agreement) if condition.agreement else []
    return _framed(drawn, condition, agreement_range(findings.conditions), labels)


def _add_agreement(drawn: go.Figure, condition: ConditionFindings, found: MeasureFindings) -> list[Label]:
    """Bands and pairs first, then floors, then the curves above them; returns what stands beside their ends."""
    curves = curves_of(found)
    for relation, curve in reversed(curves.items()):
        drawn.add_trace(band(curve, relation))
        drawn.add_trace(pair_lines(condition, relation))
    for floor in defined_floors(found):
        drawn.add_trace(floor_line(condition.steps, floor, strictest=floor.name == found.strictest))
    labels = []
    for relation, curve in curves.items():
        adjusted = found.pairs(relation).adjusted_curve
        more = _more(adjusted_words(adjusted), extreme_pairs(condition, relation))
        drawn.add_trace(line(curve, relation, NAMED[relation], more=more))
        labels.append(_end(LETTERS[relation], curve, relation, adjusted))
    if found.floor:
        labels.append(Label(f"{floor_title(found.floor)}: {rounded(found.floor.value)}", found.floor.value, "floor"))
    return labels


def memory(_: Findings, condition: ConditionFindings) -> go.Figure:
    """M(t) with its band and half-life; without traces where there is nothing to remember."""
    alt = _alt(f"Init memory of {condition.name} along training", {"M": condition.memory})
    drawn = go.Figure(layout=base_layout(LOWER, alt=alt))
    curve = shown(condition.memory)
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
    strokes = _retention_strokes(condition)
    lead = f"Init retention of {condition.name} along training, beside the agreement"
    drawn = go.Figure(layout=base_layout(HEIGHT, alt=_alt(lead, {each.name: each.curve for each in strokes})))
    labels = []
    for stroke in strokes:
        if stroke.curve is not None:
            pen = {"color": colour(stroke.role), "width": 1.75, "dash": "solid" if stroke.letter else "dot"}
            mode = "lines+markers" if stroke.role == "plain" else "lines"
            drawn.add_trace(line(stroke.curve, stroke.role, stroke.name, line=pen, mode=mode))
            if stroke.letter:
                labels.append(_end(stroke.letter, stroke.curve, stroke.role))
    return _framed(drawn, condition, agreement_range(findings.conditions), labels)


def _retention_strokes(condition: ConditionFindings) -> list[_Stroke]:
    """W and B, what retention explains of each, and retention itself."""
    agreed = curves_of(condition.agreement)
    explained = curves_of(condition.measures.get("explained"))
    strokes: list[_Stroke] = []
    for relation, letter in LETTERS.items():
        strokes += [
            _Stroke(agreed.get(relation), relation, NAMED[relation], letter),
            _Stroke(explained.get(relation), relation, f"{letter} explained by retention"),
        ]
    return [*strokes, _Stroke(shown(condition.metrics.get("retention")), "plain", "retention R", "R")]


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


def _more(*parts: list[str]) -> list[str]:
    """What hovering adds at every step, of the parts that there are."""
    return ["<br>".join(said) for said in zip(*filter(None, parts), strict=True)]


def _around(curve: Curve) -> tuple[float, float]:
    """[0, 1], and beyond it as far as the curve goes."""
    finite = [value for value in curve.value if math.isfinite(value)]
    return min(0.0, *finite) - 0.06, max(1.0, *finite) + 0.12


def _trajectory_alt(condition: ConditionFindings) -> str:
    curves, floor = curves_of(condition.agreement), condition.agreement.floor if condition.agreement else None
    named = {"W, runs born identical": curves.get("within"), "B, runs that started apart": curves.get("between")}
    alt = _alt(f"Matched agreement of {condition.name} along training", named)
    return f"{alt} The strictest floor, {floor_title(floor)}, is {rounded(floor.value)}." if floor else alt


def _alt(lead: str, named: Mapping[str, Curve | None]) -> str:
    """The figure in words: where each curve begins and ends."""
    said = [_from_to(name, found) for name, curve in named.items() if (found := shown(curve)) is not None]
    return f"{lead}. {'; '.join(said)}." if said else f"{lead}: there is nothing to draw."


def _from_to(name: str, curve: Curve) -> str:
    first, last = rounded(curve.value[0]), rounded(curve.value[-1])
    return f"{name}: {first} at step {curve.steps[0]:,}, {last} at step {curve.steps[-1]:,}"
