"""Figures of several small panels: the companion measures, and how the runs went."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.report._plotly import make_subplots
from reseed.report.axes import base_layout, step_axis, value_axis
from reseed.report.lines import RELATIONS, adjusted_words, band, floor_line, line, run_lines, shown
from reseed.report.theme import colour
from reseed.report.words import DIAGNOSTICS, MEASURES, companions, diagnostics, strictest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.findings import ConditionFindings, Curve, Findings
    from reseed.report._plotly import go

__all__ = ["companion_panels", "fit_panels", "mechanism_panels"]

ROW = 128  # pixels of a small panel
TICKS = (0.0, 0.5, 1.0)
FIT = {"r2": "held-out R²", "alive": "alive atoms", "l0": "L0, active atoms per token"}


def companion_panels(_: Findings, condition: ConditionFindings) -> go.Figure:
    """W and B in every companion measure, all on one vertical axis."""
    measures = companions([condition])
    ends = [
        f"{_called(measure)} {rounded(curve.value[-1])}"
        for measure in measures
        if (curve := shown(condition, f"{measure} between")) is not None
    ]
    lead = f"Companion measures of {condition.name} along training; between starts at the last step"
    drawn = _grid(
        [_called(measure) for measure in measures], columns=2, alt=f"{lead}: {', '.join(ends) or 'not defined'}."
    )
    span = _companion_range(condition, measures)
    for i, measure in enumerate(measures):
        cell = _cell(i, columns=2)
        for name, value in condition.companion_floors.get(measure, {}).items():
            if math.isfinite(value):
                strictest = name == strictest_of(condition, measure)
                floor = floor_line(condition.steps, name, value, strictest=strictest)
                drawn.add_trace(floor.update(showlegend=False), **cell)
        for relation, said in RELATIONS.items():
            curve = shown(condition, f"{measure} {relation}")
            if curve is not None:
                drawn.add_trace(band(curve, relation), **cell)
                name = f"{_called(measure)}, {said}"
                more = adjusted_words(condition, f"{measure} {relation}")
                drawn.add_trace(line(curve, relation, name, more=more, mode="lines", showlegend=i == 0), **cell)
        drawn.update_yaxes(value_axis(*span, ticks=TICKS), **cell)
    return _with_steps(drawn, condition, n_panels=len(measures), columns=2)


def fit_panels(_: Findings, condition: ConditionFindings) -> go.Figure:
    """R², alive atoms and L0: single runs, and their mean with its band. R² below 0 is under the panel."""
    ends = [
        f"{name} {rounded(curve.value[-1])}"
        for metric, name in FIT.items()
        if (curve := shown(condition, metric)) is not None
    ]
    lead = f"Fit of {condition.name} along training; mean over runs at the last step"
    drawn = _grid(list(FIT.values()), columns=1, alt=f"{lead}: {', '.join(ends) or 'not defined'}.")
    for i, (metric, name) in enumerate(FIT.items()):
        cell = _cell(i, columns=1)
        curve = shown(condition, metric)
        if curve is not None:
            drawn.add_trace(band(curve, "plain"), **cell)
        drawn.add_trace(run_lines(condition, metric), **cell)
        if curve is not None:
            pen = {"color": colour("plain"), "width": 1.75}
            drawn.add_trace(line(curve, "plain", f"{name}, mean", mode="lines", line=pen, showlegend=False), **cell)
        top = 1.15 * max(_finite(condition, metric), default=1.0)
        axis = value_axis(0.0, top) if metric == "l0" else value_axis(-0.03, 1.05, ticks=TICKS)
        drawn.update_yaxes(axis, **cell)
    return _with_steps(drawn, condition, n_panels=len(FIT), columns=1)


def mechanism_panels(_: Findings, condition: ConditionFindings) -> go.Figure:
    """What retention does not explain, match persistence, and what the method says about itself."""
    measures = [measure for measure in ("excess", "persistence") if _pair_curves(condition, measure)]
    metrics = [metric for metric in diagnostics([condition]) if shown(condition, metric) is not None]
    names = [*map(_called, measures), *(DIAGNOSTICS.get(metric, metric.replace("_", " ")) for metric in metrics)]
    alt = f"What the atoms of {condition.name} did along training: {', '.join(names) or 'nothing to draw'}."
    drawn = _grid(names, columns=2, alt=alt)
    for i, measure in enumerate(measures):
        for relation, curve in _pair_curves(condition, measure).items():
            _add_curve(drawn, curve, relation, f"{_called(measure)}, {RELATIONS[relation]}", _cell(i, columns=2))
        drawn.update_yaxes(value_axis(_lowest(condition, measure), 1.05, ticks=TICKS), **_cell(i, columns=2))
    for i, metric in enumerate(metrics, start=len(measures)):
        cell = _cell(i, columns=2)
        drawn.add_trace(run_lines(condition, metric), **cell)
        _add_curve(drawn, condition.curves[metric], "plain", f"{names[i]}, mean", cell)
        drawn.update_yaxes({**value_axis(0.0, 1.0), "range": None, "rangemode": "tozero"}, **cell)
    return _with_steps(drawn, condition, n_panels=len(names), columns=2)


def _pair_curves(condition: ConditionFindings, measure: str) -> dict[str, Curve]:
    """Within and between starts, as far as there are such pairs."""
    curves = {relation: shown(condition, f"{measure} {relation}") for relation in RELATIONS}
    return {relation: curve for relation, curve in curves.items() if curve is not None}


def _add_curve(drawn: go.Figure, curve: Curve, role: str, name: str, cell: dict[str, int]) -> None:
    drawn.add_trace(band(curve, role), **cell)
    pen = {"color": colour(role), "width": 1.75}
    drawn.add_trace(line(curve, role, name, mode="lines", line=pen, showlegend=False), **cell)


def _lowest(condition: ConditionFindings, measure: str) -> float:
    values = [value for curve in _pair_curves(condition, measure).values() for value in curve.value]
    return min(0.0, *filter(math.isfinite, values)) - 0.03


def _called(measure: str) -> str:
    return MEASURES.get(measure, measure)


def _finite(condition: ConditionFindings, metric: str) -> list[float]:
    return [value for run in condition.runs for value in run.metrics.get(metric, ()) if math.isfinite(value)]


def _companion_range(condition: ConditionFindings, measures: Sequence[str]) -> tuple[float, float]:
    values = [0.0]
    for measure in measures:
        for relation in RELATIONS:
            curve = shown(condition, f"{measure} {relation}")
            values += curve.value if curve is not None else ()
        values += condition.companion_floors.get(measure, {}).values()
    return min(value for value in values if math.isfinite(value)) - 0.03, 1.04


def _cell(i: int, *, columns: int) -> dict[str, int]:
    return {"row": i // columns + 1, "col": i % columns + 1}


def _grid(titles: Sequence[str], *, columns: int, alt: str) -> go.Figure:
    n_rows = max(1, math.ceil(len(titles) / columns))
    height = n_rows * ROW + 40
    drawn = make_subplots(
        rows=n_rows,
        cols=columns,
        shared_xaxes=True,
        subplot_titles=list(titles) or None,
        vertical_spacing=30 / height,
        horizontal_spacing=0.1,
    )
    drawn.update_annotations(font={"size": 11, "color": colour("muted")}, yshift=1)
    return drawn.update_layout(base_layout(height, alt=alt), margin={"l": 34, "r": 8, "t": 20, "b": 40})


def _with_steps(drawn: go.Figure, condition: ConditionFindings, *, n_panels: int, columns: int) -> go.Figure:
    """The step axis on every panel, its words under the lowest one of each column; empty cells hidden."""
    axis = step_axis(condition.steps or _steps_of_runs(condition))
    quiet = {**axis, "title": None, "showticklabels": False}
    for i in range(math.ceil(n_panels / columns) * columns):
        cell = _cell(i, columns=columns)
        lowest = {**axis, "showticklabels": True}
        drawn.update_xaxes({**(lowest if i + columns >= n_panels else quiet), "visible": i < n_panels}, **cell)
        drawn.update_yaxes(visible=i < n_panels, **cell)
    return drawn


def _steps_of_runs(condition: ConditionFindings) -> list[int]:
    return sorted({int(step) for run in condition.runs for step in run.metrics.get("step", ())})
