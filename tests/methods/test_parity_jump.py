"""From the same arrays, JumpReLU, RA-JumpReLU and Gated follow the installed peers step by step."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARITY = runpy.run_path(str(ROOT / "benchmarks/peers/parity_jump.py"))


@pytest.mark.parametrize("name", ["dictionary_learning_jumprelu", "dictionary_learning_gated"])
def test_ours_follow_dictionary_learning(dictionary_learning_trainers, name):
    assert_parity(PARITY[name](dictionary_learning_trainers))


@pytest.mark.parametrize("bandwidth", [1.0, 0.5])
@pytest.mark.parametrize("name", ["overcomplete_jump", "overcomplete_ra_jump"])
def test_ours_follow_overcomplete(overcomplete_sae, name, bandwidth):
    assert_parity(PARITY[name](overcomplete_sae, bandwidth=bandwidth))


def assert_parity(row):
    assert row["largest_relative_difference"] <= 1e-5
    assert row["r2_ours"] == pytest.approx(row["r2_theirs"], abs=2e-4)


def test_what_is_told_of_all_peers_is_within_the_bound():
    told = json.loads((ROOT / "docs/assets/parity_jump.json").read_text(encoding="utf-8"))
    assert {(row["method"], row["peer"]) for row in told} >= {("jumprelu", "sae-lens"), ("gated", "sae-lens")}
    for row in told:
        assert_parity(row)
