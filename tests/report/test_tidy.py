"""The tidy table holds what the findings hold, once, and nothing else."""

from __future__ import annotations

import math

import polars as pl
import pytest
from sample import COMPANIONS, STEPS

import reseed
from reseed.floors import FLOORS
from reseed.report import table as tidy
from reseed.report.table import schema


def test_one_row_per_condition_step_measure_pairs_and_run(findings):
    table = reseed.table(findings)
    key = ["condition", "step", "measure", "pairs", "run"]
    assert not table.select(key).is_duplicated().any()
    assert table.schema == pl.Schema(schema())


PLACES = (
    (lambda found: found.agreement.between.curve, "agreement", "between"),
    (lambda found: found.measures["code"].within.curve, "code", "within"),
    (lambda found: found.memory, "memory", None),
    (lambda found: found.metrics["retention"], "retention", None),
)


@pytest.mark.parametrize(("curve_of", "measure", "pairs"), PLACES)
def test_a_curve_is_found_under_its_measure_and_pairs(findings, curve_of, measure, pairs):
    rows = reseed.table(findings).filter(
        pl.col("condition") == "topk-random@centre",
        pl.col("measure") == measure,
        pl.col("pairs").eq_missing(pairs),
        pl.col("run").is_null(),
    )
    expected = curve_of(findings.condition("topk-random@centre"))
    assert rows["step"].to_list() == list(STEPS)
    for column in ("value", "low", "high"):
        assert rows[column].to_list() == list(getattr(expected, column))


def test_what_is_not_defined_is_null_and_never_nan(findings):
    rows = reseed.table(findings).filter(pl.col("condition") == "ra-topk-shared@centre", pl.col("pairs") == "between")
    assert rows["value"].null_count() == len(rows) > 0
    for name in ("value", "low", "high"):
        assert not reseed.table(findings)[name].is_nan().any()


def test_floors_stand_beside_the_measure_they_belong_to(findings):
    condition = findings.condition("topk-kmeans@centre")
    table = reseed.table(findings).filter(pl.col("condition") == condition.name)
    agreement = table.filter(pl.col("measure") == "agreement").row(0, named=True)
    assert agreement["floor_surrogate"] == condition.agreement.floor.value
    mmcs = table.filter(pl.col("measure") == "mmcs").row(0, named=True)
    assert mmcs["floor_surrogate"] == condition.measures["mmcs"].floor.value
    assert mmcs["floor_isotropic"] is None
    assert (agreement["strictest"], mmcs["strictest"]) == ("surrogate", "surrogate")
    code = table.filter(pl.col("measure") == "code").row(0, named=True)
    assert (code["strictest"], code["ratio"]) == (None, None)
    assert table.filter(pl.col("measure") == "memory").row(0, named=True)["floor_kmeans"] is None


def test_the_distance_over_the_nulls_stands_beside_the_value(findings):
    condition = findings.condition("topk-kmeans@centre")
    null = condition.agreement.floor.value
    table = reseed.table(findings).filter(pl.col("condition") == condition.name)
    rows = table.filter(pl.col("measure") == "agreement", pl.col("pairs") == "between")
    for ratio, value in zip(rows["ratio"], rows["value"], strict=True):
        assert ratio == pytest.approx((1 - value) / (1 - null))
    assert (rows["ratio_low"] <= rows["ratio"]).all()
    assert (rows["ratio"] <= rows["ratio_high"]).all()
    assert rows["ratio"].min() > 0


def test_every_metric_of_every_run_is_there(findings):
    run = findings.condition("relu-random@centre").runs[-1]
    rows = reseed.table(findings).filter(pl.col("run") == run.id, pl.col("measure") == "r2")
    assert rows["step"].to_list() == list(run.metrics["step"])
    assert rows["value"].to_list() == list(run.metrics["r2"])
    loss = reseed.table(findings).filter(pl.col("run") == run.id, pl.col("measure") == "training_loss")
    assert math.isnan(run.metrics["training_loss"][0])
    assert loss["value"][0] is None


def test_all_companions_are_measures(findings):
    assert set(COMPANIONS) <= set(reseed.table(findings)["measure"])


def test_the_findings_hand_out_the_table(findings):
    assert reseed.table(findings).equals(reseed.table(findings))


def test_every_floor_has_a_column_in_every_table_and_others_where_there_are_any(findings):
    assert tuple(FLOORS) == tidy.FLOORS
    measure = findings.conditions[0].agreement
    other = measure.floors[0].model_copy(update={"name": "of my own", "value": 0.25})
    found = measure.model_copy(update={"floors": (*measure.floors, other)})
    condition = findings.conditions[0].model_copy(update={"measures": {"agreement": found}})
    mine = reseed.table(findings.model_copy(update={"conditions": (condition,)}))
    assert mine["floor_of_my_own"].drop_nulls().unique().to_list() == [0.25]
    assert set(reseed.table(findings).columns) == set(schema()) == set(mine.columns) - {"floor_of_my_own"}


def test_comparisons_are_rows_of_their_own(findings):
    rows = reseed.table(findings, of="comparisons")
    assert len(rows) == 5 * len(findings.comparisons)
    first = findings.comparisons[0]
    gap, difference = rows.row(0, named=True), rows.row(3, named=True)
    assert (gap["part"], gap["value"], gap["outcome"]) == ("gap", first.gap.value, None)
    assert (difference["part"], difference["low"]) == ("gain_difference", first.gain_difference.low)
    assert difference["outcome"] == first.outcome
    with pytest.raises(ValueError, match="choose measures or comparisons"):
        reseed.table(findings, of="arms")
