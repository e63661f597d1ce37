"""From the same arrays, JumpReLU, RA-JumpReLU and Gated follow the installed peers step by step."""

import runpy
from pathlib import Path

import pytest

PARITY = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/peers/parity_jump.py"))


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
