"""Tables for a paper: every number once, and no name that is LaTeX, Markdown or a link."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import polars as pl
import pytest
import sample

import reseed
from reseed.report.paper import written
from reseed.report.words import estimated

HOSTILE = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/faults/names.py"))


@pytest.mark.parametrize("form", ["latex", "markdown"])
def test_every_condition_and_comparison_has_a_row_of_as_many_cells_as_there_are_columns(findings, form):
    text = written(findings, form)
    mark, end = (" & ", "\\\\") if form == "latex" else (" | ", "|")
    lines = [line for line in text.splitlines() if mark in line and line.endswith(end) and "---" not in line]
    assert len(lines) == 2 + len(findings.conditions) + len(findings.comparisons)
    verdicts, comparisons = lines[: 1 + len(findings.conditions)], lines[1 + len(findings.conditions) :]
    assert {line.count(mark) for line in verdicts} == {8}
    assert {line.count(mark) for line in comparisons} == {6}
    found = findings.condition("topk-random@centre").agreement
    row = next(line for line in verdicts if "topk-random@centre" in line)
    assert estimated(found.between.last) in row.replace("\\[", "[").replace("\\]", "]")


def test_latex_has_balanced_groups_and_nothing_but_its_own_commands(findings):
    names = list(HOSTILE["NAMES"].values())
    text = written(HOSTILE["hostile"](findings, names), "latex")
    bare = text.replace("\\textbackslash{}", "").replace("\\{", "").replace("\\}", "").replace("\\%", "")
    assert bare.count("{") == bare.count("}")
    assert "%" not in bare
    assert "\\input" not in text
    assert all(line.count("$") % 2 == 0 for line in bare.replace("\\$", "").splitlines())
    assert HOSTILE["stray"](text) == []


@pytest.mark.parametrize(
    ("name", "latex", "markdown"),
    [
        ("a|b", "a\\textbar{}b", "a&#124;b"),
        ("50 % & _x_ #1 $y$ {z}", "50 \\% \\& \\_x\\_ \\#1 \\$y\\$ \\{z\\}", "50 % &#38; \\_x\\_ \\#1 \\$y\\$ \\{z\\}"),
        ("[a](https://b.c) <i>", "{}[a](https:", "\\[a](https&#58;//b.c) &#60;i>"),
        (
            "\\input{x} ~^",
            "\\textbackslash{}input\\{x\\} \\textasciitilde{}\\textasciicircum{}",
            "\\\\input\\{x\\} \\~^",
        ),
        ("a\x1b\nb--c", "a\\textbackslash{}x1b\\textbackslash{}nb-{}-c", "a\\\\x1b\\\\nb--c"),
    ],
)
def test_a_name_is_text(findings, name, latex, markdown):
    named = findings.model_copy(update={"study": {**findings.study, "name": name}})
    assert f"\\caption{{{latex}" in written(named, "latex")
    assert written(named, "markdown").startswith(markdown)


def test_csv_is_the_tidy_table(findings):
    text = written(findings, "csv")
    table = pl.read_csv(text.encode(), schema_overrides=dict(reseed.table(findings).schema))
    assert table.equals(reseed.table(findings))


def test_other_forms_are_refused(findings):
    with pytest.raises(ValueError, match="choose from markdown, latex, csv"):
        written(findings, "docx")


def test_the_table_of_a_notebook_has_every_number_with_its_spread_and_the_floor_with_its_name():
    shown = sample.findings()._repr_html_()
    row = shown[shown.index("topk-random@centre</bdi>") :].split("</tr>")[0]
    told = ["stabilizing", ".74 [.74, .74]", ".62 [.60, .64]", ".17 [.15, .19]", ".58 [.56, .60]", ".23 surrogate"]
    assert re.findall(r"<td><bdi>(.*?)</bdi></td>", row) == [*told, ".41 [.39, .43]"]
