"""The text report: the verdict table first, readable without colour, at 80 and at 160 columns."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from reseed._support.numbers import percent, rounded
from reseed.report.text import render

WIDTHS = (80, 100, 160)
BLOCKED = """
import sys
sys.modules["plotly"] = sys.modules["jinja2"] = None
from pathlib import Path
import reseed
from reseed.findings import Findings
from reseed.report.text import render
findings = Findings.read(Path(sys.argv[1]))
print(len(render(findings, width=80, colour=False)), len(reseed.table(findings)))
page = lambda: reseed.write_report(findings, "report.html")
plot = lambda: reseed.figure(findings, "topk-random@centre")
for call in (page, plot):
    try:
        call()
    except ImportError as error:
        print(error)
"""
PRINTING = """
import sys
from pathlib import Path
from reseed.findings import Findings
from reseed.report.html import page
from reseed.report.paper import written
from reseed.report.text import render
findings = Findings.read(Path(sys.argv[1]))
assert render(findings, width=80, colour=False) and page(findings) and written(findings, "latex")
print(*{name.partition(".")[0] for name in sys.modules} & {"numba", "numpy", "scipy", "torch"})
"""


def squeezed(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(findings, width):
    assert max(map(len, render(findings, width=width, colour=False).splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_verdict_table_comes_first_with_every_condition(findings, width):
    table, _, _ = render(findings, width=width, colour=False).partition(findings.headline[:20])
    assert table.splitlines()[1].split()[:2] == ["condition", "verdict"]
    for condition in findings.conditions:
        assert re.search(rf"^\S+\s+{condition.verdict.outcome}\s", table, re.MULTILINE)


def test_a_wide_table_has_one_line_per_condition_with_all_its_evidence(findings):
    condition = findings.condition("topk-random@centre")
    text = render(findings, width=160, colour=False)
    row = next(line for line in text.splitlines() if line.startswith(condition.name))
    between = condition.agreement.between
    assert f".17 → .58 [{rounded(between.last.low)}, {rounded(between.last.high)}]" in row
    assert ".41 k-means" in row
    assert row.split("k-means")[1].split()[0] == rounded(between.adjusted.value) == ".29"
    assert "+.41 [.39, .43]" in row


def test_every_sentence_comparison_and_warning_is_said(findings):
    said = squeezed(render(findings, width=80, colour=False))
    for verdict in findings.verdicts.values():
        assert verdict.sentence in said
        assert verdict.would_change in said
        assert all(sentence in said for sentence in verdict.disagreements)
    for comparison in findings.comparisons:
        assert comparison.sentence in said
    for warning in findings.warnings:
        assert warning in said


def test_what_each_die_contributes_is_said_with_its_intervals(findings):
    text = render(findings, width=80, colour=False)
    assert "What sharing a die contributes: topk, random starts, @centre" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["effect", "of", "sharing", "init", "+.70", "[.70,", ".70]", "+.08", "[.06,", ".10]"] in rows
    assert any(row[:6] == ["agreement", "of", "runs", "that", "share", "nothing"] for row in rows)


def test_colour_adds_nothing_but_colour(findings):
    plain, coloured = (render(findings, width=100, colour=colour) for colour in (False, True))
    assert "\x1b" not in plain
    assert coloured != plain
    without = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


def test_what_is_not_defined_reads_n_a_and_why(findings):
    text = render(findings, width=160, colour=False)
    row = next(line for line in text.splitlines() if line.startswith("topk-data@centre"))
    assert row.split()[6:] == ["n/a"] * 5
    assert "nan" not in text.lower().replace("permanen", "")
    assert "B, gain: all runs share one start" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_single_run_tells_its_own_fit_without_a_spread(findings, width):
    condition = findings.condition("topk-data@centre")
    text = squeezed(render(findings, width=width, colour=False))
    r2, alive = (condition.runs[0].metrics[name][-1] for name in ("r2", "alive"))
    assert re.search(rf"topk-data(@centre)? not testable {rounded(r2)} {percent(alive)} n/a", text)
    assert "R², alive: one run: no spread" in text


def test_a_narrow_table_says_what_the_agreement_is_when_adjusted(findings):
    text = render(findings, width=80, colour=False)
    adjusted = rounded(findings.condition("topk-random@centre").agreement.between.adjusted.value)
    assert f"adj. {adjusted}" in text
    assert text.count("adj. ") == len(findings.conditions)


def test_an_archetypal_condition_says_what_its_mixtures_did_and_others_what_their_atoms_did(findings):
    said = squeezed(render(findings, width=160, colour=False))
    assert said.count("Mechanisms: retention") == sum(bool(condition.measures) for condition in findings.conditions)
    archetypal = [each for each in findings.conditions if "frozen_rows" in each.metrics]
    mixtures = (
        "frozen rows of the mixing weights .30 · entropy of the mixing weights, nats 2.10 · "
        "points in a mixture, exp(entropy) 8.20"
    )
    assert said.count(mixtures) == len(archetypal)
    assert "explained by it W .36, B .06 · beyond it W .26, B .22 · persistence W .97, B .80" in said


def test_dead_atoms_are_told_with_the_agreement_of_the_others(findings):
    said = squeezed(render(findings, width=160, colour=False))
    assert "87 % of the atoms are alive: agreement between starts is .21, of alive atoms .22 [.20, .24]" in said
    assert "100 % of the atoms" not in said
    assert ">99 % of the atoms" not in said


def test_a_floor_near_1_comes_with_what_a_difference_is_worth(findings):
    said = squeezed(render(findings, width=160, colour=False))
    note = "the floor is .95: .01 of agreement is .20 when floor-adjusted, so read both scales"
    assert said.count(note) == sum("none" in each.name for each in findings.conditions)


def test_numbers_are_never_rounded_to_certainty(findings):
    row = next(line for line in render(findings, width=160, colour=False).splitlines() if "ra-topk-kmeans@none" in line)
    assert ">.99" in row  # W(T) = .996
    assert ">99 %" in render(findings, width=160, colour=False)  # alive = .9996


def test_the_same_findings_give_the_same_text(findings):
    assert render(findings, width=80, colour=True) == render(findings, width=80, colour=True)


def test_text_and_table_work_without_the_extra_and_the_rest_says_what_to_install(findings, tmp_path):
    findings.write(tmp_path / "findings.json")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    counts, *errors = done.stdout.splitlines()
    assert all(int(count) > 1000 for count in counts.split())
    assert errors == ["plotly is not installed: run  pip install 'reseed[report]'"] * 2


def test_tables_load_no_torch(findings, tmp_path):
    findings.write(tmp_path / "findings.json")
    script = (
        "import sys, reseed; assert len(reseed.table(reseed.Findings.read(sys.argv[1]))); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_text_and_page_load_nothing_that_trains_or_measures(findings, tmp_path):
    findings.write(tmp_path / "findings.json")
    command = [sys.executable, "-c", PRINTING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_learning_rates_that_were_tuned_say_how(findings, width):
    said = "topk-random: learning rate 0.001, chosen on held-out R² (centre) among 0.0003, 0.001, 0.003"
    assert said in squeezed(render(findings, width=width, colour=False))


@pytest.mark.parametrize("width", WIDTHS)
def test_children_are_told_with_the_step_that_determines(findings, width):
    text = squeezed(render(findings, width=width, colour=False))
    assert text.count("with their parents · s* 100") == 1
    assert "children of step 0 agree .61 [.59, .63], of step 1 agree .62" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_barriers_are_told_of_the_pairs_that_there_are(findings, width):
    text = squeezed(render(findings, width=width, colour=False))
    apart = [each for each in findings.conditions if each.barriers and each.init_groups > 1]
    assert text.count("barrier in R², runs born identical .12 [.11, .13] matched, .43 [.42, .44] unmatched") == len(
        [each for each in findings.conditions if each.barriers]
    )
    assert text.count("started apart .12 [.11, .13] matched") == len(apart)
