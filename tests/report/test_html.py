"""The HTML report: one file, nothing from outside, everything said."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from itertools import pairwise

import pytest

from reseed._support.numbers import percent, rounded
from reseed.findings import Findings
from reseed.report.figures import KINDS
from reseed.report.html import page, write_report
from reseed.report.words import ratio
from reseed.verdict import Outcome


@pytest.fixture(scope="session")
def document(findings):
    return page(findings)


def without_payload(document):
    """The page without the packed library and figures."""
    return re.sub(r'(<script type="text/plain"[^>]*>)[^<]*', r"\1", document)


def said(document):
    """The words on the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_payload(document))).split())


def test_one_file_of_less_than_three_megabytes(small, document, tmp_path):
    path = write_report(small, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert path.stat().st_size < len(document.encode()) < 3_000_000


def test_the_same_findings_give_the_same_bytes(small):
    assert page(small) == page(small)


def test_nothing_points_outside_the_file(document):
    assert not re.findall(r"https?://|(?:src|href)=\"(?!#|data:)", without_payload(document))
    assert "default-src 'none'" in document


def test_plotting_library_and_figures_are_embedded_once(document, findings):
    packed = dict(re.findall(r'<script type="text/plain" id="(\w+)">([^<]*)</script>', document))
    assert list(packed) == ["findings", "plotly"]
    assert unpacked(packed["plotly"]).startswith("/**\n* plotly.js v")
    assert document.count("plotly.js v") == 0
    kinds = dict(re.findall(r'class="figures" data-kind="([\w-]+)">([^<]*)</script>', document))
    places = re.findall(r'data-kind="([\w-]+)" data-figure="(\d+)"', document)
    assert set(kinds) == set(KINDS)
    for kind, figures in kinds.items():
        numbers = [int(number) for of, number in places if of == kind]
        assert sorted(numbers) == list(range(len(json.loads(unpacked(figures)))))
    assert len(places) > len(findings.conditions) * 4


def unpacked(text):
    return gzip.decompress(base64.b64decode(text)).decode()


def test_the_findings_are_in_the_page_as_they_are(findings, document):
    told = Findings.model_validate_json(unpacked(re.findall(r'id="findings">([^<]*)<', document)[0]))
    assert {each.name for each in told.conditions} == {each.name for each in findings.conditions}
    first = findings.conditions[0]
    assert told.condition(first.name).pairs == first.pairs


def test_every_verdict_is_a_word_a_sentence_and_what_would_change_it(findings, document):
    words = said(document)
    for verdict in findings.verdicts.values():
        assert verdict.sentence in words
        assert f"What would change our mind: {verdict.would_change}" in words
        assert all(sentence in words for sentence in verdict.disagreements)
    assert {verdict.outcome for verdict in findings.verdicts.values()} == set(Outcome)
    for outcome in Outcome:
        assert re.search(rf'<span class="word \w+">{outcome}</span>', document)


def test_question_and_answer_come_first_then_a_line_for_each_condition_then_the_curves(findings, document):
    document = html.unescape(document)
    head = [f">{findings.question}</h1>", f">{findings.answer}</p>"]
    marks = [*head, '<table class="rows">', 'class="plot"', 'id="verdicts"']
    places = [document.index(mark) for mark in marks]
    assert places == sorted(places)
    rows = document[places[2] : document.index("</table>", places[2])]
    assert all(f'<bdi class="arm">{each.arm}</bdi>' in rows for each in findings.conditions)
    assert ".23 <small><bdi>surrogate</bdi></small>" in rows
    order = re.findall(r'<span class="at">@([\w-]+)</span>', rows)
    assert order == sorted(order, key=lambda name: name != "centre")
    first = document.index('class="panels trajectory"')
    assert first < min(document.index(f'class="panels {kind}') for kind in KINDS if kind != "trajectory")


def test_every_measure_stands_in_its_row_with_its_distance_and_its_strictest_null(findings, document):
    condition = findings.condition("topk-random@centre")
    table = document[document.index('<table class="measures"') :]
    group = said(table[table.index(">topk-random<") :])
    row = group[group.index("whitened agreement") : group.index("subspace overlap")]
    whitened = condition.measures["whitened"]
    for estimate in (whitened.between.last, ratio(whitened.between), whitened.within.last):
        assert rounded(estimate.value) in row
    assert f"surrogate {rounded(whitened.floor.value)}" in row
    assert f"{percent(condition.alive.value)} of the atoms alive" in group


def test_headline_comparisons_and_warnings_are_said(findings, document):
    words = said(document)
    for sentence in (findings.headline, *findings.warnings, *(each.sentence for each in findings.comparisons)):
        assert sentence in words


def test_every_roll_of_every_run_is_in_the_ledger(findings, document):
    for condition in findings.conditions:
        for run in condition.runs:
            assert run.id in document
            for die, rolled in run.rolls.items():
                assert f'title="{die} {rolled}"' in document


def test_what_the_study_says_is_text_and_never_markup(small):
    named = {**small.study, "name": "</title><script>alert(1)</script>"}
    hostile = small.model_copy(update={"study": named, "headline": "<img src=x onerror=alert(1)>"})
    document = page(hostile)
    assert "<script>alert" not in document
    assert "<img" not in without_payload(document)


def test_tables_and_figures_can_be_read_aloud(document):
    tables = re.findall(r"<table.*?</table>", document, re.DOTALL)
    assert len(tables) >= 5
    assert all("<caption>" in table and 'scope="col"' in table and 'scope="row"' in table for table in tables)
    assert all(len(alt) > 40 for alt in re.findall(r'class="plot".*?aria-label="([^"]*)"', document))
    levels = [int(level) for level in re.findall(r"<h(\d)", document)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_undefined_numbers_say_what_they_mean(document):
    words = said(document)
    assert "one start" in words
    assert "no two runs" in words
    assert "n/a" not in words
    assert not re.search(r"\bnan\b|\bNone\b(?!\.)", said(document).replace("None.", ""))


def test_a_study_without_comparisons_warnings_or_pairs_still_gives_a_page(findings):
    lonely = findings.condition("topk-data@centre")
    bare = Findings(
        reseed="0.1.0", study={}, activations={}, machine={}, headline="1 condition: 1 not testable.",
        geometry=(), conditions=(lonely,), comparisons=(), shared_dice=(), warnings=(),
    )  # fmt: skip
    words = said(page(bare))
    assert "There are no two runs to compare." in words
    assert f"none {rounded(lonely.runs[0].metrics['r2'][-1])} " in words
    assert "Attribution" not in words


def test_a_comparison_of_unlike_starts_is_labelled_and_has_no_word(findings, document):
    part = document[document.index('id="attribution"') : document.index('id="across"')]
    words = said(part)
    assert not findings.comparisons[0].like_with_like
    assert "k-means against random starts" in words
    assert "not compared" in words
    assert "inconclusive , about 9 starts per arm would decide" in words


def test_letters_stand_nowhere_before_the_words_that_explain_them(document):
    first = said(document[document.index("<body>") : document.index('id="attribution"')])
    assert not re.search(r"\b[WBM]\(|κ(?! \d| \.)|\bW\b|\bB\b", first.partition("Verdicts")[0])


def test_what_lies_one_level_down_is_folded_and_told(findings, document):
    folded = re.findall(r'<section class="folded" id="(\w+)"', document)
    assert {"across", "effects", "cosines", "memory", "mechanisms", "companions", "dice", "cite"} <= set(folded)
    words = said(document)
    condition = findings.condition("topk-random@centre")
    for sentence in (condition.births.sentence, findings.same_ends[0].sentence):
        assert sentence in words
    assert "elliptical surrogate (3 runs): agreement .15 → .23" in words
    assert "agreed most at step 20 (.91) and fell by .30 [.28, .32]" in words
    assert "topk-kmeans .51 .47 .43" in words
    assert "above cosine 0.7: .38 [.36, .40]" in words


def test_methods_and_citation_can_be_copied(findings, document):
    words = said(document)
    runs = sum(run.status == "finished" for each in findings.conditions for run in each.runs)
    assert f"We trained {runs} runs in 10 conditions" in words
    assert "elliptical surrogates of the activations" in words
    assert "@software{reseed," in words
    assert "eprint = {2606.02061}" in words


def test_of_very_many_conditions_the_page_has_verdicts_and_curves_and_says_where_the_rest_is(small, monkeypatch):
    monkeypatch.setattr("reseed.report.html.DETAILED", 1)
    document = page(small)
    first, second = (each.name for each in small.conditions)
    kinds = dict(re.findall(r'class="figures" data-kind="([\w-]+)">([^<]*)</script>', document))
    assert len(json.loads(unpacked(kinds["trajectory"]))) == 2
    assert len(json.loads(unpacked(kinds["fit"]))) == 1
    words = said(document)
    assert "The first 1 of 2 conditions; the others are in findings.json" in words
    assert f'reseed.figure(findings, "{second}", kind="fit")' in words
    assert f'reseed.figure(findings, "{first}"' not in words
    assert small.condition(second).verdict.sentence in words
