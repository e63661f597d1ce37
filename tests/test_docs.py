"""The documentation says what the code does: commands, words, generated pages, examples, links and citations."""

import importlib
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import typer

from registering import unchanged_tables
from reseed._support.numbers import rounded
from reseed.activations import PREPROCESSINGS
from reseed.cli import app
from reseed.comparison.definitions import DEFINITIONS
from reseed.dice import DICE
from reseed.floors import FLOORS
from reseed.interop import READERS, WRITERS
from reseed.measures import MEASURES
from reseed.methods import METHODS
from reseed.spec import Scope, Study, Thresholds
from reseed.spec.fields import describe
from reseed.starts import STARTS
from reseed.verdict import Outcome

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
PAGES = sorted(DOCS.rglob("*.md"))
GENERATED = runpy.run_path(str(DOCS / "pages.py"))
TABLES = (METHODS, STARTS, MEASURES, FLOORS, READERS, WRITERS)
COMMANDS = typer.main.get_command(app).commands


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path | str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """The page without code."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_a_page_that_names_all_it_takes(command):
    found, page = COMMANDS[command], text_of(f"commands/{command}.md")
    assert found.help
    assert page.startswith(f"# reseed {command}\n")
    for taken in found.params:
        if taken.name == "help":
            continue
        assert taken.help, f"{command} {taken.name} has no help"
        names = taken.opts if taken.param_type_name == "option" else [taken.name.upper()]
        assert all(f"`{name}`" in page or f" {name}" in page or f"[{name}" in page for name in names), names


@pytest.mark.parametrize("command", COMMANDS)
def test_pages_tell_the_defaults_of_options(command):
    for taken in COMMANDS[command].params:
        default = taken.default() if callable(taken.default) else taken.default
        if taken.param_type_name == "option" and isinstance(default, (int, str, Path)) and default is not False:
            row = next(
                line for line in text_of(f"commands/{command}.md").splitlines() if f"| `{taken.opts[0]}` |" in line
            )
            assert str(getattr(default, "value", default)) in row


@pytest.mark.parametrize("command", COMMANDS)
def test_the_overview_says_of_every_command_what_its_help_says(command):
    said = COMMANDS[command].help.partition("\n")[0]
    assert f"| [`reseed {command}`]({command}.md) | {said} |" in text_of("commands/index.md")


@pytest.mark.parametrize("page", GENERATED["PAGES"])
def test_generated_pages_are_what_the_source_says(page):
    assert text_of(page) == GENERATED["PAGES"][page](), "the source changed: run  python docs/pages.py"


@pytest.fixture
def figures(monkeypatch):
    """The scripts that draw the pictures, out of the way of other modules afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(DOCS / "figures")
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(DOCS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["common_mean", "dice", "floors", "growth", "words"])
def test_pictures_of_exact_computations_are_what_the_code_computes(name, figures):
    assert text_of(f"assets/{name}.svg") == figures(name).draw(), f"run  python docs/figures {name}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "page"}
    with unchanged_tables():
        for block in blocks(page, "python"):
            exec(compile(block, name_of(page), "exec"), space)  # noqa: S102 (our own page)


def test_the_commands_of_the_page_about_ci_run_and_its_workflow_has_no_others(tmp_path):
    page = DOCS / "ci.md"
    (tmp_path / "study.toml").write_text(blocks(page, "toml")[0], encoding="utf-8")
    commands = blocks(page, "sh")
    scripts = [[sys.executable, "-c", each] for each in blocks(page, "python")]
    found = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in [*scripts, *(["sh", "-ec", each] for each in commands)]:
        done = subprocess.run(
            command, cwd=tmp_path, env=found, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
    for line in re.findall(r"- run: (reseed .*)", blocks(page, "yaml")[0]):
        assert line in "".join(commands) or line.startswith("reseed report study --format markdown")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=name_of)
def test_the_toml_of_a_page_is_a_study(page):
    for block in blocks(page, "toml"):
        assert Study.parse(tomllib.loads(block)).arms


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=name_of)
def test_examples_run(example, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(example)])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out


def test_example_studies_can_be_read():
    studies = [Study.read(path) for path in sorted(EXAMPLES.rglob("*.toml"))]
    assert studies
    assert all(study.conditions for study in studies)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told_where_verdicts_are(outcome):
    assert f"**{outcome}**" in text_of("concepts/verdicts.md")
    assert f"**{outcome}**" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert str(outcome) in text_of("glossary.md")


def test_the_rules_name_every_threshold_with_its_default():
    for field in describe(Thresholds):
        if field.name in {"holm", "looks"}:  # which change no rule
            continue
        assert f"`{field.name}` ({rounded(field.default, 2).rstrip('0')})" in text_of("concepts/verdicts.md"), (
            field.name
        )


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("entries.md", (*METHODS, *STARTS, *MEASURES, *FLOORS, *READERS, *WRITERS)),
        ("concepts/definitions.md", tuple(DEFINITIONS)),
        ("concepts/dice.md", (*DICE, *get_args(Scope))),
        ("glossary.md", (*DICE, *PREPROCESSINGS)),
        ("study-toml.md", (*METHODS, *PREPROCESSINGS)),
    ],
)
def test_pages_name_everything_of_their_kind(page, words):
    rows = prose(DOCS / page)
    assert [word for word in words if f"`{word}`" not in rows] == []


def headings(page: Path) -> set[str]:
    """What a link can point at: headings as the site names them, and anchors."""
    named = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    slugs = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", name).strip().lower()) for name in named}
    return slugs | set(re.findall(r'<a id="(.*?)">', text_of(page)))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)(.*?)\)", prose(page)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), target


def test_the_site_has_every_page():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    listed = re.findall(r"'([\w/-]+\.md)'", str(nav))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def test_every_citation_is_in_the_bibliography_once():
    entries = GENERATED["bibliography"](text_of("references.bib"))
    keys = [entry.key for entry in entries]
    assert len(keys) == len(set(keys)) == text_of("references.bib").count("\n@")
    assert all({"author", "title", "year"} <= set(entry.fields) for entry in entries)
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), *PAGES]
    cited = {key for path in sources for key in re.findall(r"@([a-z]+\d{4}[a-z]+)", path.read_text(encoding="utf-8"))}
    assert cited <= set(keys)
