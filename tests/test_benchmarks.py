"""The benchmarks that others rerun still run, and write what the documentation reads."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMITTED = json.loads((ROOT / "docs/assets/speed-training.json").read_text(encoding="utf-8"))

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
