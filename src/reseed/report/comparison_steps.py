"""The trajectories of a comparison: the cells of their tables, and one figure each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, rounded
from reseed._support.spread import spread
from reseed.report.axes import Label, base_layout, margin_labels, round_ticks, step_axis, value_axis
from reseed.report.drawing import Drawing
from reseed.report.lines import RELATIONS, band, line
from reseed.report.theme import colour

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.comparison.document import RecipeTrajectory
    from reseed.findings import Curve

__all__ = ["drawing", "plot_name", "step_columns", "step_rows"]

_SHOWN = 8  # steps that a table has
_HEIGHT = 300  # pixels of a figure
_EDGES = 54  # of them above and below the panel, as in the figures of a study


def step_columns(found: RecipeTrajectory) -> tuple[str, ...]:
    """Of `step_rows`: what there is."""
    return tuple(_curves(found))


def step_rows(found: RecipeTrajectory) -> dict[str, tuple[str, ...]]:
    """Agreement at a few steps, the first and the last among them."""
    curves = _curves(found).values()
    return {f"{step:,}": tuple(_at(curve, step) for curve in curves) for step in spread(found.steps, _SHOWN)}


def plot_name(number: int) -> str:
    """What the figure of one trajectory is called in the page."""
    return f"steps-{number}"


def drawing(found: RecipeTrajectory) -> Drawing:
    """W and B with their bands, and B on rows without structure."""
    curves = _curves(found)
    roles = {RELATIONS["within"]: "within", _apart(found): "between"}
    drawn = Drawing(base_layout(_HEIGHT, alt=_alt(found, curves)))
    labels = []
    for name, curve in curves.items():
        role = roles.get(name, "floor")
        if role != "floor":
            drawn.add_trace(band(curve, role))
        drawn.add_trace(line(curve, role, name, **_dashed() if role == "floor" else {}))
        short = {"within": "identical", "between": "apart", "floor": "null"}[role]
        labels.append(Label(f"{short} <b>{rounded(curve.value[-1])}</b>", curve.value[-1], role))
    span = min(0.0, *(value for curve in curves.values() for value in curve.value if math.isfinite(value))) - 0.02, 1.03
    return drawn.update_layout(
        xaxis=step_axis(found.steps),
        yaxis=value_axis(*span, ticks=round_ticks(*span)),
        annotations=margin_labels(labels, span, _HEIGHT - _EDGES),
    )


def _dashed() -> dict[str, Any]:
    """As nulls are drawn."""
    return {"mode": "lines", "line": {"color": colour("floor"), "width": 1.75, "dash": "dash"}}


def _curves(found: RecipeTrajectory) -> dict[str, Curve]:
    """By what they are of."""
    null = None if found.null is None else found.null.between
    named = {_apart(found): found.between, RELATIONS["within"]: found.within, "without structure": null}
    return {name: curve for name, curve in named.items() if curve is not None}


def _apart(found: RecipeTrajectory) -> str:
    """Without step 0 nobody knows how they started."""
    return "all pairs" if found.init_groups is None else RELATIONS["between"]


def _at(curve: Curve, step: int) -> str:
    if step not in curve.steps:
        return ""
    place = curve.steps.index(step)
    return f"{rounded(curve.value[place])} {interval(curve.low[place], curve.high[place])}".rstrip()


def _alt(found: RecipeTrajectory, curves: Mapping[str, Curve]) -> str:
    said = [
        f"{name}: {rounded(curve.value[0])} at step {curve.steps[0]:,}, {rounded(curve.value[-1])} at step "
        f"{curve.steps[-1]:,}"
        for name, curve in curves.items()
    ]
    return f"Matched agreement of {found.name} along training. {'; '.join(said)}."
