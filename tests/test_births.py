"""Who was born alike, by the last dictionaries of a study alone: starts that are shared, and those that are not."""

import math

import pytest
import torch

from reseed._support.threads import workers
from reseed.analysis import births, compare_runs, is_compared
from reseed.dice import generator
from reseed.statistics import holm
from reseed.trajectory import StudyFolder
from studies import hand_made, judged

N, D = 60, 24


def drawn(*name):
    return torch.randn(N, D, generator=generator(3, *name))


def ended(start, run):
    """Half of the atoms moved to others, the other half stayed near where they were."""
    return torch.where(torch.arange(N)[:, None] < N // 2, drawn("own", run), start + 0.3 * drawn("near", run))


def study(folder, starts):
    runs = {f"s{s}.r{r}": {0: start, 10: ended(start, f"{s}.{r}")} for s, start in enumerate(starts) for r in range(2)}
    (condition,) = (findings := judged(hand_made(folder, {"a@none": runs}))).conditions
    return condition.births, findings


def test_independent_starts_pass_and_shared_ones_are_found(tmp_path):
    found, findings = study(tmp_path, [drawn("start", s) for s in range(3)])
    assert {pair.found for pair in found.pairs if pair.relation == "within"} == {True}
    assert {pair.found for pair in found.pairs if pair.relation == "between"} == {False}
    assert (found.found, found.of_shared, found.of_apart) == (3, 3, 12)
    assert found.sentence == (
        "By the last atoms alone, indices are shared by 3 of 3 pairs born identical and by 0 of 12 pairs that started "
        "apart."
    )
    assert not any("started apart" in warning for warning in findings.warnings)


def test_a_start_that_was_warmed_up_from_another_is_found_and_warned_of(tmp_path):
    first, other = drawn("start", 0), drawn("start", 1)
    found, findings = study(tmp_path, [first, first + 0.5 * drawn("warm"), other])
    apart = {(pair.run_a, pair.run_b): pair for pair in found.pairs if pair.relation == "between"}
    assert {ids for ids, pair in apart.items() if pair.found} == {
        (f"s0.r{a}", f"s1.r{b}") for a in range(2) for b in range(2)
    }
    assert "by 4 of 12 pairs that started apart. Those starts are not independent" in found.sentence
    assert any("4 of 12 pairs that started apart" in warning for warning in findings.warnings)


def test_a_start_in_another_order_is_not_found_and_not_excluded_either(tmp_path):
    start, order = drawn("start", 0), torch.randperm(N, generator=generator(1))
    runs = {"a": {0: start, 10: ended(start, "a")}, "b": {0: start[order], 10: ended(start, "b")[order]}}
    (condition,) = judged(hand_made(tmp_path, {"a@none": runs})).conditions
    (pair,) = condition.births.pairs
    assert (pair.relation, pair.found) == ("within", False)
    assert "a common start cannot be excluded" in condition.births.sentence


def test_what_is_tested_is_not_tested_again_and_what_is_missing_is(tmp_path, monkeypatch):
    runs = {f"r{i}": {0: drawn("start", i), 10: drawn("end", i)} for i in range(3)}
    folder = hand_made(tmp_path, {"a@none": runs})
    judged(folder)
    written = folder.compared("a@none")
    before = written.table("births")
    monkeypatch.setattr(births, "birth_test", None)
    with workers(1) as pool:
        compare_runs(folder, "a@none", pool)
        assert written.table("births").equals(before)
        (written.path / "births.parquet").unlink()
        folder = StudyFolder.open(tmp_path)
        assert not is_compared(folder, "a@none")
        with pytest.raises(TypeError):
            compare_runs(folder, "a@none", pool)


def test_dead_atoms_take_no_part(tmp_path):
    heldout = torch.randn(40, D, generator=generator(5)).abs()
    runs = {}
    for i in range(2):
        atoms = drawn("end", i)
        atoms[40:] = -atoms[40:].abs()  # no token reaches them
        runs[f"r{i}"] = {0: drawn("start", i), 10: atoms}
    folder = hand_made(tmp_path, {"a@none": runs}, heldout=heldout)
    judged(folder)
    row = folder.compared("a@none").table("births").row(0, named=True)
    alive = [(heldout @ ended_at[10].T > 0).any(dim=0) for ended_at in runs.values()]
    assert row["n_atoms"] == int((alive[0] & alive[1]).sum())
    assert row["n_atoms"] <= 40


def test_holm_counts_the_tests_that_could_be_made():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == pytest.approx((1.0, 1.0))
    with_one_missing = holm([0.01, math.nan, 0.04])
    assert (with_one_missing[0], with_one_missing[2]) == pytest.approx((0.02, 0.04))
    assert math.isnan(with_one_missing[1])
    assert holm([]) == ()
