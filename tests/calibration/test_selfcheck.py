"""The command asks, tells and fails; the page and the benchmark say the same."""

import json

import pytest
from typer.testing import CliRunner

from reseed.calibration import selfcheck as checks
from reseed.calibration.results import Case, Rate, quantity
from reseed.cli import app
from studies import command_line


def test_the_command_asks_the_parts_that_were_named_and_writes_what_it_found(tmp_path):
    asked = command_line("selfcheck", "--only", "floors,tests", "--out", tmp_path, "--quiet")
    lines = asked.stdout_text.splitlines()
    assert asked.returncode == 0, asked.stderr_text
    written = json.loads((tmp_path / "selfcheck.json").read_text(encoding="utf-8"))
    assert lines[-1] == f"{len(written['cases'])} of {len(written['cases'])} hold"
    assert lines[:-1] == [checks.rendered(Case(**case)) for case in written["cases"]]
    assert all(line.startswith("ok ") for line in lines[:-1])


def test_a_case_that_does_not_hold_is_an_exit_code(monkeypatch):
    monkeypatch.setitem(checks.CHECKS, "floors", lambda: iter([Case("two and two", "4", "5", holds=False)]))
    told = CliRunner().invoke(app, ["selfcheck", "--only", "floors", "--quiet"])
    assert told.exit_code == 1
    assert "NO  two and two: 5 (expected: 4)" in told.stdout


def test_a_part_that_is_not_there_is_named(tmp_path, typed):
    code, _, told = typed("selfcheck", "--only", "floor", "--out", tmp_path, "--quiet")
    assert code == 1
    assert "--only floor: choose from intervals, tests, floors" in told


def test_the_help_names_every_part(typed):
    _, told, _ = typed("selfcheck", "--help")
    assert all(name in told for name in checks.CHECKS)


@pytest.mark.parametrize(
    ("value", "holds"), [(0.05, True), (0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5 - 1e-9, True), (0.12, False)]
)
def test_a_rate_may_miss_its_target_by_what_chance_does(value, holds):
    rate = Rate("false claims", value, 100, most=0.05)
    assert rate.holds == rate.case.holds == holds
    assert rate.case.expected == "at most .05"


def test_a_target_from_both_sides_and_a_quantity():
    assert Rate("covers", 0.99, 10_000, least=0.93, most=0.97).case.expected == ".93 to .97"
    assert not Rate("covers", 0.99, 10_000, least=0.93, most=0.97).holds
    assert Rate("covers", 0.99, 10_000, least=0.93).holds
    assert quantity("floor", 0.373, near=0.372, within=0.01).holds
    assert not quantity("floor", 0.383, near=0.372, within=0.01).holds
