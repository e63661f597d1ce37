"""The report in a real browser: figures, no errors, no requests, narrow and dark and on paper."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import pytest

from reseed._support.visible import visible
from reseed.findings import Findings
from reseed.report import theme
from reseed.report.html import write_report

HOSTILE = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/faults/names.py"))

DRAWN = "html[data-figures=drawn]"
PATIENCE = 60_000  # milliseconds; drawing takes about 4 s on two cores
ALL_IN_VIEW_ARE_DRAWN = """() => [...document.querySelectorAll(".plot:not(.js-plotly-plot)")].every(place => {
  const box = place.getBoundingClientRect();
  return box.bottom < 0 || box.top > innerHeight || !box.height;
})"""


@pytest.fixture(scope="module")
def url(findings, tmp_path_factory):
    return write_report(findings, tmp_path_factory.mktemp("report") / "report.html").as_uri()


@pytest.fixture(scope="module")
def small_url(small, tmp_path_factory):
    return write_report(small, tmp_path_factory.mktemp("small") / "report.html").as_uri()


@pytest.fixture
def opened(browser, small_url):
    """Opens a page; every page is closed at the end."""
    contexts = []

    def open_page(*, drawn=True, url=small_url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        if drawn:
            page.wait_for_selector(DRAWN, state="attached", timeout=PATIENCE)
        return page

    yield open_page
    for context in contexts:
        context.close()


def style(page, selector, name):
    return page.eval_on_selector(selector, f"each => getComputedStyle(each).{name}")


def test_all_figures_are_drawn_without_errors_or_requests(browser, url):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type != "log" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    page.wait_for_selector(DRAWN, state="attached", timeout=PATIENCE)
    places = page.locator(".plot")
    assert places.count() > 40
    assert 0 < page.locator(".plot.js-plotly-plot").count() < places.count()  # those that are seen
    page.click("#unfold")
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 800):
        page.evaluate(f"window.scrollTo(0, {top})")
        page.wait_for_function(ALL_IN_VIEW_ARE_DRAWN, timeout=PATIENCE)
    page.wait_for_function("document.querySelectorAll('.plot:not(.js-plotly-plot)').length === 0", timeout=PATIENCE)
    page.wait_for_selector(DRAWN, state="attached", timeout=PATIENCE)
    assert page.evaluate(
        "() => [...document.querySelectorAll('.plot')].every(e => e.querySelector('path.js-line, .bars path'))"
    )
    assert not page.locator("#drawing").is_visible()
    assert errors == []
    assert [each for each in requests if not each.startswith(("file:", "data:"))] == []
    page.close()


def test_the_page_never_scrolls_sideways_and_wide_tables_do(opened, url):
    page = opened(viewport={"width": 360, "height": 800}, url=url, drawn=False)
    for width in (820, 390, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.click("#unfold")
    assert page.locator(".scroll").first.evaluate("each => each.scrollWidth > each.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator(".ledger").bounding_box()["width"] > 360


def test_figures_fit_a_phone(opened):
    page = opened(viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    widths = page.eval_on_selector_all(
        ".plot.js-plotly-plot", "all => all.map(e => [e.clientWidth, e.querySelector('.main-svg').clientWidth])"
    )
    assert all(250 < inner <= outer for outer, inner in widths)


def test_pointing_at_a_curve_names_the_runs_of_its_pairs(opened):
    page = opened(viewport={"width": 1200, "height": 900})
    place = page.locator(".panels.trajectory .plot").first
    place.scroll_into_view_if_needed()
    marker = place.locator(".scatterlayer .trace .points path").last.bounding_box()
    page.mouse.move(marker["x"] + marker["width"] / 2 - 3, marker["y"] + marker["height"] / 2)
    page.mouse.move(marker["x"] + marker["width"] / 2, marker["y"] + marker["height"] / 2)
    said = place.locator(".hovertext").first
    said.wait_for(timeout=PATIENCE)
    assert "started apart" in said.text_content()
    assert "over starts" in said.text_content()
    assert "s0 r" in said.text_content()


def test_figures_follow_the_colour_scheme(opened):
    page = opened(color_scheme="light")
    paper = theme.COLOURS["surface"]
    line = ".panels.trajectory .plot .scatterlayer path.js-line"
    for scheme in ("light", "dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)  # the browser tells of the change with its next frame
        assert style(page, ".plot .main-svg", "backgroundColor") == rgb(getattr(paper, scheme))
        strokes = page.eval_on_selector_all(line, "lines => lines.map(each => getComputedStyle(each).stroke)")
        assert rgb(getattr(theme.COLOURS["between"], scheme)) in strokes
        assert style(page, "body", "backgroundColor") == rgb(getattr(paper, scheme))


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_paper_is_white_whatever_the_screen_is(opened):
    page = opened(color_scheme="dark", viewport={"width": 1200, "height": 900})
    page.wait_for_selector("html[data-ready]", state="attached", timeout=PATIENCE)  # all figures are unpacked
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert style(page, ".plot .main-svg", "backgroundColor") == "rgb(255, 255, 255)"
    assert style(page, "body", "backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 700, "height": 900})
    wide = page.eval_on_selector_all(".plot", "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length")
    assert wide == 0
    assert page.locator("details:not([open])").count() == 0
    assert page.locator(".plot:not(.js-plotly-plot)").count() == 0
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert style(page, ".plot .main-svg", "backgroundColor") == rgb(theme.COLOURS["surface"].dark)
    assert page.locator("details[open]").count() == 0
    assert page.pdf(print_background=True)[:5] == b"%PDF-"


def test_without_scripts_the_page_says_so_and_tells_the_figures_in_words(opened):
    page = opened(java_script_enabled=False, drawn=False)
    assert page.locator(".notice").first.is_visible()
    assert "runs no scripts" in page.locator(".notice").first.inner_text()
    assert "at step 0" in page.locator(".panels.trajectory .plot p").first.inner_text()


def test_a_browser_that_cannot_inflate_is_told_so(browser, small_url):
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(small_url)
    assert "too old to unpack the figures" in page.locator("#drawing").inner_text()
    assert page.locator(".plot p").first.is_visible()
    page.close()


def test_the_ledger_shows_who_shares_a_throw(opened):
    page = opened(drawn=False)
    page.click("#unfold")
    cell = page.locator(".roll").first
    cell.hover()
    alike = page.locator(".roll.alike")
    assert alike.count() > 1
    assert set(alike.evaluate_all("all => all.map(each => each.title)")) == {cell.get_attribute("title")}


def test_a_link_into_what_is_folded_unfolds_it(opened):
    page = opened()
    assert not page.locator("#memory .plot").first.is_visible()
    page.click("nav a[href='#memory']")
    page.locator("#memory .plot.js-plotly-plot").first.wait_for(timeout=PATIENCE)


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_a_figure_is_saved_as_a_file_with_its_title(opened, ending, start, small, tmp_path):
    page = opened()
    with page.expect_download(timeout=PATIENCE) as saved:
        page.locator(f".panels.trajectory .files button:text-is('{ending.upper()}')").first.click()
    saved.value.save_as(tmp_path / "figure")
    content = (tmp_path / "figure").read_bytes()
    assert content.startswith(start)
    assert saved.value.suggested_filename == f"Agreement-from-step-0-to-the-end-{small.conditions[0].name}.{ending}"
    if ending == "svg":
        assert b"Agreement from step 0 to the end" in content
        assert b"null: surrogate" in content  # the legend


def test_a_table_is_saved_as_csv_and_the_findings_as_json(opened, small, tmp_path):
    page = opened()
    with page.expect_download(timeout=PATIENCE) as saved:
        page.locator("#answer .files button").first.click()
    saved.value.save_as(tmp_path / "table.csv")
    rows = list(csv.reader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[:3] for row in rows[1:]] == [
        ["topk-random@centre", "stabilizing", ".17 → .58 [.56, .60]"],
        ["ra-topk-shared@centre", "inherited", "one start"],
    ]
    with page.expect_download(timeout=PATIENCE) as saved:
        page.click("#json")
    saved.value.save_as(tmp_path / "findings.json")
    assert Findings.read(tmp_path / "findings.json").model_dump_json() == small.model_dump_json()


def test_hostile_names_are_shown_and_nothing_is_made_of_them(browser, small, tmp_path):
    names = list(HOSTILE["NAMES"].values())
    hostile = HOSTILE["hostile"](small, names)
    seen = HOSTILE["looked_at"](write_report(hostile, tmp_path / "report.html"), browser)
    assert (seen["hidden"], seen["made"], seen["said"]) == ([], [], [])
    shown = " ".join(" ".join(seen["shown"]).split())
    assert visible(hostile.study["name"]) in shown
    for condition in hostile.conditions:
        assert " ".join(visible(condition.verdict.sentence).split()) in shown
        title = visible(condition.agreement.floor.title)
        assert shown.count(title) > 2 * len(hostile.conditions)  # tables, and what hovering over its line says


def test_text_that_runs_from_right_to_left_turns_nothing_else_round(browser, small, tmp_path):
    named = small.model_copy(
        update={"question": "", "study": {**small.study, "name": "\u05e9\u05dc\u05d5\u05dd 12 (W)"}}
    )
    page = browser.new_page()
    page.goto(write_report(named, tmp_path / "report.html").as_uri())
    assert style(page, "h1", "direction") == "rtl"
    assert style(page, ".about bdi", "unicodeBidi") == "isolate"
    assert style(page, "body", "direction") == "ltr"
    page.close()
