"""The benchmarks that others rerun still run, and write what the documentation reads."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMITTED = json.loads((ROOT / "docs/assets/speed-training.json").read_text(encoding="utf-8"))
GROWTH = json.loads((ROOT / "docs/assets/scale.json").read_text(encoding="utf-8"))

MEASURED = ("cpu_seconds", "wall_seconds", "ratio", "r2", "cpu_seconds_of_rounds")


def run(script, *arguments):
    command = [sys.executable, f"benchmarks/{script}.py", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_training_benchmark_trains_what_is_installed_and_writes_what_the_page_is_made_from(tmp_path):
    file = tmp_path / "speed.json"
    table = run("training", "--shape", "small", "--rounds", 1, "--steps", 2, "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == list(COMMITTED)
    told = {row["name"]: {**row, **dict.fromkeys(MEASURED)} for row in COMMITTED["contenders"]}
    for row in written["contenders"]:
        assert row["cpu_seconds"] > 0
        assert row["name"] in table
        assert {**row, **dict.fromkeys(MEASURED)} == told[row["name"]]
    assert {"reseed", "overcomplete"} <= {row["package"] for row in written["contenders"]}


def test_the_growth_benchmark_measures_one_thing_at_a_time_and_writes_what_the_page_is_made_from(tmp_path):
    file = tmp_path / "scale.json"
    assert "slope" in run("growth", "--quick", "--only", "runs", "--json", file)
    assert "of the training time" in run("growth", "--quick", "--only", "audit", "--json", file)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert set(written) == {"format_version", "machine", "versions", "runs", "audit"}
    for name in ("runs", "audit"):
        assert list(written[name]) == list(GROWTH[name])
    assert written["runs"]["points"][0].keys() == GROWTH["runs"]["points"][0].keys()
    assert written["audit"]["costs"].keys() == GROWTH["audit"]["costs"].keys()
    file.write_text(json.dumps(GROWTH | written), encoding="utf-8")
    page = runpy.run_path(str(ROOT / "docs/scale.py"))["page"](file)
    assert all(f"| {tokens:,} |" in page for tokens in (5_000_000, 20_000_000, 100_000_000))


def test_the_slope_of_a_power_is_its_exponent(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    slope = runpy.run_path(str(ROOT / "benchmarks/growth.py"))["slope"]
    points = [{"n_atoms": n, "cpu_seconds": 5 + 1e-7 * max(n, 1000) ** 2} for n in (1, 10, 10**6, 10**7, 10**8)]
    assert slope(points, "n_atoms", "cpu_seconds") == 2.0
