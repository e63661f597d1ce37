import math
import tomllib

import polars as pl
import pytest
import tomli_w
import torch

from reseed._support.threads import workers
from reseed.analysis import compare, compare_runs, forget_unfinished, is_compared, judge_study, pairs
from reseed.dice import generator
from reseed.findings import Findings
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import StudyFolder
from studies import hand_made


def drawn(*number):
    return torch.randn(8, 6, generator=generator(*number))


def runs(prefix, ended, *, starts=3):
    born = {(s, r): drawn(s) for s in range(starts) for r in range(2)}
    return {f"{prefix}.s{s}.r{r}": {0: atoms, 10: ended(s, r)} for (s, r), atoms in born.items()}


TWO = {
    "a@none": runs("a", lambda s, r: drawn(99) + 0.1 * drawn(s, r)),
    "b@none": runs("b", drawn),
}


def analysed(folder):
    return rejudge(folder.path, quiet=True)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = hand_made(tmp_path_factory.mktemp("two"), TWO)
    return folder, analysed(folder)


def test_findings_hold_every_condition_in_the_order_of_the_study(two):
    _, findings = two
    assert [condition.name for condition in findings.conditions] == ["a@none", "b@none"]
    assert {name: verdict.outcome for name, verdict in findings.verdicts.items()} == {
        "a@none": "inconclusive",  # it has no surrogate
        "b@none": "unstable",
    }
    assert [(each.first, each.second) for each in findings.comparisons] == [("b", "a")]


def test_the_headline_counts_the_verdicts(two, tmp_path):
    assert two[1].headline == "2 conditions: 1 inconclusive, 1 unstable."
    one = analysed(hand_made(tmp_path, {"b@none": TWO["b@none"]}))
    assert one.headline == "1 condition: 1 unstable."


def tables(folder):
    """Every table of every condition."""
    named = ("pairs", "matchings", "births", "floors")
    return {
        (condition.name, name): folder.compared(condition.name).table(name)
        for condition in folder.manifest.conditions
        for name in named
    }


def test_pairs_that_are_known_are_not_matched_again(two, tmp_path, monkeypatch):
    folder = hand_made(tmp_path, TWO)
    analysed(folder)
    monkeypatch.setattr(pairs, "match", None)
    told = []
    with workers(1) as pool:
        compare_runs(folder, "b@none", pool, advance=told.append)
        assert sum(told) == 2 * math.comb(6, 2)
        assert all(table.equals(tables(two[0])[place]) for place, table in tables(folder).items())
        written = folder.compared("a@none")
        written.write_table("pairs", written.table("pairs")[1:])
        with pytest.raises(TypeError):  # one pair at one step is missing: the whole pair is measured
            compare_runs(folder, "a@none", pool)


def test_what_is_compared_is_not_compared_again_to_be_judged(tmp_path, monkeypatch):
    folder = hand_made(tmp_path, TWO)
    findings = analysed(folder)
    monkeypatch.setattr(pairs, "match", None)
    monkeypatch.setattr(compare, "match", None)
    assert repr(analysed(folder)) == repr(findings)


def test_nothing_is_known_of_runs_that_have_not_ended(tmp_path):
    folder = hand_made(tmp_path, TWO)
    analysed(folder)
    whole = tables(folder)
    forget_unfinished(folder)
    assert all(table.equals(whole[place]) for place, table in tables(folder).items())
    (folder.run("a.s0.r0").folder / "done").unlink()
    forget_unfinished(StudyFolder.open(folder.path))
    about_it = pl.any_horizontal(pl.col("run_a", "run_b") == "a.s0.r0")
    for name in ("pairs", "matchings", "births"):
        assert tables(folder)["a@none", name].equals(whole["a@none", name].filter(~about_it))
        assert tables(folder)["b@none", name].equals(whole["b@none", name])
    assert is_compared(folder, "b@none")


@pytest.mark.parametrize(
    "other", [{"measures": ("agreement",)}, {"reseed": "0.0.9"}, {"sign": "abs"}, {"steps": (0, 5)}], ids=str
)
def test_tables_that_were_measured_otherwise_are_made_anew(tmp_path, other):
    folder = hand_made(tmp_path, TWO)
    analysed(folder)
    whole, written = tables(folder), folder.compared("a@none")
    if "steps" not in other:
        written.write_table("pairs", written.table("pairs").with_columns(agreement=pl.lit(0.5)))
    written.write_about(written.about.model_copy(update=other))
    assert not is_compared(folder, "a@none")
    analysed(folder)
    assert all(table.equals(whole[place]) for place, table in tables(folder).items())


def test_findings_and_tables_are_the_same_when_judged_again(two):
    folder, findings = two
    files = [folder.path / "findings.json", *folder.path.glob("compared/*/*")]
    before = [file.read_bytes() for file in files]
    again = analysed(StudyFolder.open(folder.path))
    assert [file.read_bytes() for file in files] == before
    assert repr(Findings.read(folder.path)) == repr(findings) == repr(again)


def test_thresholds_are_those_of_the_study(two, tmp_path):
    folder = hand_made(tmp_path, TWO)
    table = tomllib.loads((tmp_path / "study.toml").read_text())
    table["thresholds"] |= {"min_r2": 0.95, "level": 0.5001}
    folder.write_text("study.toml", tomli_w.dumps(table))
    judged = analysed(folder)
    assert {str(verdict.outcome) for verdict in judged.verdicts.values()} == {"not fitted"}
    narrow, wide = (each.condition("a@none").measures["agreement"].between.last for each in (judged, two[1]))
    assert narrow.value == wide.value
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_geometry_is_that_of_the_moments(tmp_path):
    folder = hand_made(tmp_path, {"b@none": TWO["b@none"]})
    mean, variances = torch.tensor([3.0, 4.0, 0, 0, 0, 0]).double(), torch.tensor([5.0, 1, 1, 1, 1, 1]).double()
    folder.write_moments("none", {"mean": mean, "covariance": variances.diag()})
    (geometry,) = analysed(folder).geometry
    assert geometry.preprocess == "none"
    assert geometry.mean_cosine == pytest.approx(25 / 35)
    assert geometry.mean_over_spread == pytest.approx(5 / 10**0.5)
    assert geometry.participation_ratio == pytest.approx(100 / 30)
    assert geometry.top_share == pytest.approx(0.5)


def test_activations_that_do_not_vary_have_no_geometry_and_break_nothing(tmp_path):
    folder = hand_made(tmp_path, {"b@none": TWO["b@none"]})
    nothing = {"mean": torch.zeros(6).double(), "covariance": torch.zeros(6, 6).double()}
    folder.write_moments("none", nothing)
    (geometry,) = analysed(folder).geometry
    assert math.isnan(geometry.mean_cosine)
    assert math.isnan(geometry.participation_ratio)


def test_what_has_not_ended_is_named_and_the_rest_is_compared(tmp_path):
    folder = hand_made(tmp_path, TWO)
    (folder.run("a.s0.r0").folder / "done").unlink()
    (folder.run("a.s0.r0").folder / "metrics.parquet").unlink()
    for file in folder.run("a.s0.r1").folder.iterdir():
        file.unlink()
    findings = analysed(folder)
    assert "a.s0.r0 is unfinished" in findings.warnings
    assert "a.s0.r1 has not begun: run the study again to train it" in findings.warnings
    condition = findings.condition("a@none")
    assert {run.id: run.status for run in condition.runs}["a.s0.r0"] == "unfinished"
    assert condition.runs[0].metrics == {"step": (0, 10)}
    assert len(condition.pairs) == math.comb(4, 2)


def test_a_condition_that_has_not_begun_leaves_the_others_judged(tmp_path):
    folder = hand_made(tmp_path, TWO)
    for run_id in TWO["b@none"]:
        for file in folder.run(run_id).folder.iterdir():
            file.unlink()
    findings = analysed(folder)
    assert [condition.name for condition in findings.conditions] == ["a@none"]
    assert sum("has not begun" in warning for warning in findings.warnings) == len(TWO["b@none"])


def test_what_a_reader_must_know_is_among_the_warnings(tmp_path):
    two_starts = analysed(hand_made(tmp_path / "two starts", {"a@none": runs("a", drawn, starts=2)}))
    told = "a@none: leaving out one start of 2 leaves nothing to average: 3 starts are needed for a spread"
    assert told in two_starts.warnings
    diverged = analysed(hand_made(tmp_path / "diverged", {"a@none": TWO["a@none"]}, status="diverged"))
    assert "a.s0.r0 is diverged" in diverged.warnings
    assert diverged.headline == "1 condition: 1 not testable."


def test_progress_is_told_after_every_condition(tmp_path):
    told = []
    folder = hand_made(tmp_path, TWO)
    analysed(folder)
    judge_study(folder, advance=told.append)
    assert told == [1, 1]
