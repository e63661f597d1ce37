"""Figures of several small panels: the companion measures, and how the runs went."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.report.axes import base_layout, step_axis, value_axis
from reseed.report.called import diagnostic_title, diagnostics, measure_title, measures_shown
from reseed.report.drawing import Drawing, grid
from reseed.report.lines import RELATIONS, band, curves_of, floor_line, line, ratio_words, run_lines, shown
from reseed.report.theme import colour
from reseed.report.words import nulls_and_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.findings import ConditionFindings, Curve, Findings, MeasureFindings

__all__ = ["companion_panels", "fit_panels", "mechanism_panels"]

ROW = 128  # pixels of a small panel
TICKS = (0.0, 0.5, 1.0)
DRAWN_ELSEWHERE = frozenset({"explained"})
"""Mechanisms that stand beside the agreement in the figure of retention."""
FIT = {"r2": "held-out R²", "alive": "alive atoms", "l0": "L0, active atoms per token"}


def companion_panels(_: Findings, condition: ConditionFindings) -> Drawing:
    """W and B in every companion measure, all on one vertical axis."""
    companions = {measure_title(name, found): found for name, found in measures_shown([condition], "companion").items()}
    ends = [
        f"{title} {rounded(curve.value[-1])}"
        for title, found in companions.items()
        if (curve := shown(found.between.curve)) is not None
    ]
    lead = f"Companion measures of {condition.name} along training; between starts at the last step"
    drawn = _grid(list(companions), columns=2, alt=f"{lead}: {', '.join(ends) or 'not defined'}.")
    span = _range(companions.values())
    for i, (title, found) in enumerate(companions.items()):
        cell = _cell(i, columns=2)
        _add_companion(drawn, title, found, cell, in_legend=i == 0)
        drawn.update_axis("y", value_axis(*span, ticks=TICKS), **cell)
    return _with_steps(drawn, condition, n_panels=len(companions), columns=2)


def _add_companion(
    drawn: Drawing, title: str, found: MeasureFindings, cell: dict[str, int], *, in_legend: bool
) -> None:
    """The floors of one measure below its curves."""
    for floor in nulls_and_references(found):
        across = floor_line(found.within.curve.steps, floor, strictest=floor.name == found.strictest)
        drawn.add_trace({**across, "showlegend": False}, **cell)
    for relation, curve in curves_of(found).items():
        drawn.add_trace(band(curve, relation), **cell)
        more = ratio_words(found.pairs(relation).adjusted_curve)
        name = f"{title}, {RELATIONS[relation]}"
        drawn.add_trace(line(curve, relation, name, more=more, mode="lines", showlegend=in_legend), **cell)


def fit_panels(_: Findings, condition: ConditionFindings) -> Drawing:
    """R², alive atoms and L0: single runs, and their mean with its band. R² below 0 is under the panel."""
    ends = [
        f"{name} {rounded(curve.value[-1])}"
        for metric, name in FIT.items()
        if (curve := shown(condition.metrics.get(metric))) is not None
    ]
    lead = f"Fit of {condition.name} along training; mean over runs at the last step"
    drawn = _grid(list(FIT.values()), columns=1, alt=f"{lead}: {', '.join(ends) or 'not defined'}.")
    for i, (metric, name) in enumerate(FIT.items()):
        cell = _cell(i, columns=1)
        curve = shown(condition.metrics.get(metric))
        if curve is not None:
            drawn.add_trace(band(curve, "plain"), **cell)
        drawn.add_trace(run_lines(condition, metric), **cell)
        if curve is not None:
            pen = {"color": colour("plain"), "width": 1.75}
            drawn.add_trace(line(curve, "plain", f"{name}, mean", mode="lines", line=pen, showlegend=False), **cell)
        top = 1.15 * max(_finite(condition, metric), default=1.0)
        axis = value_axis(0.0, top) if metric == "l0" else value_axis(-0.03, 1.05, ticks=TICKS)
        drawn.update_axis("y", axis, **cell)
    return _with_steps(drawn, condition, n_panels=len(FIT), columns=1)


def mechanism_panels(_: Findings, condition: ConditionFindings) -> Drawing:
    """What retention does not explain, match persistence, and what the method says about itself."""
    measures = {
        measure_title(name, found): curves
        for name, found in measures_shown([condition], "mechanism").items()
        if name not in DRAWN_ELSEWHERE and (curves := curves_of(found))
    }
    metrics = {
        diagnostic_title(metric): metric
        for metric in diagnostics([condition])
        if shown(condition.metrics[metric]) is not None
    }
    names = [*measures, *metrics]
    alt = f"What the atoms of {condition.name} did along training: {', '.join(names) or 'nothing to draw'}."
    drawn = _grid(names, columns=2, alt=alt)
    for i, (title, curves) in enumerate(measures.items()):
        for relation, curve in curves.items():
            _add_curve(drawn, curve, relation, f"{title}, {RELATIONS[relation]}", _cell(i, columns=2))
        low = _lowest(value for curve in curves.values() for value in curve.value)
        drawn.update_axis("y", value_axis(low, 1.05, ticks=TICKS), **_cell(i, columns=2))
    for i, (title, metric) in enumerate(metrics.items(), start=len(measures)):
        cell = _cell(i, columns=2)
        drawn.add_trace(run_lines(condition, metric), **cell)
        _add_curve(drawn, condition.metrics[metric], "plain", f"{title}, mean", cell)
        drawn.update_axis("y", {**value_axis(0.0, 1.0), "range": None, "rangemode": "tozero"}, **cell)
    return _with_steps(drawn, condition, n_panels=len(names), columns=2)


def _add_curve(drawn: Drawing, curve: Curve, role: str, name: str, cell: dict[str, int]) -> None:
    drawn.add_trace(band(curve, role), **cell)
    pen = {"color": colour(role), "width": 1.75}
    drawn.add_trace(line(curve, role, name, mode="lines", line=pen, showlegend=False), **cell)


def _lowest(values: Iterable[float]) -> float:
    """The lower end of an axis that holds 0 and these values."""
    return min(0.0, *filter(math.isfinite, values)) - 0.03


def _finite(condition: ConditionFindings, metric: str) -> list[float]:
    return [value for run in condition.runs for value in run.metrics.get(metric, ()) if math.isfinite(value)]


def _range(measures: Iterable[MeasureFindings]) -> tuple[float, float]:
    """One axis for all of these measures with their floors."""
    values = [0.0]
    for found in measures:
        values += [value for curve in curves_of(found).values() for value in curve.value]
        values += [floor.value for floor in found.floors]
    return _lowest(values), 1.04


def _cell(i: int, *, columns: int) -> dict[str, int]:
    return {"row": i // columns + 1, "col": i % columns + 1}


def _grid(titles: Sequence[str], *, columns: int, alt: str) -> Drawing:
    n_rows = max(1, math.ceil(len(titles) / columns))
    height = n_rows * ROW + 40
    layout = base_layout(height, alt=alt) | {"margin": {"l": 34, "r": 8, "t": 20, "b": 40}}
    return grid(layout, titles, columns=columns, rows=n_rows, gaps=(0.1, 30 / height))


def _with_steps(drawn: Drawing, condition: ConditionFindings, *, n_panels: int, columns: int) -> Drawing:
    """The step axis on every panel, its words under the lowest one of each column; empty cells hidden."""
    axis = step_axis(condition.steps or _steps_of_runs(condition))
    quiet = {**axis, "title": None, "showticklabels": False}
    for i in range(math.ceil(n_panels / columns) * columns):
        cell = _cell(i, columns=columns)
        lowest = {**axis, "showticklabels": True}
        drawn.update_axis("x", {**(lowest if i + columns >= n_panels else quiet), "visible": i < n_panels}, **cell)
        drawn.update_axis("y", {"visible": i < n_panels}, **cell)
    return drawn


def _steps_of_runs(condition: ConditionFindings) -> list[int]:
    return sorted({int(step) for run in condition.runs for step in run.metrics.get("step", ())})
