"""The text report: the verdict table first, readable without colour, at 80 and at 160 columns."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest

from reseed._support.numbers import rounded
from reseed.report.citing import methods
from reseed.report.text import render
from reseed.report.words import estimated, ratio

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


def full(findings, width):
    return render(findings, width=width, colour=False, full=True)


def squeezed(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(findings, width):
    for text in (render(findings, width=width, colour=False), full(findings, width)):
        assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_question_answer_and_a_line_for_each_condition_fit_a_screen(findings, width):
    lines = render(findings, width=width, colour=False).splitlines()
    assert len(lines) <= 40
    first = squeezed(f"{findings.study['name']} {findings.question} {findings.answer}")
    assert squeezed(" ".join(lines)).startswith(first)
    for condition in findings.conditions:
        assert any(re.search(rf"^{condition.name[:20]}\S*\s+{condition.verdict.outcome}\s", line) for line in lines)


def test_without_an_answer_the_headline_stands_in_its_place(findings):
    bare = findings.model_copy(update={"question": "", "answer": ""})
    assert render(bare, width=160, colour=False).splitlines()[1] == findings.headline


def test_the_false_words_to_expect_are_counted_over_the_conditions_that_have_an_interval(findings):
    judged = [each.agreement.between.last for each in findings.conditions if each.agreement]
    tested = [last for last in judged if not math.isnan(last.low)]
    assert 1 < len(tested) < len(findings.conditions)
    told = f"{len(tested)} conditions are expected to give up to {rounded(0.05 * len(tested))} false words"
    assert told in " ".join(render(findings, width=80, colour=False).split())
    assert told in methods(findings)
    assert "false words" not in methods(findings.model_copy(update={"conditions": ()}))
    younger = findings.study | {"thresholds": findings.study["thresholds"] | {"level": 0.9, "not_known_yet": 1}}
    assert "Brackets are 90 % intervals" in methods(findings.model_copy(update={"study": younger}))


def test_what_is_not_to_be_said_of_the_columns_leaves_no_gap(findings):
    assert all(each.sign == "signed" for each in findings.conditions)
    assert re.search(r"R²: held-out\. \S", render(findings, width=2000, colour=False))


def test_centred_conditions_come_before_uncentred_ones(findings):
    lines = render(findings, width=160, colour=False).splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("condition"))
    table = [line.split()[0] for line in lines[head + 2 :][: len(findings.conditions)]]
    assert sorted(table) == sorted(each.name for each in findings.conditions)
    assert [name.endswith("@centre") for name in table] == sorted(name.endswith("@centre") for name in table)[::-1]


def test_the_short_text_says_how_much_it_leaves_out(findings):
    text = squeezed(render(findings, width=80, colour=False))
    said = sum(each.verdict.sentence in text for each in findings.conditions)
    assert 0 < said < len(findings.conditions)
    assert f"{len(findings.conditions) - said} more sentences, comparisons" in text
    assert "reseed report STUDY --full" in text


def test_a_wide_table_has_one_line_per_condition_with_all_its_evidence(findings):
    condition = findings.condition("topk-random@centre")
    text = render(findings, width=160, colour=False)
    row = next(line for line in text.splitlines() if line.startswith(condition.name))
    between = condition.agreement.between
    assert f".17 → .58 [{rounded(between.last.low)}, {rounded(between.last.high)}]" in row
    assert ".23 surrogate" in row
    assert ".28 [.26, .30]" in row  # the replicated share
    assert "+.41 [.39, .43]" in row


def test_distances_are_told_against_the_null_and_in_words_where_they_exceed_it(findings):
    condition = findings.condition("topk-random@centre")
    far = ratio(condition.agreement.between)
    assert far.value == pytest.approx((1 - 0.58) / (1 - 0.23))
    text = squeezed(full(findings, 160))
    assert f"distance {estimated(far)} of the null's (surrogate)" in text
    assert "1.06 [1.02, 1.10] times as far apart as the null (surrogate)" in text
    assert "adjusted" not in text


def test_a_comparison_of_unlike_starts_has_no_word(findings):
    text = squeezed(full(findings, 160))
    unlike, alike = findings.comparisons
    assert not unlike.like_with_like
    assert f"{estimated(unlike.gain_difference, sign=True)}: not compared" in text
    assert f"{estimated(alike.gain_difference, sign=True)}: inconclusive" in text
    assert "disadvantage" not in text


def test_what_the_second_edition_adds_is_told_in_full(findings):
    text = squeezed(full(findings, 160))
    condition = findings.condition("topk-random@centre")
    assert condition.births.sentence in text
    assert findings.same_ends[0].sentence in text
    assert "the same recipe on the elliptical surrogate (3 runs): agreement .15 → .23 [.22, .24]" in text
    assert "agreed most at step 20 (.91) and fell by .30 [.28, .32] until the last step" in text
    assert "half-life 412 steps); 20 % of the atoms still sit at their birth index (half-life 1,210 steps)" in text
    assert "2 topk-kmeans .51 .47 .43 3 ra-topk-kmeans .44 .43" in text


def test_two_hundred_conditions_have_two_hundred_lines_at_most(findings):
    many = tuple(
        each.model_copy(update={"name": f"arm-{i}@centre", "arm": f"arm-{i}"})
        for i in range(20)
        for each in findings.conditions
    )
    text = render(findings.model_copy(update={"conditions": many}), width=80, colour=False)
    assert len(text.splitlines()) <= 200
    assert "and 50 conditions more" in text


def test_every_sentence_comparison_and_warning_is_said(findings):
    said = squeezed(full(findings, 80))
    for verdict in findings.verdicts.values():
        assert verdict.sentence in said
        assert verdict.would_change in said
        assert all(sentence in said for sentence in verdict.disagreements)
    for comparison in findings.comparisons:
        assert comparison.sentence in said
    for warning in findings.warnings:
        assert warning in said


def test_what_each_die_contributes_is_said_with_its_intervals(findings):
    text = full(findings, 80)
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


def test_what_is_not_defined_says_why(findings):
    text = full(findings, 160)
    row = next(line for line in text.splitlines() if line.startswith("topk-data@centre"))
    assert row.split()[3:9] == ["no", "two", "runs", "none", "no", "two"]
    assert "one start" in next(line for line in text.splitlines() if line.startswith("ra-topk-shared@centre"))
    assert "n/a" not in text
    assert "nan" not in text.lower().replace("permanen", "")
    assert "started apart, gain: all runs share one start" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_single_run_tells_its_own_fit_without_a_spread(findings, width):
    condition = findings.condition("topk-data@centre")
    text = full(findings, width)
    row = next(line for line in text.splitlines() if line.startswith(condition.name))
    assert row.split()[-1] == rounded(condition.runs[0].metrics["r2"][-1])
    assert "R², alive: one run: no spread" in squeezed(text)


def test_an_archetypal_condition_says_what_its_mixtures_did_and_others_what_their_atoms_did(findings):
    said = squeezed(full(findings, 160))
    assert said.count("Mechanisms (W: born identical, B: started apart): retention") == sum(
        bool(condition.measures) for condition in findings.conditions
    )
    archetypal = [each for each in findings.conditions if "frozen_rows" in each.metrics]
    mixtures = (
        "frozen rows of the mixing weights .30 · entropy of the mixing weights, nats 2.10 · "
        "points in a mixture, exp(entropy) 8.20"
    )
    assert said.count(mixtures) == len(archetypal)
    assert "explained by it W .36, B .06 · beyond it W .26, B .22 · persistence W .97, B .80" in said


def test_dead_atoms_are_told_with_the_agreement_of_the_others(findings):
    said = squeezed(full(findings, 160))
    assert "87 % of the atoms are alive: agreement between starts is .21, of alive atoms .22 [.20, .24]" in said
    assert "100 % of the atoms" not in said
    assert ">99 % of the atoms" not in said


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
    assert errors == [f"{name} is not installed: run  pip install 'reseed[report]'" for name in ("jinja2", "plotly")]


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
    assert said in squeezed(full(findings, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_children_are_told_with_the_step_that_determines(findings, width):
    text = squeezed(full(findings, width))
    assert text.count("with their parents · s* 100") == 1
    assert "children of step 0 agree .61 [.59, .63], of step 1 agree .62" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_barriers_are_told_of_the_pairs_that_there_are(findings, width):
    text = squeezed(full(findings, width))
    apart = [each for each in findings.conditions if each.barriers and each.init_groups > 1]
    assert text.count("barrier in R², runs born identical .12 [.11, .13] matched, .43 [.42, .44] unmatched") == len(
        [each for each in findings.conditions if each.barriers]
    )
    assert text.count("started apart .12 [.11, .13] matched") == len(apart)
