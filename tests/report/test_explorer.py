"""The page of features in a real browser: searched, sorted and browsed by pointer, keys and on a phone."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from reseed.activations import HeldOut
from reseed.measures import standardise
from reseed.reappearance import find_features
from reseed.reappearance.browsable import Browsable
from reseed.reappearance.columns import columns
from reseed.reappearance.coming_back import find
from reseed.reappearance.runs import Recipe, Run
from reseed.reappearance.table import table
from reseed.report import theme
from reseed.report.explorer import page as page_of
from reseed.report.explorer import write_explorer
from reseed.thresholds import FeatureRule

HOSTILE = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/faults/names.py"))
N_ATOMS, WIDTH, COMMON, TOKENS = 80, 24, 30, 400
LABELS = ("first/seed0", "first/seed1", "first/seed2")
STEPS = (0, 10, 100)


def drawn(*shape, seed):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def atoms_of(run):
    """30 that all runs have, and its own, in an order of its own."""
    atoms = torch.cat([drawn(COMMON, WIDTH, seed=1), drawn(N_ATOMS - COMMON, WIDTH, seed=10 + run)])
    return atoms[torch.randperm(N_ATOMS, generator=torch.Generator().manual_seed(run))]


def not_read():
    """What only a consensus reads."""
    raise AssertionError("a page needs no whole dictionary")


def run_of(place, label, rows):
    end = atoms_of(place)
    start = drawn(*end.shape, seed=50 + place)
    along = {step: lambda step=step: torch.lerp(start, end, step / STEPS[-1]) for step in STEPS}
    return Run(label, end, end, standardise((rows @ end.T - 0.4).relu()), whole=not_read, along=along)


def browsable(labels=LABELS, texts=None, *, bare=False):
    rows = torch.cat([drawn(TOKENS // 2, WIDTH, seed=2), drawn(COMMON, WIDTH, seed=1).repeat(7, 1)[: TOKENS // 2]])
    texts = texts or tuple(f" word{token}" for token in range(TOKENS))
    heldout = HeldOut(rows, texts=texts, contexts=torch.arange(TOKENS) // 8)
    runs = [run_of(place, label, rows) for place, label in enumerate(labels)]
    if bare:
        runs = [Run(each.label, each.atoms, None, None, whole=not_read) for each in runs]
    with ThreadPoolExecutor(1) as pool:
        found = find(Recipe("recipe", tuple(runs), (), "signed"), FeatureRule(), pool)
    document = find_features(*(each.atoms for each in runs), labels=labels).document
    told = columns(found, table(found, None), None if bare else heldout)
    return Browsable(document, (told,), () if bare else texts, () if bare else tuple(heldout.windows.tolist())), found


@pytest.fixture(scope="module")
def shown():
    return browsable()


@pytest.fixture(scope="module")
def url(shown, tmp_path_factory):
    return write_explorer(shown[0], tmp_path_factory.mktemp("features") / "features.html").as_uri()


@pytest.fixture
def opened(browser, url):
    """Opens the page, or another one; all are closed, and none may have had an error or asked the network."""
    contexts, errors, requests = [], [], []

    def open_page(address=url, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type != "log" else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-ready]", state="attached")
        page.wait_for_selector("#shown .card", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [each for each in requests if not each.startswith(("file:", "data:"))] == []


def listed(page):
    return [int(each.replace(",", "")) for each in page.locator("#features .index").all_text_contents()]


def column(page, name):
    return page.locator(f"#features td.{name}").all_text_contents()


def title(page):
    return page.text_content("#feature-title")


def test_the_list_begins_with_what_comes_back_and_shows_the_first(opened, shown):
    page = opened()
    rows = table(shown[1], None).filter(run=LABELS[0]).sort("reappearance", "fired", descending=True)
    back = [each.strip() for each in page.locator("#features td:nth-child(2)").all_text_contents()]
    assert [each.split(" ", 1)[1] for each in back] == [f"{round(2 * each)} of 2" for each in rows["reappearance"][:50]]
    assert listed(page)[0] == rows["atom"][0]
    assert title(page) == f"Feature {rows['atom'][0]} of run A, {LABELS[0]}"
    assert page.text_content("#count") == f"{N_ATOMS} features of run A, {LABELS[0]}"
    assert page.text_content("#place") == "1 to 50 of 80"


def test_a_feature_stands_beside_its_partners(opened, shown):
    page = opened()
    atom = listed(page)[0]
    row = table(shown[1], None).filter(run=LABELS[0], atom=atom).row(0, named=True)
    cards = page.locator("#shown .card")
    assert cards.count() == 3
    for place, partner in enumerate(row["partners"]):
        told = cards.nth(place + 1).inner_text()
        assert f"run {'BC'[place]}, {partner['atom']}" in told
        assert f"cosine {partner['cosine']:.2f}".replace("0.", ".") in told
        assert ("comes back" in told) == partner["back"]
        assert cards.nth(place + 1).locator("li").count() > 0
        assert cards.nth(place + 1).locator(".histogram rect").count() == 16
    assert page.locator("#shown svg.course polyline").count() == 3 + 3  # curves, and their key
    assert f"Comes back in {round(2 * row['reappearance'])} of 2 other runs" in page.text_content(".answer")
    cards.nth(1).locator("h4 button").click()
    assert title(page) == f"Feature {row['partners'][0]['atom']} of run B, {LABELS[1]}"
    assert page.input_value("[name=run]") == "1"


def test_columns_sort_both_ways(opened):
    page = opened()
    for name in ("cosine", "fired", "crowding"):
        page.click(f"[data-sort={name}]")
        down = [float(each.replace(",", "")) for each in column(page, name)]
        assert down == sorted(down, reverse=True)
        assert page.get_attribute(f"th:has([data-sort={name}])", "aria-sort") == "descending"
        page.click(f"[data-sort={name}]")
        up = [float(each.replace(",", "")) for each in column(page, name)]
        assert up == sorted(up)
        assert up[0] <= down[-1]
    page.click("[data-sort=atom]")
    assert listed(page) == list(range(50))


def test_features_are_kept_by_whether_they_come_back(opened, shown):
    page = opened()
    rows = table(shown[1], None).filter(run=LABELS[0])
    for kind, wanted in (
        ("all", rows.filter(reappearance=1)),
        ("none", rows.filter(rows["reappearance"] == 0, rows["fired"] > 0)),
        ("dead", rows.filter(fired=0)),
    ):
        page.select_option("[name=kind]", kind)
        assert set(listed(page)) == set(wanted["atom"][:50].to_list() if len(wanted) > 50 else wanted["atom"].to_list())


def test_a_search_is_for_a_number_or_for_texts(opened):
    page = opened()
    page.fill("[name=query]", "#17")
    page.wait_for_function("() => document.querySelectorAll('#features .index').length === 1")
    assert listed(page) == [17]
    page.fill("[name=query]", "WORD201 ")
    page.wait_for_function("() => document.querySelectorAll('#features .index').length !== 1")
    found = listed(page)
    assert 0 < len(found) < N_ATOMS
    page.locator("#features tbody tr").first.click()
    assert "word201" in page.locator("#shown .card").first.inner_text()
    page.fill("[name=query]", "no such text")
    page.wait_for_function("() => document.querySelectorAll('#features .index').length === 0")
    assert page.text_content("#count").startswith("0 of 80 features")


def test_keys_choose_turn_and_search(opened):
    page = opened()
    first = listed(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert title(page).startswith(f"Feature {first[2]} ")
    page.keyboard.press("ArrowUp")
    assert title(page).startswith(f"Feature {first[1]} ")
    assert page.evaluate("document.activeElement.textContent") == str(first[1])
    page.keyboard.press("ArrowRight")
    assert page.text_content("#place") == "51 to 80 of 80"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "query"
    page.keyboard.type("/1")  # a key in the field is a letter
    assert page.input_value("[name=query]") == "/1"


def test_a_link_names_a_feature(opened, url):
    page = opened(f"{url}#0/2/70")
    assert title(page) == f"Feature 70 of run C, {LABELS[2]}"
    page.locator("#features tbody tr").nth(3).click()
    assert page.evaluate("location.hash") == f"#0/2/{listed(page)[3]}"
    assert title(opened(f"{url}#0/9/70")).endswith(LABELS[0])  # there is no such run: the page opens as ever


def test_a_page_that_is_loaded_again_shows_each_chart_once(opened, url):
    page = opened()
    address = page.evaluate("location.href")
    assert address != url
    again = opened(address)
    again.wait_for_selector("#shown .scroll", state="attached")
    assert again.locator("#shown h3").all_text_contents().count("Cosine along training, step by step") == 1


def test_a_run_without_any_that_match_shows_none(opened):
    page = opened()
    page.select_option("[name=kind]", "dead")
    page.select_option("[name=run]", "1")
    assert listed(page) == []
    assert page.text_content("#shown") == ""
    page.select_option("[name=kind]", "any")
    page.locator("#features tbody tr").first.click()
    assert title(page).endswith(LABELS[1])


def test_escape_stays_on_the_page(opened, url):
    page = opened(f"{url}#0/2/70", viewport={"width": 800, "height": 800})
    page.keyboard.press("Escape")
    page.wait_for_selector("#list", state="visible")
    assert page.evaluate("location.href").startswith(url)


def test_on_a_phone_the_list_or_the_feature_is_seen(opened):
    page = opened(viewport={"width": 360, "height": 740})
    assert page.locator("#list").is_visible()
    assert not page.locator("#feature").is_visible()
    chosen = listed(page)[4]
    page.locator("#features tbody tr").nth(4).click()
    assert not page.locator("#list").is_visible()
    assert title(page).startswith(f"Feature {chosen} ")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.click("#back")
    page.wait_for_selector("#list", state="visible")
    assert not page.locator("#feature").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#features tbody tr").nth(1).click()
    page.go_back()
    page.wait_for_selector("#list", state="visible")


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_page_never_scrolls_sideways(opened, width):
    assert opened(viewport={"width": width, "height": 800}).evaluate("document.documentElement.scrollWidth") == width


def test_the_page_follows_the_colour_scheme(opened):
    for scheme in ("light", "dark"):
        wanted = getattr(theme.COLOURS["surface"], scheme)
        told = opened(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        assert told == f"rgb({', '.join(str(int(wanted[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_names_and_texts_of_others_do_no_harm(opened, tmp_path):
    labels = tuple(HOSTILE["NAMES"][name] for name in ("right to left", "end of script", "html"))
    texts = ("</script><script>document.title='gone'</script>", "<b>bold</b>", "\x1b[31m", "\u202e", "\n") * (
        TOKENS // 5
    )
    page = opened(write_explorer(browsable(labels, texts)[0], tmp_path / "hostile.html").as_uri())
    assert page.title().endswith("reseed")
    assert page.locator("#shown b, #features b, #shown img, .recipe img").count() == 0
    page.select_option("[name=run]", "2")
    assert title(page).endswith(labels[2])


def test_bare_dictionaries_have_a_page_without_codes_and_texts(opened, tmp_path):
    page = opened(write_explorer(browsable(bare=True)[0], tmp_path / "bare.html").as_uri())
    heads = page.locator("#features thead button").all_text_contents()
    assert heads == ["feature", "comes back", "cosine", "crowding"]
    assert page.locator("#shown li").count() == 0
    assert page.locator("#shown svg").count() == 0


def test_without_scripts_the_most_and_the_least_are_told(browser, url, shown):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(url)
    said = page.inner_text("main")
    recipe = shown[0].document.recipes[0]
    assert all(f"{each.run} {each.atom}" in said for each in (*recipe.most, *recipe.least))
    assert not page.locator("#browser").is_visible()
    page.context.close()


def test_the_same_features_give_the_same_bytes(shown):
    assert page_of(shown[0]) == page_of(browsable()[0])
