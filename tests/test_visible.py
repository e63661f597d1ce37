"""Other people's text, on a real terminal: nothing of it moves, hides or disguises what is printed."""

import json
import re
import runpy
import sys
import time
from pathlib import Path

import pytest

from reseed._support import progress
from reseed._support.visible import visible, visible_document, visible_json, visible_lines
from reseed.activations.progress import progress_bar
from reseed.cli import main
from reseed.findings import Findings

HOSTILE = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/faults/names.py"))
NAMES = list(HOSTILE["NAMES"].values())
RESEED = [sys.executable, "-m", "reseed"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("top\x1b[31mk", "top\\x1b[31mk"),
        ("\x9b0m\x7f", "\\x9b0m\\x7f"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        ("\u202egnitcennoc", "<U+202E>gnitcennoc"),
        ("a\u200bb\u2028c\u00add", "a<U+200B>b<U+2028>c\\xadd"),
        ("\U000e0041\u3164", "<U+E0041><U+3164>"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "<U+D800>"),
    ],
)
def test_what_shows_nothing_is_shown(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["R² .58 → .61 ± .02", "Größe 東京 שלום ❤\ufe0f 1\u202f000", "[red]{x}</script>", ""])
def test_what_can_be_seen_stays(text):
    assert visible(text) == text


def test_lines_stay_lines_where_a_message_has_several():
    assert visible_lines("a\n\tb\r\nc\x1b") == "a\n\tb\\r\nc\\x1b"


def test_json_says_what_it_said():
    given = {name: f"{name}\U0001f600é" for name in NAMES}
    text = visible_json(json.dumps(given, ensure_ascii=False, indent=1))
    assert json.loads(text) == given
    assert visible_lines(text) == text
    assert "\U0001f600é" in text


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with a hostile title and hostile activations, run on a terminal: its folder and what was sent."""
    toml = HOSTILE["begun"](tmp_path_factory.mktemp("hostile") / "study", "".join(NAMES))
    sent = HOSTILE["on_a_terminal"]([*RESEED, "run", str(toml), "--out", "\x1b[8m\u202eout"], toml.parent)
    return toml.parent / "\x1b[8m\u202eout", sent


def test_a_run_shows_a_hostile_title_and_paths_and_sends_nothing_but_its_own_colours(study):
    _, sent = study
    assert HOSTILE["stray"](sent) == []
    flat = re.sub(r"\s+", "", HOSTILE["OURS"].sub("", sent))
    assert "\\x1b[8mgone" in flat
    assert "report:\\x1b[8m<U+202E>out/report.html" in flat
    assert "[red]red[/red][link=https://evil.example]x[/link]:boom:" in flat


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_report_of_hostile_findings_sends_nothing_but_its_own_colours(study, tmp_path, form):
    folder, _ = study
    HOSTILE["hostile"](Findings.read(folder), NAMES).write(tmp_path / "findings.json")
    sent = HOSTILE["on_a_terminal"]([*RESEED, "report", "findings.json", *form], tmp_path)
    assert HOSTILE["stray"](sent) == []
    assert "topk@centre" in sent


@pytest.mark.parametrize("name", ["".join(NAMES)[:200], NAMES[1], NAMES[5], NAMES[10]])
def test_an_error_quotes_what_was_given_so_that_it_can_be_seen(name, capsys):
    for wrong in HOSTILE["errors"](name):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        told = capsys.readouterr()
        assert ended.value.code == 1
        assert HOSTILE["stray"](told.out + told.err) == []
        assert not re.search(r"^reseed: all is well", told.err, re.MULTILINE)


def test_a_path_that_is_no_utf8_is_an_error_and_no_traceback(tmp_path):
    sent = HOSTILE["on_a_terminal"]([*RESEED, "report", b"caf\xe9"], tmp_path)
    assert "caf\\xe9" in sent
    assert "Traceback" not in sent


@pytest.mark.parametrize("title", ["[red]topk[/red] :boom: {task.description}", "\x1b[8mgone"])
def test_titles_of_bars_are_told_as_they_are(title, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.bar() as show:
        show(title, 2)(2)
    with progress_bar(title, total=2, done=0, shown=True) as advance:
        advance(2)
    told = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert told.count(visible(title)) >= 2


def test_titles_of_lines_are_told_as_they_are(capsys):
    with progress.bar(every=0.01) as show:
        show("\x1b[8mgone", 2)
        time.sleep(0.1)
    told = capsys.readouterr().err
    assert told.startswith("\\x1b[8mgone: 0 of 2")
    assert "\x1b" not in told


def test_a_document_that_shows_everything_is_itself(study):
    findings = Findings.read(study[0])
    seen = visible_document(findings)
    assert seen.conditions is findings.conditions
    assert seen.study["name"] == visible(findings.study["name"])
    assert visible_document(seen) is seen
