"""The marks that figures along training are made of: lines, bands, thin lines of single runs and pairs, floors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, rounded
from reseed.report._plotly import go
from reseed.report.axes import position
from reseed.report.called import floor_title
from reseed.report.theme import colour
from reseed.report.words import run_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.findings import ConditionFindings, Curve, Floor, MeasureFindings, Relation

__all__ = [
    "RELATIONS",
    "SYMBOLS",
    "adjusted_words",
    "band",
    "curves_of",
    "extreme_pairs",
    "floor_line",
    "line",
    "pair_lines",
    "run_lines",
    "shown",
]

RELATIONS: dict[Relation, str] = {"within": "born identical", "between": "started apart"}
"""What the pairs of a curve have in common."""

SYMBOLS = {"within": "square", "between": "circle", "plain": "diamond"}
"""The marker of each role."""

_SAID = "%{text}<extra></extra>"


def shown(curve: Curve | None) -> Curve | None:
    """The curve; None where it has no value to draw."""
    return None if curve is None or not any(map(math.isfinite, curve.value)) else curve


def curves_of(found: MeasureFindings | None) -> dict[Relation, Curve]:
    """What a measure says within and between starts, as far as there is something to draw."""
    curves = {relation: shown(found.pairs(relation).curve) for relation in RELATIONS} if found else {}
    return {relation: curve for relation, curve in curves.items() if curve is not None}


def line(
    curve: Curve,
    role: str,
    name: str,
    *,
    more: Sequence[str] = (),
    **trace: Any,  # noqa: ANN401 (plotly's own options)
) -> go.Scatter:
    """An estimate along training; hovering says its interval, what that is over, and `more` of each step."""
    said = [
        f"{name}<br>step {step:,}: {rounded(value, 3)} {_interval(low, high, curve.unit)}".rstrip()
        for step, value, low, high in zip(curve.steps, curve.value, curve.low, curve.high, strict=True)
    ]
    said = [f"{words}<br>{further}" for words, further in zip(said, more, strict=True)] if more else said
    style: dict[str, Any] = {
        "mode": "lines+markers",
        "line": {"color": colour(role), "width": 2.25},
        "marker": {"symbol": SYMBOLS.get(role, "circle"), "size": 6, "color": colour(role)},
    }
    return go.Scatter(
        x=_positions(curve.steps),
        y=_gaps(curve.value),
        name=name,
        text=said,
        hovertemplate=_SAID,
        **{**style, **trace},
    )


def band(curve: Curve, role: str) -> go.Scatter:
    """The interval around an estimate, where it has one."""
    edges = [
        (position(step), low, high)
        for step, low, high in zip(curve.steps, curve.low, curve.high, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    ]
    return go.Scatter(
        x=[x for x, _, _ in edges] + [x for x, _, _ in reversed(edges)],
        y=[low for _, low, _ in edges] + [high for _, _, high in reversed(edges)],
        mode="lines",
        line={"width": 0, "color": colour(f"{role}-band")},
        fill="toself",
        fillcolor=colour(f"{role}-band"),
        hoverinfo="skip",
        showlegend=False,
    )


def pair_lines(condition: ConditionFindings, relation: Relation) -> go.Scatter:
    """Every pair of runs of one relation as one trace with gaps; hovering names the two runs."""
    pairs = _pairs(condition, relation)
    paths = [(f"{name}, {RELATIONS[relation]}", condition.steps, agreement) for name, agreement in pairs]
    return _thin(paths, f"pairs {RELATIONS[relation]}", f"{relation}-pair")


def extreme_pairs(condition: ConditionFindings, relation: Relation) -> list[str]:
    """Which pair of runs agrees least and which most, at every step; empty where there is but one pair."""
    pairs = _pairs(condition, relation)
    if len(pairs) == 1:
        return []
    by_step = [sorted((agreement[i], name) for name, agreement in pairs) for i in range(len(condition.steps))]
    return [
        f"least: {rounded(ranked[0][0], 3)}, {ranked[0][1]}<br>most: {rounded(ranked[-1][0], 3)}, {ranked[-1][1]}"
        for ranked in by_step
        if ranked
    ]


def adjusted_words(adjusted: Curve | None) -> list[str]:
    """What a curve is at every step when floor-adjusted; empty where it has no floor."""
    return [] if adjusted is None else [f"floor-adjusted: {rounded(value, 3)}" for value in adjusted.value]


def _pairs(condition: ConditionFindings, relation: Relation) -> list[tuple[str, Sequence[float]]]:
    """The pairs of one relation: their two runs in words, and their agreement."""
    labels = run_labels(condition)
    return [
        (f"{labels.get(pair.run_a, pair.run_a)} and {labels.get(pair.run_b, pair.run_b)}", pair.agreement)
        for pair in condition.pairs
        if pair.relation == relation
    ]


def run_lines(condition: ConditionFindings, metric: str) -> go.Scatter:
    """One metric of every run as one trace with gaps; hovering names the run."""
    labels = run_labels(condition)
    paths = [
        (
            labels[run.id] if run.status == "finished" else f"{labels[run.id]} ({run.status})",
            [int(step) for step in run.metrics.get("step", ())],
            run.metrics[metric],
        )
        for run in condition.runs
        if metric in run.metrics
    ]
    return _thin(paths, "single runs", "run")


def floor_line(steps: Sequence[int], floor: Floor, *, strictest: bool) -> go.Scatter:
    """A floor across the panel: dashed for the strictest, dotted for the others."""
    called = floor_title(floor)
    return go.Scatter(
        x=_positions(steps),
        y=[floor.value] * len(steps),
        name=f"floor: {called}",
        mode="lines",
        line={
            "color": colour("floor" if strictest else "other-floor"),
            "width": 1.75 if strictest else 1,
            "dash": "dash" if strictest else "dot",
        },
        text=[f"{'strictest floor' if strictest else 'floor'}, {called}: {rounded(floor.value, 3)}"] * len(steps),
        hovertemplate=_SAID,
        showlegend=strictest,
    )


def _thin(paths: Iterable[tuple[str, Sequence[int], Sequence[float]]], name: str, role: str) -> go.Scatter:
    """Many named paths in one trace: there may be hundreds, and a browser pays per trace."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    said: list[str] = []
    for called, steps, values in paths:
        xs += [*_positions(steps), None]
        ys += [*_gaps(values), None]
        said += [f"{called}<br>step {step:,}: {rounded(value, 3)}" for step, value in zip(steps, values, strict=True)]
        said.append("")
    return go.Scatter(
        x=xs,
        y=ys,
        name=name,
        mode="lines",
        line={"color": colour(role), "width": 1},
        text=said,
        hovertemplate=_SAID,
        showlegend=False,
    )


def _interval(low: float, high: float, unit: str) -> str:
    text = interval(low, high, 3)
    return f"{text} over {unit}s" if text else ""


def _positions(steps: Iterable[int]) -> list[float]:
    return [position(step) for step in steps]


def _gaps(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
