"""Families of activations on which verdicts are tried."""

import runpy
from pathlib import Path

import pytest
import torch

from reseed.calibration.families import D_MODEL, FAMILIES
from reseed.verdict import CLAIMS, Outcome

TRIALS = Path(__file__).parents[2] / "benchmarks/trials.py"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_repeat_is_another_draw_and_the_same_one_again(family):
    rows = family.draw(3)
    assert rows.shape[1] == D_MODEL
    assert rows.isfinite().all()
    assert torch.equal(rows, family.draw(3))
    assert not torch.equal(rows, family.draw(4))


def test_where_nothing_can_be_told_the_right_word_claims_nothing():
    assert {family.word for family in FAMILIES if not family.identifiable} == {Outcome.UNSTABLE}
    assert {family.word for family in FAMILIES} & set(CLAIMS)
    assert all(family.because for family in FAMILIES)


def test_a_turned_copy_keeps_mean_and_covariance_and_no_direction():
    named = {family.name: family.draw(0).double() for family in FAMILIES}
    plain, turned = named["planted"], named["planted, turned"]
    assert torch.allclose(plain.T.cov(), turned.T.cov(), atol=1e-6)
    assert (plain - plain.mean(dim=0) - turned).abs().max() > 0.1


def test_a_trial_tells_the_word_of_every_arm_and_the_table_counts_false_claims(monkeypatch):
    monkeypatch.syspath_prepend(TRIALS.parent)
    script = runpy.run_path(str(TRIALS))
    rows = list(script["trial"](FAMILIES[0], 10_001))
    assert [row["arm"] for row in rows] == ["topk", "relu", "ra-topk"]
    assert {row["word"] for row in rows} <= set(Outcome)
    _, *lines = script["table"](rows)
    assert len(lines) == 3
    assert all("false: " in line for line in lines)
    assert script["share"](0, 200) == "0.000 [0.000, 0.018]"
    assert script["share"](5, 200) == "0.025 [0.008, 0.057]"
