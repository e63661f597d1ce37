"""From the same arrays, BatchTopK and Matryoshka follow the installed peers step by step."""

import runpy
from pathlib import Path

import pytest

PARITY = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/peers/parity_batch.py"))


@pytest.mark.parametrize("name", ["dictionary_learning_batchtopk", "dictionary_learning_matryoshka"])
def test_ours_follow_dictionary_learning(dictionary_learning_trainers, name):
    assert_parity(PARITY[name](dictionary_learning_trainers))


def test_ours_follow_overcomplete(overcomplete_sae):
    assert_parity(PARITY["overcomplete_batchtopk"](overcomplete_sae))


def assert_parity(row):
    assert row["largest_relative_difference"] <= 1e-5
    assert row["of_threshold"] <= 1e-5
    assert row["r2_ours"] == pytest.approx(row["r2_theirs"], abs=2e-4)
