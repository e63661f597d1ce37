"""Imports point one way: the contracts in .importlinter hold, and they speak of every module."""

import configparser
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch

import reseed
from test_package import type_checking_imports

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src/reseed").rglob("*.py"))


def contract(name):
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    return {key: set(value.split()) for key, value in parser[f"importlinter:contract:{name}"].items()}


def test_the_contracts_hold():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_the_two_sides_are_the_same_in_every_contract():
    analyses, trains = contract("analysis"), contract("training")
    assert analyses["source_modules"] == trains["forbidden_modules"]
    assert trains["source_modules"] == analyses["forbidden_modules"]
    assert contract("waist")["forbidden_modules"] == analyses["source_modules"] | trains["source_modules"]


def test_contracts_speak_of_packages_so_that_a_new_module_edits_none():
    named = set().union(*(names for kind in ("analysis", "training", "waist") for names in contract(kind).values()))
    modules = {name for name in named if name.startswith("reseed.") and name.count(".") == 1}
    files = {name for name in modules if (ROOT / "src/reseed" / f"{name.removeprefix('reseed.')}.py").exists()}
    assert files == {"reseed.findings"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_array_annotations_can_be_read_at_run_time(path):
    hidden = set(type_checking_imports(path).values())
    assert "jaxtyping" not in hidden
    assert "torch" not in hidden or "from jaxtyping" not in path.read_text(encoding="utf-8")


def test_a_shape_that_breaks_its_annotation_fails_a_test():
    with pytest.raises(jaxtyping.TypeCheckError, match="d_model"):
        reseed.match(torch.ones(3, 4), torch.ones(3, 5))
