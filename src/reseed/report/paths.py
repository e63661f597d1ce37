"""Figures along training: the trajectory, init memory and retention of one condition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from reseed._support.numbers import rounded, steps
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
from reseed.report.drawing import Drawing, Trace, scatter
from reseed.report.lines import (
    RELATIONS,
    band,
    curves_of,
    extreme_pairs,
    floor_line,
    line,
    pair_lines,
    ratio_words,
    shown,
)
from reseed.report.theme import colour
from reseed.report.words import estimated, nulls_and_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reseed.findings import ConditionFindings, Curve, Findings, MeasureFindings, Relation, Surrogate

__all__ = ["memory", "retention", "trajectory"]

HEIGHT = 300  # pixels of the main panels
LOWER = 240  # and of those for init memory
SMALL_MARGIN = {"l": 30, "r": 36, "t": 8, "b": 24}
ENDS: dict[Relation, str] = {"within": "identical", "between": "apart"}
"""What stands beside the end of a curve: how the runs of its pairs were born."""


class _Stroke(NamedTuple):
    """One curve of a figure of several."""

    curve: Curve | None
    """None where there is nothing to draw."""
    role: str
    name: str
    end: str = ""
    """Its label beside the panel; empty for a dotted curve without one."""


def trajectory(
    findings: Findings, condition: ConditionFindings, *, height: int = HEIGHT, small: bool = False
) -> Drawing:
    """W and B with bands, pairs, nulls and references; the panels of one study share their vertical axis.

    Beside the curves of a small one stand their numbers alone: what is which, the legend of all says.
    """
    drawn = Drawing(base_layout(height, alt=_trajectory_alt(condition)))
    labels = _add_agreement(drawn, condition, condition.agreement) if condition.agreement else []
    if not small:
        return _framed(drawn, condition, agreement_range(findings.conditions), labels)
    drawn.update_layout(margin=SMALL_MARGIN)
    numbers = [each._replace(text=f"<b>{rounded(each.value)}</b>") for each in labels]
    framed = _framed(drawn, condition, agreement_range(findings.conditions), numbers)
    return framed.update_layout(xaxis={"title": None})


def _add_agreement(drawn: Drawing, condition: ConditionFindings, found: MeasureFindings) -> list[Label]:
    """Bands and pairs, nulls and references, then the curves above them; returns what stands beside their ends."""
    curves = curves_of(found)
    for relation, curve in reversed(curves.items()):
        drawn.add_trace(band(curve, relation))
        drawn.add_trace(pair_lines(condition, relation))
    for floor in nulls_and_references(found):
        drawn.add_trace(floor_line(condition.steps, floor, strictest=floor.name == found.strictest))
    if condition.surrogate is not None:
        drawn.add_trace(_surrogate(condition.surrogate, condition.steps))
    labels = []
    for relation, curve in curves.items():
        more = _more(ratio_words(found.pairs(relation).adjusted_curve), extreme_pairs(condition, relation))
        drawn.add_trace(line(curve, relation, RELATIONS[relation], more=more))
        labels.append(_end(ENDS[relation], curve, relation))
    if found.floor:
        labels.append(Label(f"{floor_title(found.floor)}: {rounded(found.floor.value)}", found.floor.value, "floor"))
    return labels


def _surrogate(found: Surrogate, steps_seen: Sequence[int]) -> Trace:
    """Where the same recipe begins and ends on the surrogate: two marks, since nobody looked between."""
    ends = ((0, found.born), (steps_seen[-1], found.last))
    return scatter(
        x=[position(step) for step, _ in ends],
        y=[each.value if math.isfinite(each.value) else None for _, each in ends],
        name="the same recipe on the surrogate",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 7, "color": colour("floor")},
        text=[f"the same recipe on the surrogate<br>step {step:,}: {estimated(each)}" for step, each in ends],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def memory(_: Findings, condition: ConditionFindings) -> Drawing:
    """M(t) and I(t) with their half-lives; without traces where there is nothing to remember."""
    curves = {"init memory": condition.memory, "identity": condition.identity}
    alt = _alt(f"Init memory and identity of {condition.name} along training", curves)
    drawn = Drawing(base_layout(LOWER, alt=alt))
    remembered = shown(condition.memory)
    if remembered is None:
        return drawn
    drawn.add_trace(band(remembered, "plain"))
    drawn.add_trace(line(remembered, "plain", "init memory"))
    labels = [_end("memory", remembered, "plain")]
    if (same := shown(condition.identity)) is not None:
        drawn.add_trace(band(same, "identity"))
        drawn.add_trace(line(same, "identity", "identity"))
        labels.append(_end("identity", same, "identity"))
    _framed(drawn, condition, _around(remembered), labels)
    _add_half_life(drawn, condition, condition.half_life, "plain", "top")
    _add_half_life(drawn, condition, condition.identity_half_life, "identity", "bottom")
    return drawn


def _add_half_life(drawn: Drawing, condition: ConditionFindings, life: float, role: str, where: str) -> None:
    if not math.isfinite(life):
        return
    early = position(life) < position(condition.steps[-1]) / 2
    top = where == "top"
    drawn.add_rule(
        "x",
        position(life),
        f"half-life {steps(life)}",
        line={"color": colour(role), "width": 1.25, "dash": "dash"},
        label={
            "font": {"size": 11, "color": colour(role)},
            "xanchor": "left" if early else "right",
            "y": int(top),
            "yanchor": "top" if top else "bottom",
        },
    )


def retention(findings: Findings, condition: ConditionFindings) -> Drawing:
    """R, and beside W and B what retention alone would leave of them."""
    strokes = _retention_strokes(condition)
    lead = f"Init retention of {condition.name} along training, beside the agreement"
    drawn = Drawing(base_layout(HEIGHT, alt=_alt(lead, {each.name: each.curve for each in strokes})))
    labels = []
    for stroke in strokes:
        if stroke.curve is not None:
            pen = {"color": colour(stroke.role), "width": 1.75, "dash": "solid" if stroke.end else "dot"}
            mode = "lines+markers" if stroke.role == "plain" else "lines"
            drawn.add_trace(line(stroke.curve, stroke.role, stroke.name, line=pen, mode=mode))
            if stroke.end:
                labels.append(_end(stroke.end, stroke.curve, stroke.role))
    return _framed(drawn, condition, agreement_range(findings.conditions), labels)


def _retention_strokes(condition: ConditionFindings) -> list[_Stroke]:
    """W and B, what retention explains of each, and retention itself."""
    agreed = curves_of(condition.agreement)
    explained = curves_of(condition.measures.get("explained"))
    strokes: list[_Stroke] = []
    for relation, end in ENDS.items():
        strokes += [
            _Stroke(agreed.get(relation), relation, RELATIONS[relation], end),
            _Stroke(explained.get(relation), relation, f"{RELATIONS[relation]}, explained by retention"),
        ]
    return [*strokes, _Stroke(shown(condition.metrics.get("retention")), "plain", "retention", "retention")]


def _framed(drawn: Drawing, condition: ConditionFindings, span: tuple[float, float], labels: list[Label]) -> Drawing:
    margin = drawn.layout["margin"]
    drawn.update_layout(
        xaxis=step_axis(condition.steps),
        yaxis=value_axis(*span, ticks=round_ticks(*span)),
        annotations=margin_labels(labels, span, drawn.layout["height"] - margin["t"] - margin["b"]),
    )
    return drawn


def _end(said: str, curve: Curve, role: str) -> Label:
    """The last value, named."""
    return Label(f"{said} <b>{rounded(curve.value[-1])}</b>", curve.value[-1], role)


def _more(*parts: list[str]) -> list[str]:
    """What hovering adds at every step, of the parts that there are."""
    return ["<br>".join(said) for said in zip(*filter(None, parts), strict=True)]


def _around(curve: Curve) -> tuple[float, float]:
    """[0, 1], and beyond it as far as the curve goes."""
    finite = [value for value in curve.value if math.isfinite(value)]
    return min(0.0, *finite) - 0.06, max(1.0, *finite) + 0.12


def _trajectory_alt(condition: ConditionFindings) -> str:
    curves, floor = curves_of(condition.agreement), condition.agreement.floor if condition.agreement else None
    named = {f"runs {said}": curves.get(relation) for relation, said in RELATIONS.items()}
    alt = _alt(f"Matched agreement of {condition.name} along training", named)
    return f"{alt} The strictest null, {floor_title(floor)}, is {rounded(floor.value)}." if floor else alt


def _alt(lead: str, named: Mapping[str, Curve | None]) -> str:
    """The figure in words: where each curve begins and ends."""
    said = [_from_to(name, found) for name, curve in named.items() if (found := shown(curve)) is not None]
    return f"{lead}. {'; '.join(said)}." if said else f"{lead}: there is nothing to draw."


def _from_to(name: str, curve: Curve) -> str:
    first, last = rounded(curve.value[0]), rounded(curve.value[-1])
    return f"{name}: {first} at step {curve.steps[0]:,}, {last} at step {curve.steps[-1]:,}"
