"""Simulated pair matrices have the effects asked for, and what is counted on them is what should be."""

import pytest
import torch
from scipy import stats

from reseed.calibration import matrices
from reseed.calibration.matrices import LAWS, SPREADS, Spread, coverage, drawn, permutation, starts_of, tost, welch


@pytest.mark.parametrize("skewness", LAWS.values())
def test_effects_have_the_deviation_and_the_skewness_asked_for(skewness):
    values = drawn(Spread(run=0.3, skewness=skewness), torch.arange(3), 40_000)
    effects = (values[:, 0, 1] + values[:, 0, 2] - values[:, 1, 2]) / 2  # that of run 0
    assert effects.std().item() == pytest.approx(0.3, rel=0.03)
    assert stats.skew(effects.numpy()) == pytest.approx(skewness, abs=0.1)


def test_each_effect_is_where_it_belongs():
    starts = starts_of(3, 2)
    for name in ("start", "pair", "run", "noise"):
        values = drawn(Spread(**{name: 1.0}), starts, 4)
        assert torch.allclose(values, values.mT)
        same_pair_of_starts = torch.allclose(values[:, 0, 2], values[:, 1, 3])
        assert same_pair_of_starts == (name in {"start", "pair"})
        additive = values[:, 0, 2] + values[:, 1, 3] - values[:, 0, 3] - values[:, 1, 2]
        assert torch.allclose(additive, torch.zeros(4).double(), atol=1e-9) == (name != "noise")


def test_intervals_of_starts_cover_where_pairs_as_replicates_do_not():
    kept, naive = coverage(SPREADS["starts only"], 5, 2, 1500, least=0.93)
    assert kept.value == pytest.approx(0.95, abs=0.02)  # exact for effects of starts
    assert naive.value < 0.4
    assert kept.holds
    conservative, _ = coverage(SPREADS["pairs only"], 5, 2, 1500)
    assert conservative.value > 0.97


def test_a_miss_is_told(monkeypatch):
    narrow = [
        estimate.at(0.6)
        for estimate in matrices.statistics.between(drawn(Spread(start=1.0), torch.arange(5), 400), torch.arange(5))
    ]
    monkeypatch.setattr(matrices.statistics, "between", lambda *_: narrow)
    kept, _ = coverage(SPREADS["starts only"], 5, 1, 400, least=0.93)
    assert kept.value < 0.75
    assert not kept.holds
    assert not kept.case.holds


def test_contrasts_and_tests_keep_their_level():
    assert welch(SPREADS["starts only"], (4, 8), 800, least=0.93).holds
    size = tost(SPREADS["starts only"], 5, 800)
    assert 0.02 < size.value < 0.075
    for rate in permutation(SPREADS["starts and pairs"], 4, 2, 400):
        assert rate.holds
        assert rate.least == rate.most
