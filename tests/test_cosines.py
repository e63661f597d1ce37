"""What lies beyond a null, from tables written by hand: counted again with numpy, and jackknifed again on paper."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl
import pytest
import torch

from reseed.analysis.cosines import beyond, isotropic_null, surrogate_null
from reseed.analysis.matched_cosines import held_against, matched_cosines
from reseed.analysis.measure_records import measure_record
from reseed.analysis.tables import floors_of
from reseed.measures import MEASURES, isotropic_beyond
from reseed.trajectory import Compared, ComparedRun
from studies import hand_made, judged

RUNS = {"a": 0, "b": 0, "c": 1, "d": 2, "e": 3}
STEPS, N_ATOMS, D_MODEL = (0, 10), 40, 6
ABOUT = Compared(
    reseed="0",
    runs=tuple(ComparedRun(id=r, init_group=g, stable_rank=1.0, atom_norm_squared=1.0) for r, g in RUNS.items()),
    steps=STEPS,
    measures=("agreement", "replicated"),
    n_atoms=N_ATOMS,
    d_model=D_MODEL,
    sign="signed",
    subspace_rank=2,
)


def table(runs, steps=STEPS, *, low=0.2, rolled=0):
    """Every pair at every step, its cosines between `low` and 1 less .05."""
    chance = np.random.default_rng(rolled)
    rows = [
        {"step": step, "run_a": a, "run_b": b, "relation": "within" if runs[a] == runs[b] else "between"}
        | {"group_a": runs[a], "group_b": runs[b], "replicated": math.nan}
        | {"cosines": np.sort(low + (0.95 - low) * chance.random(N_ATOMS)).astype(np.float32).tolist()}
        for step in steps
        for a, b in combinations(runs, 2)
    ]
    found = pl.DataFrame(rows, schema_overrides={"cosines": pl.List(pl.Float32)})
    return found.with_columns(agreement=pl.col("cosines").list.mean().cast(pl.Float64))


SURROGATE = table({"x": 0, "y": 1, "z": 2}, low=-0.6, rolled=1)


def cosines_of(rows):
    return np.concatenate([np.array(each) for each in rows["cosines"]])


def last_apart(rows, without=None):
    kept = rows.filter((pl.col("step") == 10) & (pl.col("relation") == "between"))
    return kept if without is None else kept.filter((pl.col("group_a") != without) & (pl.col("group_b") != without))


def test_the_null_is_the_99th_percentile_of_the_surrogates_pairs_at_the_last_step():
    null = surrogate_null(SURROGATE)
    assert null.beyond == pytest.approx(np.quantile(cosines_of(last_apart(SURROGATE)), 0.99))
    expected = [np.quantile(cosines_of(last_apart(SURROGATE, without=group)), 0.99) for group in range(3)]
    assert null.without == pytest.approx(expected)
    assert len(set(null.without)) == 3


def test_a_surrogate_without_pairs_is_no_null_and_one_of_two_starts_has_no_error():
    assert surrogate_null(SURROGATE.clear()) is None
    two = surrogate_null(table({"x": 0, "y": 1}))
    assert [math.isnan(each) for each in two.without] == [True, True]
    pairs = held_against(two, ABOUT, table(RUNS))
    last = measure_record("replicated", pairs, (), None, 0.95).between.last
    assert math.isfinite(last.value)
    assert math.isnan(last.low)
    assert "2 starts; 3 are needed" in last.reason


def test_the_replicated_share_of_every_pair_is_counted_beyond_the_nulls_percentile():
    rows, null = table(RUNS), surrogate_null(SURROGATE)
    pairs = held_against(null, ABOUT, rows)
    for row in rows.iter_rows(named=True):
        counted = sum(cosine > null.beyond for cosine in row["cosines"]) / N_ATOMS
        place = STEPS.index(row["step"]), pairs.ids.index(row["run_a"]), pairs.ids.index(row["run_b"])
        assert pairs.measures["replicated"][place].item() == pytest.approx((counted - 0.01) / 0.99)
    own = beyond(SURROGATE, null.beyond).filter(pl.col("step") == 10)["replicated"]
    assert own.mean() == pytest.approx(0, abs=0.02)  # by its own percentile the null replicates nothing


def test_no_share_is_replicated_where_the_null_itself_is_as_good_as_1():
    assert beyond(table(RUNS), 0.995)["replicated"].is_nan().all()


def test_the_error_of_the_null_is_part_of_the_interval():
    rows, null = table(RUNS), surrogate_null(SURROGATE)
    record = measure_record("replicated", held_against(null, ABOUT, rows), (), None, 0.95)

    def between(without_group, cosine):
        """Mean over pairs that started apart, from the table."""
        kept = last_apart(rows, without=without_group)
        shares = [np.mean(np.array(cosines) > cosine) for cosines in kept["cosines"]]
        return (np.mean(shares) - 0.01) / 0.99

    def variance(values):
        return (len(values) - 1) / len(values) * np.sum((np.array(values) - np.mean(values)) ** 2)

    over_starts = variance([between(group, null.beyond) for group in range(4)])
    over_null = variance([between(None, cosine) for cosine in null.without])
    assert over_null > 0
    last = record.between.last
    assert last.value == pytest.approx(between(None, null.beyond))
    assert last.standard_error == pytest.approx(math.sqrt(over_starts + over_null))
    assert record.between.curve.high[-1] == last.high
    alone = measure_record("replicated", replace(held_against(null, ABOUT, rows), without={}), (), None, 0.95)
    assert alone.between.last.standard_error == pytest.approx(math.sqrt(over_starts))


def test_without_a_surrogate_random_directions_are_the_null_and_their_floor_is_0():
    null = isotropic_null(ABOUT)
    assert (null.beyond, null.without) == (isotropic_beyond(D_MODEL, N_ATOMS), ())
    pairs = held_against(null, ABOUT, table(RUNS))
    floors = {floor.name: floor for floor in floors_of(MEASURES["replicated"], pairs, ABOUT, pl.DataFrame())}
    assert floors["isotropic"].value == 0
    born = pairs.measures["replicated"][0][pairs.apart].mean().item()
    assert floors["step 0"].value == pytest.approx(born)


def test_quantiles_and_shares_are_those_of_the_pairs_that_they_name():
    rows, null = table(RUNS), surrogate_null(SURROGATE)
    found = matched_cosines(null, ABOUT, rows, held_against(null, ABOUT, rows), 0.95)
    first = rows.filter((pl.col("step") == 0) & (pl.col("relation") == "between"))
    born_identical = rows.filter((pl.col("step") == 10) & (pl.col("relation") == "within"))
    for quantiles, of in (
        (found.born, first),
        (found.between, last_apart(rows)),
        (found.within, born_identical),
        (found.null, last_apart(SURROGATE)),
    ):
        assert quantiles == pytest.approx(np.quantile(cosines_of(of), found.levels))
    assert (found.beyond, found.beyond_of) == (null.beyond, "surrogate")
    for above in (0.7, 0.9):
        share = found.shares[f"{above}"]
        assert share.value == pytest.approx(np.mean(cosines_of(last_apart(rows)) > above))
        assert (share.unit, share.n_units) == ("start", 4)


def test_two_dictionaries_that_share_half_their_atoms_replicate_half_whatever_the_mean_says(tmp_path):
    def drawn(*name):
        return torch.randn(30, 24, generator=torch.Generator().manual_seed(sum(map(ord, "".join(map(str, name))))))

    common = drawn("common")
    ended = {s: torch.cat([common[:15], drawn("own", s)[15:]]) for s in range(3)}
    runs = {f"s{s}.r0": {0: drawn("born", s), 10: ended[s]} for s in range(3)}
    (condition,) = judged(hand_made(tmp_path, {"a@none": runs})).conditions
    replicated = condition.measures["replicated"]
    assert replicated.between.last.value == pytest.approx((15 / 30 - 0.01) / 0.99, abs=0.02)
    assert replicated.born.value == pytest.approx(0, abs=0.02)
    assert condition.cosines.shares["0.9"].value == 15 / 30
    assert condition.cosines.beyond_of == "isotropic"
    assert condition.identity is None
