"""What comparisons, matchings and features show of themselves in a notebook, and how they get into a paper."""

import re

import numpy as np
import polars as pl
import pytest
import torch

import reseed
from reseed.reappearance import find_features
from reseed.report.paper import written

NAMED = "<b>\x1b[8m"


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    made = [folder / f"run{run}.npy" for run in range(6)]
    for run, path in enumerate(made):
        np.save(path, (normal(30, 8) + 0.2 * normal(30, 8, rolled=1 + run))[torch.randperm(30)].numpy())
    return made


@pytest.fixture(scope="module")
def shown(paths):
    labels = [NAMED, *(f"run{run}" for run in range(1, 6))]
    return {
        "matching": reseed.match(*(torch.from_numpy(np.load(path)) for path in paths[:2])),
        "comparison": reseed.compare(*paths, labels=labels),
        "features": find_features(*paths, labels=labels),
    }


KINDS = ("matching", "comparison", "features")


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_a_short_table_of_text(shown, kind):
    told = shown[kind]._repr_html_()
    assert len(told) < 6000
    assert told.count("<tr>") == 11
    assert set(re.findall(r"</?(\w+)", told)) == {"div", "b", "p", "bdi", "table", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in told
    if kind != "matching":
        assert "&lt;b&gt;\\x1b[8m" in told


def test_a_matching_says_how_far_it_agrees_and_shows_the_pairs_that_are_most_alike(shown):
    found = shown["matching"]
    table = found.brief_table()
    assert "Matched agreement .9" in table.lines[0]
    best = found.to_frame().sort("cosine", descending=True).row(0)
    assert table.rows[0][:2] == (str(best[0]), str(best[1]))
    assert float(table.rows[0][2]) == pytest.approx(best[2], abs=5e-4)
    assert reseed.table(found)["cosine"].mean() == pytest.approx(found.agreement)


def test_a_comparison_says_its_sentences_and_has_a_row_for_every_pair(shown):
    found = shown["comparison"]
    table, frame = found.brief_table(), reseed.table(found)
    assert table.lines[0] == found.sentences[0]
    assert f"10 of {len(found.pairs)} pairs:" in table.lines
    assert frame.height == len(found.pairs) == 15
    assert frame["agreement"].to_list() == [pair.agreement for pair in found.pairs]
    assert frame["code"].null_count() == 15
    assert frame["mmcs_b"].to_list() == [pair.mmcs[1] for pair in found.pairs]
    assert frame["a"][0] == "<b>\\x1b[8m"


def test_features_say_their_sentences_and_the_table_has_no_lists(shown):
    found = shown["features"]
    (recipe,) = found.document.recipes
    table, frame = found.brief_table(), reseed.table(found)
    assert table.lines[0] == recipe.sentence
    assert {row[2] for row in table.rows} == {"1.00"}
    assert frame.height == found.table.height
    assert not any(isinstance(dtype, pl.List) for dtype in frame.dtypes)


@pytest.mark.parametrize("kind", KINDS)
def test_they_get_into_a_paper_as_findings_do(shown, kind):
    found = shown[kind]
    markdown, latex = (written(found, form) for form in ("markdown", "latex"))
    assert len([line for line in markdown.splitlines() if line.startswith("| ")]) == 12
    assert latex.count("\\\\\n") == 11
    assert latex.startswith("\\begin{table}")
    for text in (markdown, latex):
        assert "\x1b" not in text
        assert "<b>" not in text
    assert pl.read_csv(written(found, "csv").encode()).height == reseed.table(found).height
    with pytest.raises(ValueError, match="choose from markdown, latex, csv"):
        written(found, "docx")
