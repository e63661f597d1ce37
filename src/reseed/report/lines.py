"""The marks that figures along training are made of: lines, bands, thin lines of single runs and pairs, floors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, rounded
from reseed.report.axes import position
from reseed.report.called import floor_title
from reseed.report.drawing import Trace, scatter
from reseed.report.theme import colour
from reseed.report.words import RUNS_OF, run_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reseed.findings import ConditionFindings, Curve, Floor, MeasureFindings, PairCurve, Relation, RunFindings

__all__ = [
    "RELATIONS",
    "SYMBOLS",
    "band",
    "curves_of",
    "extreme_pairs",
    "floor_line",
    "line",
    "pair_lines",
    "ratio_words",
    "run_lines",
    "shown",
]

RELATIONS = RUNS_OF
"""What the pairs of a curve have in common."""

MOST = 60
"""Single pairs or runs that a figure draws: from the least to the most, evenly; more hide each other."""

SYMBOLS = {"within": "square", "between": "circle", "plain": "diamond", "identity": "triangle-up"}
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
) -> Trace:
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
    return scatter(
        x=_positions(curve.steps),
        y=_gaps(curve.value),
        name=name,
        text=said,
        hovertemplate=_SAID,
        **{**style, **trace},
    )


def band(curve: Curve, role: str) -> Trace:
    """The interval around an estimate, where it has one."""
    edges = [
        (position(step), low, high)
        for step, low, high in zip(curve.steps, curve.low, curve.high, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    ]
    return scatter(
        x=[x for x, _, _ in edges] + [x for x, _, _ in reversed(edges)],
        y=[low for _, low, _ in edges] + [high for _, _, high in reversed(edges)],
        mode="lines",
        line={"width": 0, "color": colour(f"{role}-band")},
        fill="toself",
        fillcolor=colour(f"{role}-band"),
        hoverinfo="skip",
        showlegend=False,
    )


def pair_lines(condition: ConditionFindings, relation: Relation) -> Trace:
    """Every pair of runs of one relation as one trace with gaps; hovering names the two runs."""
    pairs = _some(_pairs(condition, relation))
    labels = run_labels(condition)
    paths = [(f"{_both(pair, labels)}, {RELATIONS[relation]}", condition.steps, pair.agreement) for pair in pairs]
    return _thin(paths, f"pairs {RELATIONS[relation]}", f"{relation}-pair")


def extreme_pairs(condition: ConditionFindings, relation: Relation) -> list[str]:
    """Which pair of runs agrees least and which most, at every step; empty where there is but one pair."""
    pairs = _pairs(condition, relation)
    if len(pairs) < 2:  # noqa: PLR2004 (a least and a most)
        return []
    labels = run_labels(condition)
    told = []
    for i, _ in enumerate(condition.steps):
        ends = (choose(pairs, key=lambda pair, i=i: pair.agreement[i]) for choose in (min, max))
        least, most = (f"{rounded(pair.agreement[i], 3)}, {_both(pair, labels)}" for pair in ends)
        told.append(f"least: {least}<br>most: {most}")
    return told


def ratio_words(adjusted: Curve | None) -> list[str]:
    """How far apart the runs are at every step, in units of the null's distance; empty where there is no null."""
    if adjusted is None:
        return []
    return [f"distance over the null's: {rounded(max(0.0, 1 - value), 3)}" for value in adjusted.value]


def _pairs(condition: ConditionFindings, relation: Relation) -> list[PairCurve]:
    return [pair for pair in condition.pairs if pair.relation == relation]


def _some(pairs: list[PairCurve]) -> list[PairCurve]:
    """At most `MOST` of them, from the one that agrees least at the end to the one that agrees most."""
    if len(pairs) <= MOST:
        return pairs
    ranked = sorted(pairs, key=lambda pair: pair.agreement[-1])
    return [ranked[i * (len(ranked) - 1) // (MOST - 1)] for i in range(MOST)]


def _both(pair: PairCurve, labels: dict[str, str]) -> str:
    return f"{labels.get(pair.run_a, pair.run_a)} and {labels.get(pair.run_b, pair.run_b)}"


def run_lines(condition: ConditionFindings, metric: str) -> Trace:
    """One metric of every run as one trace with gaps; hovering names the run."""
    labels = run_labels(condition)
    paths = [
        (
            labels[run.id] if run.status == "finished" else f"{labels[run.id]} ({run.status})",
            [int(step) for step in run.metrics.get("step", ())],
            run.metrics[metric],
        )
        for run in _every(condition.runs, MOST)
        if metric in run.metrics
    ]
    return _thin(paths, "single runs", "run")


def _every(runs: Sequence[RunFindings], most: int) -> Sequence[RunFindings]:
    """At most that many of the runs, evenly chosen."""
    step = max(1, math.ceil(len(runs) / most))
    return runs[::step]


def floor_line(steps: Sequence[int], floor: Floor, *, strictest: bool) -> Trace:
    """A null or a reference across the panel: nulls dashed, the strictest heavier; references dotted."""
    said = f"{floor.role or 'floor'}: {floor_title(floor)}"
    return scatter(
        x=_positions(steps),
        y=[floor.value] * len(steps),
        name=said,
        mode="lines",
        line={
            "color": colour("floor" if strictest else "other-floor"),
            "width": 1.75 if strictest else 1,
            "dash": "dash" if floor.role == "null" else "dot",
        },
        text=[f"{'strictest ' if strictest else ''}{said} {rounded(floor.value, 3)}"] * len(steps),
        hovertemplate=_SAID,
        showlegend=strictest,
    )


def _thin(paths: Iterable[tuple[str, Sequence[int], Sequence[float]]], name: str, role: str) -> Trace:
    """Many named paths in one trace: there may be hundreds, and a browser pays per trace."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    said: list[str] = []
    for called, steps, values in paths:
        xs += [*_positions(steps), None]
        ys += [*_gaps(values), None]
        said += [f"{called}<br>step {step:,}: {rounded(value, 3)}" for step, value in zip(steps, values, strict=True)]
        said.append("")
    return scatter(
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
