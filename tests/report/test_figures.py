"""Figures say what the findings say, in the theme's colours, from step 0."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from itertools import pairwise

import pytest
from sample import STEPS

import reseed
from reseed._support.numbers import rounded
from reseed.report import theme
from reseed.report.axes import Label, margin_labels, position, round_ticks
from reseed.report.figures import KINDS, figure

MAIN = "topk-random@centre"
WORDS = ("ink", "muted", "within", "between", "plain", *(role for role in theme.COLOURS if role.endswith("-accent")))


def trace(drawn, name):
    return next(each for each in drawn.data if each.name == name)


@pytest.fixture(scope="session")
def album(findings):
    """Every kind of figure of every condition."""
    return {kind: [figure(findings, each.name, kind=kind) for each in findings.conditions] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_for_every_condition_or_has_no_traces(album, kind):
    assert all(drawn.layout.meta["alt"].endswith(".") for drawn in album[kind])
    assert any(drawn.data for drawn in album[kind])


def test_an_unknown_kind_or_condition_is_refused_with_what_there_is(findings):
    with pytest.raises(ValueError, match="choose from trajectory, cosines"):
        figure(findings, MAIN, kind="pie")
    with pytest.raises(KeyError, match="this study has topk-planted@centre"):
        figure(findings, "nobody@none")


def test_the_trajectory_shows_both_curves_from_step_0_to_the_last(findings):
    condition = findings.condition(MAIN)
    drawn = reseed.figure(findings, MAIN)
    for relation, name in (("within", "born identical"), ("between", "started apart")):
        assert trace(drawn, name).x == tuple(position(step) for step in STEPS)
        assert trace(drawn, name).y == condition.agreement.pairs(relation).curve.value
    assert position(0) == 0 < position(1) < position(2)
    assert drawn.layout.xaxis.ticktext[:3] == ("0", "1", "10")


def test_on_hovering_stands_the_distance_over_that_of_the_null(findings):
    found = findings.condition(MAIN).agreement
    drawn = figure(findings, MAIN)
    assert "apart <b>.58</b>" in [each.text for each in drawn.layout.annotations]
    for text, value in zip(trace(drawn, "started apart").text, found.between.curve.value, strict=True):
        assert f"distance over the null's: {rounded((1 - value) / (1 - found.floor.value), 3)}" in text


def test_the_surrogate_is_marked_where_somebody_looked(findings):
    found = findings.condition(MAIN).surrogate
    marked = trace(figure(findings, MAIN), "the same recipe on the surrogate")
    assert marked.x == (position(0), position(STEPS[-1]))
    assert marked.y == (found.born.value, found.last.value)


def test_matched_cosines_are_drawn_against_those_of_the_null(findings):
    found = findings.condition(MAIN).cosines
    drawn = figure(findings, MAIN, kind="cosines")
    assert trace(drawn, "null: surrogate").y == found.null
    assert trace(drawn, "null: surrogate").line.dash == "dash"
    assert trace(drawn, "started apart, at the end").y == found.between
    assert "beyond the null from" in drawn.layout.annotations[0].text


def test_memory_and_identity_are_drawn_with_both_half_lives(findings):
    condition = findings.condition(MAIN)
    drawn = figure(findings, MAIN, kind="memory")
    assert trace(drawn, "identity").y == condition.identity.value
    said = [each.text for each in drawn.layout.annotations]
    assert {"half-life 412 steps", "half-life 1,210 steps"} <= set(said)


def test_a_figure_keeps_its_title(findings):
    assert figure(findings, MAIN).layout.title.text == f"Agreement from step 0 to the end: {MAIN}"


def test_of_very_many_pairs_the_least_and_the_most_are_drawn_and_those_between_evenly(findings):
    condition = findings.condition(MAIN)
    pair = next(each for each in condition.pairs if each.relation == "between")
    many = tuple(pair.model_copy(update={"agreement": (*pair.agreement[:-1], i / 1000)}) for i in range(1000))
    crowded = findings.model_copy(update={"conditions": (condition.model_copy(update={"pairs": many}),)})
    ends = trace(figure(crowded, MAIN), "pairs started apart").y[len(STEPS) - 1 :: len(STEPS) + 1]
    assert len(ends) == 60
    assert (ends[0], ends[-1]) == (0.0, 0.999)


def test_mechanisms_show_what_all_methods_have_and_what_one_says_about_itself(findings):
    titles = [each.text for each in figure(findings, MAIN, kind="mechanisms").layout.annotations]
    assert titles == ["agreement beyond retention", "match persistence"]
    drawn = figure(findings, "ra-topk-kmeans@none", kind="mechanisms")
    frozen = next(each for each in drawn.data if each.name == "frozen rows of the mixing weights, mean")
    assert frozen.y == findings.condition("ra-topk-kmeans@none").metrics["frozen_rows"].value


def test_hovering_names_the_two_runs_of_a_pair(findings):
    condition = findings.condition(MAIN)
    drawn = figure(findings, MAIN)
    said = "".join(trace(drawn, "pairs started apart").text)
    between = [pair for pair in condition.pairs if pair.relation == "between"]
    assert said.count("s0 r0 and s1 r0") == len(STEPS)
    assert len([y for y in trace(drawn, "pairs started apart").y if y is not None]) == len(between) * len(STEPS)
    lowest = min(pair.agreement[-1] for pair in between)
    assert f"least: {rounded(lowest, 3)}" in trace(drawn, "started apart").text[-1]


def test_nulls_are_dashed_references_dotted_and_the_origin_is_where_the_curve_begins(findings):
    condition = findings.condition(MAIN)
    across = [each for each in figure(findings, MAIN).data if (each.name or "").startswith(("null: ", "reference: "))]
    shown = [floor for floor in condition.agreement.floors if floor.role != "origin"]
    assert [each.y[0] for each in across] == [floor.value for floor in shown]
    assert [each.line.dash for each in across] == ["dash" if floor.role == "null" else "dot" for floor in shown]
    widest = max(across, key=lambda each: each.line.width)
    assert widest.name == "null: surrogate"


def test_panels_of_one_study_share_the_vertical_axis(album):
    assert len({drawn.layout.yaxis.range for drawn in album["trajectory"]}) == 1


def test_undefined_values_leave_gaps(findings):
    drawn = figure(findings, "ra-topk-shared@centre")
    assert not [each for each in drawn.data if each.name == "started apart"]
    assert not figure(findings, "ra-topk-shared@centre", kind="memory").data
    assert "NaN" not in drawn.to_json()


def test_attribution_has_bars_with_intervals_for_the_gap_its_parts_and_what_is_tested(findings):
    drawn = figure(findings, "ra-topk-kmeans@centre", kind="attribution")
    gap, born, earned, tested = drawn.data
    assert tested.x == tuple(comparison.gain_difference.value for comparison in findings.comparisons)
    assert "not compared" in drawn.layout.annotations[0].text
    assert gap.x == tuple(comparison.gap.value for comparison in findings.comparisons)
    for end, start, made in zip(gap.x, born.x, earned.x, strict=True):
        assert math.isclose(end, start + made)
    first = findings.comparisons[0].gap
    assert gap.error_x.array[0] == pytest.approx(first.high - first.value)
    assert len(figure(findings, MAIN, kind="attribution").data[0].x) == 1  # the other comparison is not topk-random's


@pytest.mark.parametrize("kind", KINDS)
def test_figures_use_no_colour_but_the_themes(album, kind):
    known = {shade.light for shade in theme.COLOURS.values()}
    assert set().union(*(colours(json.loads(drawn.to_json())) for drawn in album[kind])) <= known


def colours(part):
    if isinstance(part, str):
        return {part} if part.startswith(("#", "rgb")) else set()
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return set().union(*map(colours, parts))


def test_each_colour_names_one_role():
    lights = [shade.light for shade in theme.COLOURS.values()]
    assert len(set(lights)) == len(lights)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("role", WORDS)
def test_words_stand_out_from_the_paper(scheme, role):
    paper = getattr(theme.COLOURS["surface"], scheme)
    assert contrast(getattr(theme.COLOURS[role], scheme), paper) >= 4.5  # WCAG 2.2, success criterion 1.4.3


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_labels_beside_a_panel_never_overlap():
    labels = [Label("W", 0.951, "within"), Label("B", 0.95, "between"), Label("floor", 0.949, "floor")]
    labels += [Label("low", -0.01, "floor"), Label("none", math.nan, "floor")]
    placed = [each["y"] for each in margin_labels(labels, (0.0, 1.0), 300)]
    assert len(placed) == 4
    assert all(above - below >= 15 / 300 - 1e-12 for above, below in pairwise(placed))


@pytest.mark.parametrize(("low", "high"), [(-0.02, 1.03), (-0.41, 1.12), (-0.9, 0.3), (-0.011, 0.012), (-8.0, 1.0)])
def test_ticks_are_round_few_and_hold_zero(low, high):
    ticks = round_ticks(low, high)
    assert 0.0 in ticks
    assert all(low <= tick <= high for tick in ticks)
    assert 2 <= len(ticks) <= 19


def test_children_are_drawn_over_the_step_of_spawning_with_room_for_step_0(findings, album):
    condition = findings.condition(MAIN)
    drawn = figure(findings, MAIN, kind="spawn")
    assert trace(drawn, "children and parents").x == tuple(position(step) for step in condition.spawn.steps)
    assert trace(drawn, "children and parents").y == tuple(each.value for each in condition.spawn.agreement)
    assert drawn.layout.xaxis.range[0] < 0
    assert [bool(each.data) for each in album["spawn"]] == [each.spawn is not None for each in findings.conditions]


def test_children_of_step_0_alone_have_an_axis(findings):
    spawn = findings.condition(MAIN).spawn
    alone = spawn.model_copy(update={"steps": (0,), "agreement": spawn.agreement[:1], "adjusted": spawn.adjusted[:1]})
    conditions = tuple(each.model_copy(update={"spawn": alone}) for each in findings.conditions)
    low, high = figure(findings.model_copy(update={"conditions": conditions}), MAIN, kind="spawn").layout.xaxis.range
    assert low < 0 < high


DRAWN = importlib.util.find_spec("kaleido") is not None


@pytest.mark.skipif(not DRAWN, reason="the extra figures is not installed")
@pytest.mark.parametrize(("form", "start"), [("svg", b"<svg"), ("pdf", b"%PDF-"), ("png", b"\x89PNG")])
def test_a_figure_is_a_file_for_a_paper(findings, tmp_path, form, start):
    path = reseed.write_figure(findings, "topk-random@centre", tmp_path / f"figure.{form}")
    assert path.read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "figure.docx"}, "end it with .svg"),
        ({"path": "figure"}, "end it with .svg"),
        ({"width": 3}, "at least 100 pixels"),
        ({"condition": "topk-data@centre", "kind": "memory"}, "nothing to draw"),
        ({"kind": "hologram"}, "choose from trajectory"),
    ],
)
def test_a_file_that_cannot_be_drawn_is_refused(findings, tmp_path, changes, said):
    given = {"condition": "topk-random@centre", "path": "figure.svg"} | changes
    with pytest.raises(ValueError, match=said):
        reseed.write_figure(findings, given.pop("condition"), tmp_path / given.pop("path"), **given)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_message_names_it(findings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(reseed.MissingExtraError, match=r"pip install 'reseed\[figures\]'"):
        reseed.write_figure(findings, "topk-random@centre", tmp_path / "figure.svg")
