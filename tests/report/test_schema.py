"""The page that documents findings.json, and the promise that JSON holds everything a report prints."""

from __future__ import annotations

from pathlib import Path

from reseed.findings import Findings
from reseed.report.html import page
from reseed.report.schema import markdown
from reseed.report.table import table
from reseed.report.text import render

PAGE = Path(__file__).parents[2] / "docs" / "findings-json.md"


def test_the_page_is_what_the_models_say():
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "the models changed: run  python -m reseed.report.schema docs/findings-json.md"
    )


def test_every_field_has_a_meaning():
    rows = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert not [row for row in rows if row.rstrip(" |").endswith("|") or row.split(" | ")[-1].strip(" |") == ""]


def test_everything_that_is_printed_survives_json(small, tmp_path):
    before = small
    before.write(tmp_path / "findings.json")
    after = Findings.read(tmp_path)
    assert page(after) == page(before)
    assert render(after, width=80, colour=False) == render(before, width=80, colour=False)
    assert table(after).equals(table(before))
