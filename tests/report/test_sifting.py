"""Twenty conditions on one page: they fit, and are filtered, grouped and sorted by pointer and keys."""

import re

import pytest
import sample

from reseed.report.html import page, write_report
from reseed.report.sifting import choices, keys, tally

PATIENCE = 60_000  # milliseconds
LONG = "a-topk-from-centroids-with-" + "averylongnamewithoutanyhyphen" * 2
ALL = re.compile(r"^20 conditions: ")
PREPROCESSINGS = ("centre", "none")


def renamed(condition, place):
    """The same condition as another arm, of another method and start."""
    arm = LONG if place == 13 else f"arm-{place}"
    preprocess = PREPROCESSINGS[place % 2]
    kind, start = (("topk", "random"), ("relu", "data"), ("ra-topk", "kmeans"))[place % 3]
    name = f"{arm}@{preprocess}"
    told = {"name": name, "arm": arm, "preprocess": preprocess, "kind": kind, "start_kind": start}
    return condition.model_copy(update=told)


@pytest.fixture(scope="module")
def many():
    found = sample.findings()
    conditions = tuple(renamed(each, place) for place, each in enumerate(found.conditions * 2))
    names = {name: [each.arm for each in conditions if each.preprocess == name] for name in PREPROCESSINGS}
    comparisons = tuple(
        found.comparisons[0].model_copy(update={"first": arm, "second": arms[0], "preprocess": preprocess})
        for preprocess, arms in names.items()
        for arm in arms[1:]
    )
    arms = tuple(names["centre"])
    across = found.across[0].model_copy(
        update={"arms": arms, "rows": arms, "agreement": tuple(tuple(0.5 for _ in arms) for _ in arms)}
    )
    return found.model_copy(update={"conditions": conditions, "comparisons": comparisons, "across": (across,)})


@pytest.fixture(scope="module")
def url(many, tmp_path_factory):
    return write_report(many, tmp_path_factory.mktemp("many") / "report.html").as_uri()


@pytest.fixture
def opened(browser, url):
    contexts, errors = [], []

    def open_page(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-figures=drawn]", state="attached", timeout=PATIENCE)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def rows(page):
    """Names of the conditions in the first table, from above."""
    return page.locator("#answer tbody tr:visible > th:not([colspan])").all_inner_texts()


def shown(page, selector):
    return sorted(
        map(int, page.locator(f"{selector}:visible").evaluate_all("all => all.map(e => e.dataset.condition)"))
    )


def in_page_order(many):
    return sorted(many.conditions, key=lambda each: each.preprocess != "centre")


def test_twenty_conditions_fit_the_page_and_no_table_scrolls_at_1280(opened):
    page = opened()
    page.click("#unfold")
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"
    assert page.locator(".scroll").evaluate_all(wide) == []


def test_twenty_conditions_fit_a_phone(opened):
    page = opened(390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.click("#unfold")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_first_screen_tallies_the_verdicts_and_has_the_table_and_its_controls(opened, many):
    page = opened()
    assert page.inner_text("#tally") == tally(in_page_order(many))
    for selector in ("#tally", "#sift", "#answer thead"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] < 900


def test_trajectories_are_small_multiples_that_share_their_axes(opened, many):
    page = opened()
    places = page.locator(".panels.trajectory .panel").evaluate_all("all => all.map(e => e.offsetLeft)")
    assert len(set(places)) == 4
    layouts = page.locator(".panels.trajectory .js-plotly-plot").evaluate_all(
        "all => all.map(e => JSON.stringify([e._fullLayout.yaxis.range, e._fullLayout.height]))"
    )
    assert len(layouts) > 3
    assert len(set(layouts)) == 1
    assert len(places) == len(many.conditions)


def test_charts_of_one_row_begin_at_one_height_however_long_a_name_is(opened):
    page = opened()
    for selector in (".panels.trajectory", ".panels.memory"):
        page.evaluate(
            "selector => document.querySelector(selector).closest('details')?.setAttribute('open', '')", selector
        )
        heads = page.locator(f"{selector} figcaption").evaluate_all(
            "all => all.map(e => [e.parentElement.getBoundingClientRect().top, e.getBoundingClientRect().bottom])"
        )
        by_row = {}
        for top, bottom in heads:
            by_row.setdefault(round(top), set()).add(round(bottom))
        assert len(by_row) > 2
        assert all(len(bottoms) == 1 for bottoms in by_row.values())


def test_a_choice_filters_every_table_panel_and_card_and_is_counted(opened, many):
    page = opened()
    page.click("#unfold")
    page.select_option("#sift [name=method]", "ra-topk")
    ordered = in_page_order(many)
    kept = [place for place, each in enumerate(ordered) if each.kind == "ra-topk"]
    measured = [place for place in kept if ordered[place].measures]
    assert shown(page, "#answer tbody tr") == shown(page, "#verdicts li") == kept
    assert shown(page, ".panels.trajectory .panel") == shown(page, "#fit tbody tr") == kept
    assert shown(page, ".measures tbody") == measured
    assert page.inner_text("#tally").startswith(f"{len(kept)} of 20 conditions: ")
    arms = {ordered[place].arm for place in kept}
    gaps = page.locator(".gaps tbody tr:visible > th:not([colspan]) .name").all_inner_texts()
    assert 0 < len(gaps) < len(many.comparisons)
    assert all(arms & set(gap.split(" \N{MINUS SIGN} ")) for gap in gaps)
    page.click("#sift button[type=reset]")
    page.locator("#tally", has_text=ALL).wait_for()
    assert shown(page, "#answer tbody tr") == list(range(20))


def test_words_are_sought_in_names_and_groups_and_nothing_found_is_said(opened, many):
    page = opened()
    page.fill("#sift [name=words]", "RELU none")
    assert rows(page) == [each.name for each in in_page_order(many) if (each.kind, each.preprocess) == ("relu", "none")]
    page.fill("#sift [name=words]", "no such arm")
    assert rows(page) == []
    assert page.inner_text("#tally") == "0 of 20 conditions"


def test_a_heading_sorts_down_up_and_as_it_was(opened, many):
    page = opened()
    before = rows(page)
    heading = page.locator("#answer th[data-sort=r2]")
    by_r2 = sorted(in_page_order(many), key=lambda each: -each.r2.value)
    for direction, expected in (("descending", by_r2), ("ascending", by_r2[::-1])):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        values = {each.name: each.r2.value for each in many.conditions}
        assert [values[name] for name in rows(page)] == [each.r2.value for each in expected]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "none"
    assert rows(page) == before


def test_what_has_no_number_is_sorted_last_either_way(opened, many):
    page = opened()
    without = {each["name"] for each in map(keys, many.conditions) if each["agreement"] is None}
    assert without
    for _ in range(2):
        page.click("#answer th[data-sort=agreement] button")
        assert set(rows(page)[-len(without) :]) == without


def test_groups_have_headings_in_tables_panels_and_cards(opened, many):
    page = opened()
    page.select_option("#sift [name=group]", "start")
    starts = ["random", "kmeans", "data"]
    for selector in ("#answer tbody .group-of", ".panels.trajectory .group-of", "#verdicts .group-of"):
        assert sorted(page.locator(selector).all_inner_texts()) == sorted(starts)
    of_start = {each.name: each.start_kind for each in many.conditions}
    order = [of_start[name] for name in rows(page)]
    assert order == sorted(order, key=page.locator("#answer tbody .group-of").all_inner_texts().index)
    page.select_option("#sift [name=group]", "")
    assert page.locator(".group-of").count() == 0


def test_every_control_has_a_label_and_works_by_keys(opened):
    page = opened()
    controls = page.locator("#sift :is(input, select)")
    assert controls.count() == 6
    assert all(
        controls.evaluate_all("all => all.map(e => e.labels.length === 1 && e.labels[0].textContent.trim() !== '')")
    )
    assert page.get_by_role("search").count() == 1
    page.focus("#sift [name=words]")
    page.keyboard.type("arm-7")
    assert rows(page) == ["arm-7@none"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "outcome"
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on Show all
    page.locator("#tally", has_text=ALL).wait_for()
    page.focus("#answer th[data-sort=name] button")
    page.keyboard.press("Enter")
    assert page.get_attribute("#answer th[data-sort=name]", "aria-sort") == "ascending"
    assert rows(page)[1:3] == ["arm-0@centre", "arm-1@none"]


def test_a_phone_has_the_headings_to_sort_by(opened):
    page = opened(390)
    buttons = page.locator("#answer thead button:visible")
    assert buttons.all_inner_texts() == ["condition", "verdict", "agreement", "null", "replicated", "held-out R²"]
    buttons.last.click()
    assert page.get_attribute("#answer th[data-sort=r2]", "aria-sort") == "descending"


def test_a_link_to_a_condition_that_is_filtered_out_shows_it(opened, many):
    page = opened()
    page.fill("#sift [name=words]", "arm-7")
    page.evaluate("location.hash = 'condition-0'")
    page.locator("#condition-0").wait_for()
    page.locator("#tally", has_text=ALL).wait_for()
    assert page.inner_text("#tally") == tally(in_page_order(many))


def test_without_scripts_all_conditions_are_there_and_no_control_is(opened, many):
    page = opened(java_script_enabled=False)
    assert not page.locator("#sift").is_visible()
    assert rows(page) == [each.name for each in in_page_order(many)]
    assert page.inner_text("#tally") == tally(in_page_order(many))
    assert page.locator("#verdicts li").count() == 20


def test_a_page_of_few_conditions_has_nothing_to_choose(small):
    document = page(small)
    assert 'id="sift"' not in document
    assert "sifting" not in document


def test_every_group_that_conditions_differ_in_can_be_chosen(many):
    found = choices(many.conditions)
    assert list(found) == ["outcome", "method", "start", "preprocess"]
    assert found["preprocess"] == {"centre": 10, "none": 10}
    alike = [each for each in many.conditions if each.preprocess == "none"]
    assert "preprocess" not in choices(alike)


def test_many_comparisons_are_drawn_in_part_and_the_table_has_all(many):
    document = page(many)
    assert document.count("8 of 9 comparisons, those that are tested first: the table has all.") == 2
    assert len(re.findall(r'<tr data-of="\d+ \d+">', document)) == len(many.comparisons)
    assert f"The {len(many.comparisons)} comparisons in sentences" in document
