"""How a comparison is shown: as text, as one page, as JSON, and in the words of an error."""

import json

import pytest
import torch
from test_comparing import WRITTEN, noise, planted

from reseed.cli import main
from reseed.comparison import compare
from reseed.report import comparison_text
from reseed.report.comparison_page import page

GIVEN = [str(WRITTEN / name) for name in ("saelens-topk", "saelens-batchtopk", "sparsify-topk")]


@pytest.fixture(scope="module")
def found():
    null = [noise(number) for number in range(10, 13)]
    return compare(*map(planted, range(3)), null=null, definitions=True)


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments, "--quiet"])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.mark.parametrize("width", [80, 120, 200])
def test_text_says_the_answer_first_and_fits(found, width):
    lines = comparison_text.render(found, width=width, colour=False).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.index("Partly stable:") < text.index("replicated") < text.index("born alike?") < text.index("published")
    assert "null" in text


def test_no_row_of_a_pair_is_broken(found):
    lines = comparison_text.render(found, width=80, colour=False).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("pair"))
    assert [line.split()[0] for line in lines[start + 2 : start + 5]] == ["A-B", "A-C", "B-C"]


def test_the_page_holds_every_table_and_escapes_names():
    html = page(compare(noise(0), noise(1), labels=["<script>alert(1)</script>", "b"]))
    assert "<script>alert(1)</script>" not in html
    assert all(f'id="{part}"' in html for part in ("cosines", "pairs", "dictionaries", "warnings"))
    assert html == page(compare(noise(0), noise(1), labels=["<script>alert(1)</script>", "b"]))


def test_json_is_the_document_with_the_whole_matching(capsys):
    code, out, _ = told(capsys, *GIVEN, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["comparison_version"] == 2
    assert [each["label"] for each in document["dictionaries"]] == [
        "saelens-topk",
        "saelens-batchtopk",
        "sparsify-topk",
    ]
    assert all(len(each["sha256"]) == 64 for each in document["dictionaries"])
    for pair in document["pairs"]:
        assert sorted(pair["matching"]["b"]) == list(range(40))
        assert len(pair["matching"]["cosine"]) == len(pair["matching"]["encoder"]) == 40
        assert pair["birth_p"] < 1e-10


def test_many_dictionaries_have_their_pairs_in_json_only():
    found = compare(*(noise(number, 8) for number in range(10)))
    text = comparison_text.render(found, width=100, colour=False)
    assert len(found.pairs) == 45
    assert "17 more pairs" in text


def test_a_page_is_written(capsys, tmp_path):
    code, out, _ = told(capsys, *GIVEN, "--html", str(tmp_path / "page.html"), "--definitions")
    assert code == 0
    assert out.strip() == str(tmp_path / "page.html")
    assert "cosine Hungarian loss" in (tmp_path / "page.html").read_text("utf-8")


def test_labels_and_groups_are_given_once_for_each(capsys):
    names = [word for name in ("x", "y", "z") for word in ("--label", name)]
    code, out, _ = told(capsys, *GIVEN, *names, "--group", "1", "--group", "1", "--group", "2")
    assert code == 0
    assert "1 (x, y)." in out
    assert "x and z, of different recipes" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (GIVEN[:1], "give two or more"),
        ((GIVEN[0], GIVEN[0]), "one file given twice"),
        ((GIVEN[0], "nowhere"), "nowhere"),
        ((*GIVEN, "--json", "--html", "page.html"), "choose one"),
        ((*GIVEN, "--label", "x"), "give one for each"),
        ((*GIVEN, "--null", GIVEN[0]), "two or more"),
        ((*GIVEN[:2], "--format", "nonsense"), "choose from"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(capsys, arguments, message):
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("reseed: ")
    assert message in err
    assert "Traceback" not in err


def test_a_tensor_of_numbers_that_are_not_finite_is_refused(capsys, tmp_path):
    atoms = noise(0)
    atoms[3, 4] = float("inf")
    torch.save(atoms, tmp_path / "a.pt")
    torch.save(noise(1), tmp_path / "b.pt")
    code, _, err = told(capsys, str(tmp_path / "a.pt"), str(tmp_path / "b.pt"))
    assert code == 1
    assert "a.pt" in err
