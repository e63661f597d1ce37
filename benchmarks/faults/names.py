r"""Hostile names on a real terminal and in a real browser:  python benchmarks/faults/names.py  (a few minutes).

Every name tries to move the cursor, change colours, turn the direction of text round, hide, forge a line, or be markup.
Each is put where other people's text is printed: titles, reasons, warnings, titles of floors, paths, options, models,
progress bars; in `reseed run`, `report` and errors, on a pseudo-terminal; in the page, in Chromium. Counted is what
reaches the screen and is neither a character that can be seen nor one of reseed's own colours and cursor moves.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from reseed._support.visible import rewritten, visible
from reseed.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "concealed": "\x1b[8mgone\x1b[0m",
    "cursor to the top": "\x1b[H\x1b[2Jall convergent",
    "window title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "device status": "\x1b[6n\x1b[c",
    "one-byte escape": "\x9b31mred\x9b0m",
    "one-byte command": "\x9d0;owned\x9c",
    "carriage return": "diverging\rconvergent",
    "backspaces": "unstable\b\b\b\b\b\b\b\bstable",
    "bell and delete": "\x07\x7f\x07",
    "forged line": "x\nreseed: all is well\n",
    "vertical tab": "a\x0bb\x0cc\x1cd\x85e",
    "right to left": "\u202egnitcennoc\u202c",
    "isolates": "\u2066a\u2067b\u2068c\u2069",
    "marks of direction": "\u200ea\u200fb\u061cc",
    "zero widths": "top\u200b\u200c\u200d\u2060k",
    "separators": "a\u2028b\u2029c",
    "byte order mark": "\ufefftopk",
    "tags": "a\U000e0041\U000e0042b",
    "fillers": "\u115f\u3164\uffa0\u2800",
    "variants": "a\ufe01\U000e0100b\u034f",
    "soft hyphen": "conver\u00adgent",
    "rich markup": "[red]red[/red] [link=https://evil.example]x[/link] :boom:",
    "format braces": "{task.description} {0} %s %(x)s",
    "html": "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "end of script": "</script><script>document.title='owned'</script></title></textarea>",
    "figure markup": '<a href="https://evil.example">x</a><b>b</b>&lt;i&gt;<br>c',
    "template": "{{ 7 * 7 }} {% raw %} %{x} $x^2$",
    "right-to-left script": "\u05e9\u05dc\u05d5\u05dd 123 <W>",
    "markdown and LaTeX": "a|b `c` [d](https://evil.example) \\input{/etc/passwd} $e$ % & # _ ^ ~ {",
    "long": "a" * 300 + "\x1b[7m",
}
"""What each tries, and the name."""

# rich writes colours of ours, hides the cursor while a bar moves, and goes up to write it again
OURS = re.compile(r"\x1b\[(?:0|1|2|4|3[0-7]|1;3[0-7]|1;4|38;5;\d+|38;2;[\d;]+)m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A")
SEPARATORS = {"\r", "\n", "\t"}
WORDS = {
    *("within", "between", "run", "start", "signed", "abs", "agreement", "companion", "mechanism", "null", "origin"),
    *("reference", "finished", "diverged", "unfinished", "advantage", "equivalent", "disadvantage", "inconclusive", ""),
    *("one", "several", "same", "different", "not compared"),
}
"""What a findings.json may only say in these words."""


def stray(shown: str) -> list[str]:
    """The characters of what a terminal was sent that move, hide or disguise, and are not reseed's own."""
    left = OURS.sub("", shown)
    return sorted({each for each in left if each not in SEPARATORS and visible(each) != each})


def on_a_terminal(command: list[str | bytes], folder: Path) -> str:
    """All that a command sends to a terminal, stdout and stderr together."""
    ours, theirs = pty.openpty()
    sized = {**os.environ, "COLUMNS": "100", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(  # noqa: S603 (our own command, with names that are meant to be hostile)
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=sized
    ) as process:
        os.close(theirs)
        sent = b"".join(_chunks(ours))
    os.close(ours)
    if process.returncode not in {0, 1, 2}:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return sent.decode("utf-8", "surrogateescape")


def _chunks(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody holds the other end any more
            return
        if not chunk:
            return
        yield chunk


def hostile(findings: Findings, names: list[str]) -> Findings:
    """The findings with a name behind every string that may be anything; equal strings get equal names."""
    kept = WORDS | set(_keys(findings))
    return rewritten(
        findings, lambda text: text if text in kept else text + names[zlib.crc32(text.encode()) % len(names)]
    )


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for _, each in value:
            yield from _keys(each)
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _keys(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _keys(each)


def errors(name: str) -> list[list[str]]:
    """Command lines that are wrong, with a name where it is quoted back."""
    path = name.replace("/", "|").replace("\0", "|")[:200]
    return [
        ["report", path],
        ["run", f"{path}.toml"],
        ["report", f"--{path}"],
        [path],
        ["report", ".", "--require", path],
        ["geometry", path],
        ["collect", path, "--layer", "1", "--text", path, "--tokens", "9", "--out", path],
    ]


STUDY = """
name = {name}
activations = {activations}
preprocess = ["centre"]
starts = 1
[[arms]]
name = "topk"
method = {{ kind = "topk", n_atoms = 8, k = 2 }}
start = {{ kind = "random" }}
[training]
steps = 1
batch_size = 20
evenly = 1
device = "cpu"
[floors]
draws = 3
"""


def begun(folder: Path, name: str) -> Path:
    """A study of seconds with a hostile title, of activations with a hostile name."""
    folder.mkdir(parents=True)
    matrix = folder / f"{name.replace('/', '|')[:80]}.npy"
    np.save(matrix, np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    study = folder / "study.toml"
    study.write_text(STUDY.format(name=_toml(name), activations=_toml(matrix.name)), encoding="utf-8")
    return study


def _toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(each):08x}" for each in text) + '"'


def looked_at(page: Path, browser: object) -> dict[str, list[str]]:
    """What a browser shows of a page: strays in its text, in figures and labels, and what was made of a name."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    opened.goto(page.as_uri())
    opened.wait_for_selector("html[data-figures=drawn]", state="attached", timeout=120_000)
    opened.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for top in range(0, opened.evaluate("document.documentElement.scrollHeight"), 800):
        opened.evaluate(f"window.scrollTo(0, {top})")  # a figure is drawn when it is seen
        opened.wait_for_timeout(60)
    opened.wait_for_function("!document.querySelector('.plot:not(.js-plotly-plot)')", timeout=120_000)
    shown = opened.evaluate(_SHOWN)
    made = opened.evaluate(
        "() => [...document.querySelectorAll('body img, .plot a, .plot b, iframe')].map(e => e.outerHTML)"
    )
    hidden = sorted({each for text in shown for each in text if each not in SEPARATORS and visible(each) != each})
    owned = ["title"] if opened.title() == "owned" else []
    opened.close()
    return {"hidden": hidden, "made": made, "said": said + owned, "shown": shown}


# words, labels, titles, and what hovering says of the first and last point of every line
_SHOWN = """() => {
  const found = [document.body.innerText, document.title];
  const labelled = document.querySelectorAll('[title], [aria-label]');
  for (const e of labelled) found.push(e.title, e.getAttribute('aria-label') || '');
  for (const place of document.querySelectorAll('.plot.js-plotly-plot')) {
    for (const text of place.querySelectorAll('text')) found.push(text.textContent);
    place.data.forEach((line, i) => {
      if (line.hoverinfo === 'skip' || !(line.text || line.hovertext)) return;
      const panel = (line.xaxis || 'x') + (line.yaxis || 'y');
      window.Plotly.Fx.hover(place, [{ curveNumber: i, pointNumber: 0 }], panel);
      for (const text of place.querySelectorAll('.hovertext text')) found.push(text.textContent);
      found.push(...place.querySelectorAll('.hovertext a').length ? ['\\u202e'] : []);
    });
  }
  return found;
}"""


def main() -> None:
    """Count strays for every name, print a table, and exit with 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="train one study instead of one per name, and no browser")
    quick = parser.parse_args().quick
    command = [sys.executable, "-m", "reseed"]
    bad = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        clean = begun(folder / "clean", "clean")
        on_a_terminal([*command, "run", str(clean)], folder)
        findings = Findings.read(clean.with_suffix(""))
        for number, (what, name) in enumerate(NAMES.items()):
            sent = [on_a_terminal([*command, *wrong], folder) for wrong in errors(name)]
            file = folder / f"{number}.json"
            hostile(findings, [name]).write(file)
            sent.append(on_a_terminal([*command, "report", str(file)], folder))
            sent.append(on_a_terminal([*command, "report", str(file), "--json"], folder))
            if not quick or number == 0:
                sent.append(on_a_terminal([*command, "run", str(begun(folder / f"{number} run", name))], folder))
            found = sorted({each for text in sent for each in stray(text)})
            bad += bool(found)
            print(
                f"{what:24} {len(sent):3} commands  {sum(map(len, sent)):8,} characters  strays {found or 'none'}",
                flush=True,
            )
        if not quick:
            bad += _in_a_browser(findings, folder)
    raise SystemExit(1 if bad else 0)


def _in_a_browser(findings: Findings, folder: Path) -> int:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (the short form needs none)

    from reseed import write_report  # noqa: PLC0415 (the same)

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("no Chromium here: install it, or leave the browser out with --quick")
    bad = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for what, name in NAMES.items():
            page = write_report(hostile(findings, [name]), folder / "page.html")
            seen = looked_at(page, browser)
            wrong = {kind: seen[kind] for kind in ("hidden", "made", "said") if seen[kind]}
            bad += bool(wrong)
            print(f"{what:24} in Chromium  {wrong or 'nothing hidden, nothing made, nothing asked for'}", flush=True)
        browser.close()
    return bad


if __name__ == "__main__":
    main()
