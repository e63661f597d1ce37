"""The figure of spawning: agreement of children with their parents, by the step at which they left them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed.findings import Curve
from reseed.report.axes import base_layout, step_axis, value_axis
from reseed.report.drawing import Drawing
from reseed.report.lines import band, floor_line, line
from reseed.report.words import spawned, strictest_null

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Findings, SpawnCurve

__all__ = ["spawn"]

HEIGHT = 240  # pixels of the panel


def spawn(_: Findings, condition: ConditionFindings) -> Drawing:
    """Agreement at the last step against the step of spawning; without traces where nothing was spawned."""
    said = spawned(condition) or "there are no children"
    drawn = Drawing(base_layout(HEIGHT, alt=f"Spawned runs of {condition.name}: {said}."))
    if condition.spawn is None:
        return drawn
    curve = _curve(condition.spawn)
    floor = strictest_null(condition)
    if floor is not None and math.isfinite(floor.value):
        drawn.add_trace(floor_line(curve.steps, floor, strictest=True))
    drawn.add_trace(band(curve, "plain"))
    drawn.add_trace(line(curve, "plain", "children and parents"))
    low = min([0.0, *(value for value in curve.value if math.isfinite(value))])
    axis = {
        **step_axis((*curve.steps, max(1, curve.steps[-1]))),
        "title": {"text": "step of spawning", "standoff": 6, "font": {"size": 11}},
    }
    return drawn.update_layout(xaxis=axis, yaxis=value_axis(low - 0.02, 1.03))


def _curve(spawn: SpawnCurve) -> Curve:
    found = spawn.agreement
    return Curve(
        steps=spawn.steps,
        value=tuple(each.value for each in found),
        low=tuple(each.low for each in found),
        high=tuple(each.high for each in found),
        unit=found[0].unit,
    )
