"""The text and the page of a geometry say what the document says."""

import json
import re

import pytest

from geometries import geometry, pair, view
from reseed.activations import PREPROCESSINGS
from reseed.report import theme
from reseed.report.dots import SYMBOLS, worth
from reseed.report.geometry_page import page, write_html
from reseed.report.geometry_text import render

RAW = view("none", 0.914, cosine=0.58, rogue=(0.37, 0.22, 0.04, 0.04), without=0.06)
BOTH = (RAW, view("centre", 0.76))
PAIR = pair(0.5, ("dictionaries", "isotropic", 0.127), ("none", "kmeans", 0.914))


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("views", [BOTH, tuple(view(name, 0.5) for name in PREPROCESSINGS)])
def test_text_keeps_to_its_width_and_tells_everything(width, views):
    text = render(geometry(*views, pair=PAIR), width=width, colour=False)
    assert max(map(len, text.splitlines())) <= width
    assert text.splitlines()[2:4] == ["Do this.", "And know that."]
    assert all(each.preprocess in text for each in views)
    assert "! Careful." in text
    assert "first: a.npy: 512 atoms" in text


def test_text_has_values_with_their_spread_and_the_rogue_dimensions_by_index():
    text = render(geometry(*BOTH), width=80, colour=False)
    assert re.search(r"^k-means +\.914 ± \.012 +\.760 ± \.012$", text, flags=re.MULTILINE)
    assert re.search(r"^random directions +\.127 +\.127$", text, flags=re.MULTILINE)
    assert re.search(r"^hull, 1 point mixed +\.500 ± <\.001", text, flags=re.MULTILINE)
    assert re.search(r"^hull, 16 points mixed, own points +\.400 +\.400$", text, flags=re.MULTILINE)  # a single pair
    assert re.search(r"^rogue dimensions +100: 37 % +0$", text, flags=re.MULTILINE)
    assert re.search(r"^ +1 more$", text, flags=re.MULTILINE)


def test_text_of_two_dictionaries_alone_has_no_table_of_activations():
    text = render(geometry(pair=PAIR), width=80, colour=False)
    assert "nulls and references" not in text
    assert re.search(r"^atoms +512 +1,024, 3 of them zero$", text, flags=re.MULTILINE)
    assert re.search(r"^random directions +\.127$", text, flags=re.MULTILINE)
    assert re.search(r"^null: random directions +\.127 +\.573$", text, flags=re.MULTILINE)
    assert "matched agreement .500, best cosine (MMCS) .550" in text


def test_a_store_is_called_by_its_model_and_layer():
    document = geometry(*BOTH)
    stored = document.model_copy(update={"activations": document.activations | {"model": "tiny", "layer": 3}})
    assert render(document, width=80, colour=False).startswith("acts: 250,000 tokens, d_model 576, dictionaries of 512")
    assert render(stored, width=80, colour=False).startswith("tiny, layer 3: 250,000 tokens")


def test_colour_repeats_what_words_say():
    plain = render(geometry(*BOTH), width=100, colour=False)
    coloured = render(geometry(*BOTH), width=100, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()


def test_the_figure_has_a_dot_for_every_floor_and_a_line_for_the_agreement():
    drawn = worth(geometry(*BOTH, pair=PAIR))
    assert [each["name"] for each in drawn.data] == ["none", "centre"]
    assert list(drawn.data[0]["x"]) == [0.127, 0.914, 0.5, 0.4]
    assert list(drawn.data[0]["error_x"]["array"]) == [0.0, 0.0123, 0.0001, 0.0]
    assert [each["x0"] for each in drawn.layout["shapes"]][-1] == 0.5
    assert "k-means: none .914 ± .012, centre .760 ± .012" in drawn.layout["meta"]["alt"]
    assert "NaN" not in drawn.to_json()


def test_the_figure_knows_every_preprocessing_and_uses_the_themes_colours():
    drawn = worth(geometry(*(view(name, 0.5) for name in PREPROCESSINGS)))
    assert sorted(SYMBOLS) == sorted(PREPROCESSINGS)
    assert len({each["marker"]["color"] for each in drawn.data}) == len(PREPROCESSINGS)
    used = set(re.findall(r"#[0-9a-f]{6}|rgba?\([^)]*\)", json.dumps(json.loads(drawn.to_json()))))
    assert used <= {shade.light for shade in theme.COLOURS.values()}


def test_the_page_says_what_the_text_says_and_asks_the_network_for_nothing(tmp_path):
    document = geometry(*BOTH, pair=PAIR)
    path = write_html(document, tmp_path / "page.html")
    made = path.read_text(encoding="utf-8")
    assert made == page(document)
    for said in (
        "Do this.",
        "And know that.",
        "Careful.",
        ".914 ± .012",
        "100: 37 %",
        "a.npy",
        "reference: k-means @none",
    ):
        assert said in made
    assert 'src="http' not in made
    assert 'href="http' not in made
    assert made.count('class="plot"') == 1


def test_a_page_of_two_dictionaries_alone_has_no_figure():
    made = page(geometry(pair=PAIR))
    assert 'class="plot"' not in made
    assert "two dictionaries" in made


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_draws_its_figure_in_a_browser_without_errors(width, browser, tmp_path):
    url = write_html(geometry(*BOTH, pair=PAIR), tmp_path / "page.html").as_uri()
    shown, errors = browser.new_page(viewport={"width": width, "height": 900}), []
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.goto(url)
    shown.wait_for_selector("html[data-figures=drawn]", timeout=60_000)
    shown.locator(".plot").first.scroll_into_view_if_needed()  # figures are drawn where they are seen
    shown.wait_for_selector(".plot .main-svg", timeout=60_000)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.close()
    assert errors == []
