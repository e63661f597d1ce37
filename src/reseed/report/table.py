"""Findings as one tidy table.

One row per condition, snapshot and measure, for two kinds of rows:

- estimates over the runs of a condition (`run` is null): `value` with its interval `low`, `high`, and the `unit`, run
  or start, that the interval is over. `measure` is `agreement` or one of its companions, with `pairs` saying which
  pairs of runs it is a mean over (`within`: born identical, `between`: started apart); or one that is not of pairs,
  such as `retention`, `memory`, `identity` or `r2`. The measure's floors, and its distance in units of that of the
  strictest null, stand beside it; null where there is none.
- the metrics of single runs (`run` is the run's id): `r2`, `l0`, `alive`, `loss` and the method's own diagnostics.

| column | |
|---|---|
| `condition`, `arm`, `preprocess`, `kind`, `start`, `outcome` | the condition and its verdict |
| `step` | of the snapshot |
| `measure`, `pairs`, `run` | what was measured, on what |
| `value`, `low`, `high`, `unit` | the number and its interval; null where it is not defined |
| `ratio`, `ratio_low`, `ratio_high` | (1 - value) / (1 - null), of the strictest null; 0: one dictionary |
| `floor_isotropic`, …, `floor_step_0`: one for each of `FLOORS`, and others found | the measure's floors |
| `strictest` | the null of `ratio`: the largest |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from reseed._support.brief import Tabled
from reseed._support.guard import guarded
from reseed._support.visible import visible_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.findings import Comparison, ConditionFindings, Curve, Findings, MeasureFindings, RunFindings

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
    "ratio": pl.Float64,
    "ratio_low": pl.Float64,
    "ratio_high": pl.Float64,
}


FLOORS = ("isotropic", "surrogate", "step 0", "data", "kmeans", "hull")
"""Floors that have a column in every table, so that tables of several studies can be stacked: those of `reseed.FLOORS`,
which are named here again because reading findings loads no torch. Others have one where the findings have them."""

_COMPARISONS = {
    **dict.fromkeys(("first", "second", "preprocess", "first_pairs", "second_pairs", "part"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "unit": pl.String,
    "n_units": pl.Int64,
    "outcome": pl.String,
}
_PARTS = ("gap", "born", "earned", "gain_difference", "gain_difference_at_common_r2")
_OUTCOMES = {"gain_difference": "outcome", "gain_difference_at_common_r2": "outcome_at_common_r2"}


def schema(findings: Findings | None = None) -> dict[str, Any]:
    """The columns and their types of polars; of these findings, one for every floor among them."""
    kinds = (found.floors for each in (findings.conditions if findings else ()) for found in each.measures.values())
    names = dict.fromkeys([*FLOORS, *(floor.name for floors in kinds for floor in floors)])
    return {**_BEFORE_FLOORS, **{_column(name): pl.Float64 for name in names}, "strictest": pl.String}


@guarded()
def table(findings: Findings | Tabled, *, of: str = "measures") -> pl.DataFrame:
    """Findings as rows.

    Args:
        findings: the study; or what `reseed.compare` (a row for every pair), `reseed.match` (for every matched pair of
            atoms) or `reseed.reappearance.find_features` (for every feature) returned, which have one table each.
        of: `measures`: one row per condition, snapshot and measure, as this module says. `comparisons`: one row per two
            arms, preprocessing and part (`gap`, `born`, `earned`, `gain_difference`, and that at a common R2), the
            tests of the gains with their `outcome`.

    Raises:
        ValueError: `of` is neither.
    """
    if isinstance(findings, Tabled):
        return findings.to_frame()
    findings = visible_document(findings)
    if of == "comparisons":
        rows = [row for each in findings.comparisons for row in _comparison_rows(each)]
        return pl.DataFrame(rows, schema=_COMPARISONS)
    if of != "measures":
        raise ValueError(f"of = {of!r}: choose measures or comparisons")
    return pl.DataFrame([row for each in findings.conditions for row in _rows(each)], schema=schema(findings))


def _comparison_rows(comparison: Comparison) -> Iterator[Row]:
    arms = {name: getattr(comparison, name) for name in ("first", "second", "preprocess")}
    pairs = {name: getattr(comparison, name) for name in ("first_pairs", "second_pairs")}
    for part in _PARTS:
        found = getattr(comparison, part)
        numbers = {name: _or_null(getattr(found, name)) for name in ("value", "low", "high")}
        over = {"unit": found.unit, "n_units": found.n_units}
        outcome = getattr(comparison, _OUTCOMES[part]) if part in _OUTCOMES else None
        yield arms | pairs | {"part": part} | numbers | over | {"outcome": outcome}


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
    named = {"memory": condition.memory, "identity": condition.identity}
    kept = {name: curve for name, curve in named.items() if curve is not None}
    for measure, curve in (kept | condition.metrics).items():
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
            ends = {"ratio": adjusted.value[i], "ratio_low": adjusted.high[i], "ratio_high": adjusted.low[i]}
            row |= {name: 1 - end if math.isnan(end) else max(0.0, 1 - end) for name, end in ends.items()}
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
