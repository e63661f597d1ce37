"""The benchmarks that others rerun still run, and write what the documentation reads."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING = (
    ("speed-training", ()),
    ("speed-training", ("--families", "jumprelu", "ra-jumprelu", "gated", "transcoder")),
    ("speed-pursuit", ("--families", "mp")),
)
"""What the training benchmark wrote, and how it was asked."""
CALIBRATION = json.loads((ROOT / "docs/assets/calibration.json").read_text(encoding="utf-8"))
GROWTH = json.loads((ROOT / "docs/assets/scale.json").read_text(encoding="utf-8"))
BLOCKS = json.loads((ROOT / "docs/assets/blocks.json").read_text(encoding="utf-8"))
RECAPTURE = json.loads((ROOT / "docs/assets/recapture.json").read_text(encoding="utf-8"))
PLANNING = json.loads((ROOT / "docs/assets/planning.json").read_text(encoding="utf-8"))

MEASURED = ("cpu_seconds", "wall_seconds", "ratio", "r2", "cpu_seconds_of_rounds")


def run(script, *arguments):
    command = [sys.executable, f"benchmarks/{script}.py", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("name", "asked"), TRAINING)
def test_the_training_benchmark_trains_what_is_installed_and_writes_what_the_page_is_made_from(tmp_path, name, asked):
    file = tmp_path / "speed.json"
    committed = json.loads((ROOT / f"docs/assets/{name}.json").read_text(encoding="utf-8"))
    table = run("training", "--shape", "small", "--rounds", 1, "--steps", 2, *asked, "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == list(committed)
    told = {row["name"]: {**row, **dict.fromkeys(MEASURED)} for row in committed["contenders"]}
    for row in written["contenders"]:
        assert row["cpu_seconds"] > 0
        assert row["name"] in table
        assert {**row, **dict.fromkeys(MEASURED)} == told[row["name"]]
    assert {"reseed", "overcomplete"} <= {row["package"] for row in written["contenders"]}


def test_the_growth_benchmark_measures_everything_and_writes_what_the_page_is_made_from(tmp_path):
    file = tmp_path / "scale.json"
    table = run("growth", "--quick", "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == list(GROWTH)
    heading = {"format_version", "machine", "versions"}
    for name in written.keys() - heading:
        assert f"{name}: " in table
        assert list(written[name]) == list(GROWTH[name])
    assert written["audit"]["costs"].keys() == GROWTH["audit"]["costs"].keys()
    page = runpy.run_path(str(ROOT / "docs/scale.py"))["page"](file)
    assert all(f"| {tokens:,} |" in page for tokens in (5_000_000, 20_000_000, 100_000_000))


def test_a_dry_run_says_what_comes_and_the_page_is_made_from_that(tmp_path):
    file = tmp_path / "planning.json"
    run("planning", "--quick", "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == list(PLANNING)
    (quick,) = written["shapes"]
    assert quick.keys() == PLANNING["shapes"][0].keys()
    planned, taken = quick["planned"], quick["taken"]
    assert planned.keys() == taken.keys()
    assert planned["files"] == taken["files"]
    assert planned["disk"] == pytest.approx(taken["disk"], rel=0.1)
    assert taken["memory"] <= planned["memory"] <= 1.6 * taken["memory"]
    assert planned["cpu_seconds"] > 0
    page = runpy.run_path(str(ROOT / "docs/scale.py"))["page"](plans=file)
    assert f" | {planned['files']} / {taken['files']} | " in page


def test_the_calibration_counts_what_the_page_is_made_from_and_leaves_other_tables_as_they_are(tmp_path):
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(CALIBRATION), encoding="utf-8")
    told = run("calibration", "--only", "coverage", "--only", "contrasts", "--repeats", 1, "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written.keys() == CALIBRATION.keys()
    for name, table in CALIBRATION["tables"].items():
        if name not in {"coverage", "contrasts"}:
            assert written["tables"][name] == table
        rows = written["tables"][name]["rows"]
        assert [row["name"] for row in rows] == [row["name"] for row in table["rows"]]
        assert [row.keys() for row in rows] == [row.keys() for row in table["rows"]]
    assert "coverage: " in told
    page = runpy.run_path(str(ROOT / "docs/trust.py"))["page"](file)
    assert page.count("\n| ") == (ROOT / "docs/concepts/trust.md").read_text(encoding="utf-8").count("\n| ")


def test_the_recapture_benchmark_tells_which_targets_its_rows_miss_and_writes_what_is_committed(tmp_path):
    file = tmp_path / "recapture.json"
    told = run("recapture", "--only", "counts", "--only", "noise", "--repeats", 20, "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written.keys() == RECAPTURE.keys()
    for name in ("counts", "noise"):
        rows, known = written["tables"][name]["rows"], RECAPTURE["tables"][name]["rows"]
        assert [row.keys() for row in rows] == [row.keys() for row in known]
        missed = sum(bool(row["misses"]) for row in rows)
        assert f"{missed} of {len(known)} rows miss a target" in told


def test_the_blocks_benchmark_writes_what_is_committed(tmp_path):
    file = tmp_path / "blocks.json"
    told = run("blocks", "--quick", "--repeats", 1, "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written.keys() == BLOCKS.keys()
    for name, table in written["tables"].items():
        assert table["rows"][0].keys() == BLOCKS["tables"][name]["rows"][0].keys()
        missed = sum(bool(row["misses"]) for row in table["rows"])
        assert f"{missed} of {len(table['rows'])} rows miss a target" in told


def test_flipped_bits_of_a_study_are_found_named_and_mended():
    told = run("faults/flips", "--flips", 3, "--seed", 1)
    assert told.endswith("9 meetings with a flipped bit: 0 silent, not mended or a traceback\n")


def test_studies_that_are_killed_and_stopped_at_any_time_end_as_if_they_had_not_been():
    told = run("faults/stops", "--trials", 3, "--seed", 1)
    assert re.search(r"\n[3-9]\d* signals to \d+ studies; 0 faults\n", told)


@pytest.fixture
def growth(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return runpy.run_path(str(ROOT / "benchmarks/growth.py"))


def test_a_point_of_a_curve_has_a_process_of_its_own_whose_memory_is_told(growth, tmp_path):
    settings = growth["SMALL"] | {"rows": 20_000, "tokens": 20_000, "d_model": 64, "n_points": 16}
    found = growth["Bench"](tmp_path, quick=False).point("clustering", settings)
    assert found["cpu_seconds"] > 0
    assert sys.platform != "linux" or 0 < found["anonymous_mib"] < 100


def test_the_slope_of_a_power_is_its_exponent(growth):
    points = [{"n_atoms": n, "cpu_seconds": 5 + 1e-7 * max(n, 1000) ** 2} for n in (1, 10, 10**6, 10**7, 10**8)]
    assert growth["slope"](points, "n_atoms", "cpu_seconds") == 2.0
