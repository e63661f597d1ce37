"""What somebody registered, here or elsewhere, is shown by itself: in text, page, figures and the tidy table."""

from __future__ import annotations

from dataclasses import replace

import pytest

import reseed
from reseed.findings import Floor
from reseed.floors import FLOORS
from reseed.report.figures import figure
from reseed.report.html import page
from reseed.report.text import render

CONDITION = "topk-random@centre"


@pytest.fixture
def grown(small, monkeypatch):
    """Two conditions, with a companion, a mechanism and a floor that nobody knew before.

    Of the tables only that of floors knows of it, for the columns of the tidy table: the findings say the rest.
    """
    monkeypatch.setitem(FLOORS, "slow walk", replace(FLOORS["data"], name="slow walk"))
    return small.model_copy(update={"conditions": tuple(map(_with_more, small.conditions))})


def _with_more(condition):
    floor = Floor(
        name="slow walk",
        title="a slow walk",
        role="reference",
        value=0.123,
        spread=0.01,
        standard_error=0.01,
        n=4,
        policy="By walking slowly.",
    )
    found = condition.measures
    agreement = found["agreement"].model_copy(update={"floors": (*found["agreement"].floors, floor)})
    late = found["mmcs"].model_copy(update={"title": "late agreement", "meaning": "agreement that came late"})
    delay = found["excess"].model_copy(update={"title": "delay of matching", "short": "delay"})
    return condition.model_copy(update={"measures": {**found, "agreement": agreement, "late": late, "delay": delay}})


def test_the_page_has_its_rows_columns_and_meanings(grown):
    document = page(grown)
    assert '<th scope="row">late agreement</th>' in document
    assert "<dt>late agreement</dt><dd>agreement that came late</dd>" in document
    assert '<th scope="col" class="number">delay of matching</th>' in document
    assert '<th scope="col" class="number">a slow walk <small>reference</small></th>' in document
    assert ".123</span> <small>± .010, 6 pairs</small>" in document
    assert "<dt>a slow walk</dt><dd>By walking slowly.</dd>" in document


def test_figures_have_its_panels_and_lines(grown):
    def titles(kind):
        return [each.text for each in figure(grown, CONDITION, kind=kind).layout.annotations]

    assert titles("companions")[-1] == "late agreement"
    assert titles("mechanisms")[-1] == "delay of matching"
    assert "reference: a slow walk" in [each.name for each in figure(grown, CONDITION).data]


def test_the_text_tells_what_it_says_of_the_atoms(grown):
    text = " ".join(render(grown, width=160, colour=False, full=True).split())
    assert text.count("· persistence W .97, B .80 · delay W .26, B .22") == 1


def test_the_tidy_table_has_its_rows_and_columns(grown):
    table = reseed.table(grown)
    assert {"late", "delay"} <= set(table["measure"])
    assert table.columns[-2:] == ["floor_slow_walk", "strictest"]
    assert set(table["floor_slow_walk"].drop_nulls()) == {0.123}


def test_a_floor_that_is_not_registered_here_has_its_title_and_its_column_all_the_same(grown, monkeypatch):
    monkeypatch.delitem(FLOORS, "slow walk")
    assert '<th scope="col" class="number">a slow walk <small>reference</small></th>' in page(grown)
    assert set(reseed.table(grown)["floor_slow_walk"].drop_nulls()) == {0.123}


def test_what_has_no_title_is_shown_by_its_name(grown):
    document = page(grown.model_copy(update={"conditions": tuple(map(_untitled, grown.conditions))}))
    assert '<th scope="row">late</th>' in document
    assert "<dt>late</dt>" not in document
    assert '<th scope="col" class="number">slow walk</th>' in document


def _untitled(condition):
    found = condition.measures
    *known, walk = found["agreement"].floors
    floors = (*known, walk.model_copy(update={"title": "", "role": ""}))
    agreement = found["agreement"].model_copy(update={"floors": floors})
    late = found["late"].model_copy(update={"title": "", "meaning": ""})
    return condition.model_copy(update={"measures": {**found, "agreement": agreement, "late": late}})
