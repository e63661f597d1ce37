"""Findings as one tidy table.

One row per condition, snapshot and measure, for two kinds of rows:

- estimates over the runs of a condition (`run` is null): `value` with its interval `low`, `high`, and the `unit`, run
  or start, that the interval is over. `measure` is `agreement` or one of its companions, with `pairs` saying which
  pairs of runs it is a mean over (`within`: born identical, `between`: started apart); or one that is not of pairs,
  such as `retention`, `memory` or `r2`. The measure's floors, and what value and interval are when adjusted by the
  strictest of them, stand beside it; null where there is none.
- the metrics of single runs (`run` is the run's id): `r2`, `l0`, `alive`, `loss` and the method's own diagnostics.

| column | |
|---|---|
| `condition`, `arm`, `preprocess`, `kind`, `start`, `outcome` | the condition and its verdict |
| `step` | of the snapshot |
| `measure`, `pairs`, `run` | what was measured, on what |
| `value`, `low`, `high`, `unit` | the number and its interval; null where it is not defined |
| `adjusted`, `adjusted_low`, `adjusted_high` | the same, floor-adjusted by the measure's own strictest floor |
| `floor_isotropic`, …, `floor_step_0`: one for each of `FLOORS` | the measure's floors |
| `strictest` | which floor the measure is adjusted by; for the matched agreement the one that the verdict used |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from reseed._support.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.findings import ConditionFindings, Curve, Findings, MeasureFindings, RunFindings

__all__ = ["schema", "table"]

Row = dict[str, Any]

_BEFORE_FLOORS = {
    "condition": pl.String,
    "arm": pl.String,
    "preprocess": pl.String,
    "kind": pl.String,
    "start": pl.String,
    "outcome": pl.String,
    "step": pl.Int64,
    "measure": pl.String,
    "pairs": pl.String,
    "run": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "adjusted": pl.Float64,
    "adjusted_low": pl.Float64,
    "adjusted_high": pl.Float64,
}


def schema() -> dict[str, Any]:
    """The columns and their types of polars: one for every floor of `FLOORS` among them."""
    from reseed.floors import FLOORS  # noqa: PLC0415 (whoever prints a report needs no torch)

    floors = {_column(floor): pl.Float64 for floor in FLOORS}
    return {**_BEFORE_FLOORS, **floors, "strictest": pl.String}


@guarded()
def table(findings: Findings) -> pl.DataFrame:
    """One row per condition, snapshot and measure; the columns are those of `schema()`."""
    return pl.DataFrame([row for each in findings.conditions for row in _rows(each)], schema=schema())


def _rows(condition: ConditionFindings) -> Iterator[Row]:
    about = {
        "condition": condition.name,
        "arm": condition.arm,
        "preprocess": condition.preprocess,
        "kind": condition.kind,
        "start": condition.start_kind,
        "outcome": str(condition.verdict.outcome),
    }
    for measure, found in condition.measures.items():
        yield from (about | {"measure": measure} | row for row in _measure_rows(found))
    memory = {"memory": condition.memory} if condition.memory else {}
    for measure, curve in (memory | condition.metrics).items():
        yield from (about | {"measure": measure, "unit": curve.unit} | row for row in _curve_rows(curve, None))
    for run in condition.runs:
        yield from (about | row for row in _run_rows(run))


def _measure_rows(found: MeasureFindings) -> Iterator[Row]:
    """Both curves, each value beside the measure's floors."""
    floors = {_column(floor.name): _or_null(floor.value) for floor in found.floors}
    for relation, pairs in (("within", found.within), ("between", found.between)):
        beside = {"pairs": relation, "unit": pairs.curve.unit, **floors, "strictest": found.strictest}
        yield from (beside | row for row in _curve_rows(pairs.curve, pairs.adjusted_curve))


def _column(floor: str) -> str:
    return f"floor_{floor.replace(' ', '_')}"


def _curve_rows(curve: Curve, adjusted: Curve | None) -> Iterator[Row]:
    for i, step in enumerate(curve.steps):
        row = {"value": curve.value[i], "low": curve.low[i], "high": curve.high[i]}
        if adjusted is not None:
            row |= {"adjusted": adjusted.value[i], "adjusted_low": adjusted.low[i], "adjusted_high": adjusted.high[i]}
        yield {"step": step} | {name: _or_null(value) for name, value in row.items()}


def _run_rows(run: RunFindings) -> Iterator[Row]:
    steps = run.metrics.get("step", ())
    for metric, values in run.metrics.items():
        if metric == "step":
            continue
        for step, value in zip(steps, values, strict=True):
            yield {"run": run.id, "step": int(step), "measure": metric, "value": _or_null(value)}


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
