"""Studies whose every cosine is chosen: the analysis finds what was chosen, and claims no more."""

from dataclasses import replace

import pytest
import torch

from reseed.calibration.built import Chosen, write_study
from reseed.calibration.claims import (
    LIMITS,
    NULLS,
    SPREADS,
    Truth,
    false_claims,
    gaining,
    power,
    read,
    studies,
    weighed,
)
from reseed.calibration.matrices import Spread, drawn, starts_of
from reseed.pipeline.rejudge import rejudge
from reseed.verdict import Outcome, Reason, judge

STARTS = starts_of(3, 2)
SAME = STARTS[:, None] == STARTS
EXACT = Spread()


def chosen(first, last, *, within=0.95, surrogate=(0.3, 0.5), **more):
    floors = {"data": torch.full((3, 3), 0.3).double(), "kmeans": torch.full((3, 3), 0.6).double()}
    beside = torch.stack([torch.full((3, 3), value).double() for value in surrogate])
    ends = [torch.where(SAME, same, apart).double() for same, apart in ((1.0, first), (within, last))]
    return Chosen(STARTS, *ends, floors, beside, **more)


def found_in(folder, truth):
    write_study(folder, truth)
    return rejudge(folder, quiet=True).conditions[0]


def test_the_analysis_finds_the_agreements_that_were_chosen(tmp_path):
    first = torch.where(SAME, 1.0, 0.5 + 0.02 * drawn(Spread(pair=1.0), STARTS, 1)[0])
    last = torch.where(SAME, 0.9, 0.7 + 0.03 * drawn(Spread(start=1.0, noise=0.5), STARTS, 1)[0])
    floor = 0.6 + 0.01 * drawn(Spread(noise=1.0), torch.arange(4), 1)[0]
    beside = torch.stack([torch.full((3, 3), value).double() for value in (0.3, 0.5)])
    found = found_in(tmp_path, Chosen(STARTS, first, last, {"data": floor / 2, "kmeans": floor}, beside))
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    for (i, j), pair in zip(pairs, found.pairs, strict=True):
        assert pair.agreement == pytest.approx((first[i, j].item(), last[i, j].item()), abs=1e-5)
        assert pair.relation == ("within" if SAME[i, j] else "between")
    (kmeans,) = (each for each in found.agreement.floors if each.name == "kmeans")
    assert (kmeans.role, found.agreement.strictest) == ("reference", "surrogate")
    assert found.agreement.floor.value == pytest.approx(0.5, abs=1e-5)
    assert kmeans.value == pytest.approx(floor[torch.ones(4, 4, dtype=torch.bool).triu(1)].mean().item(), abs=1e-5)
    assert kmeans.n == 4


CASES = {
    Outcome.CONVERGENT: chosen(0.2, 0.97, within=0.99),
    Outcome.STABILIZING: chosen(0.2, 0.8),
    Outcome.INHERITED: chosen(0.2, 0.2),
    Outcome.FROZEN: chosen(0.2, 0.2, within=0.999, retention=0.999),
    Outcome.UNSTABLE: chosen(0.2, 0.2, within=0.3),
    Outcome.DIVERGING: chosen(0.8, 0.2, within=0.22),
    Outcome.NOT_FITTED: chosen(0.2, 0.97, r2=0.05),
}


@pytest.mark.parametrize("outcome", CASES)
def test_a_truth_without_spread_gets_its_word(tmp_path, outcome):
    assert found_in(tmp_path, CASES[outcome]).verdict.outcome == outcome


def test_a_surrogate_that_varies_by_start_keeps_a_claim_from_being_made(tmp_path):
    truth = chosen(0.2, 0.53)
    assert found_in(tmp_path / "known", truth).verdict.outcome == Outcome.STABILIZING
    vary = torch.tensor([[1, 0.45, 0.5], [0.45, 1, 0.55], [0.5, 0.55, 1]]).double()
    beside = torch.stack([truth.surrogate[0], vary])
    unsure = found_in(tmp_path / "varies", replace(truth, surrogate=beside))
    assert (unsure.verdict.outcome, unsure.verdict.because) == (Outcome.INCONCLUSIVE, Reason.NULL_OPEN)
    assert unsure.verdict.would_change.startswith("More starts of the surrogate")
    adjusted, between = unsure.agreement.between.adjusted, unsure.agreement.between.last
    assert between.low > 0.5 > between.low - 0.05
    assert adjusted.low < 0 < adjusted.value
    error = unsure.agreement.floor.standard_error * (1 - adjusted.value) / 0.5
    assert adjusted.standard_error == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("kmeans", [0.3, 0.9])
def test_what_k_means_agrees_forbids_nothing(tmp_path, kmeans):
    truth = chosen(0.2, 0.8)
    draws = torch.full((3, 3), kmeans).double()
    verdict = found_in(tmp_path, replace(truth, floors={**truth.floors, "kmeans": draws})).verdict
    assert verdict.outcome == Outcome.STABILIZING
    assert f"k-means agrees .{kmeans * 100:.0f}" in verdict.sentence


def test_nulls_have_the_truth_that_they_name_and_are_not_claimed():
    for truth in NULLS:
        evidence = [weighed(chosen) for chosen in studies(truth, SPREADS["as measured"], 3, 60)]
        for known, value in ((truth.first, "first"), (truth.last, "between")):
            mean = sum(getattr(each.agreement, value).value for each in evidence) / 60
            assert mean == pytest.approx(known, abs=0.004)
        assert sum(each.agreement.surrogate.value for each in evidence) / 60 == pytest.approx(truth.null[1], abs=0.004)
        made, _ = false_claims(truth, "as measured", 3, 60)
        assert made.holds


@pytest.mark.parametrize("truth", NULLS[1:5], ids=lambda truth: truth.name)
def test_what_is_weighed_without_files_is_what_the_whole_analysis_says(truth):
    for chosen in studies(truth, SPREADS["as measured"], 3, 2):
        said, weighed_alone = read(chosen).verdict, judge(weighed(chosen), LIMITS)
        assert (said.outcome, said.sentence) == (weighed_alone.outcome, weighed_alone.sentence)


def test_a_surrogate_taken_as_known_is_passed_too_often():
    made, known = false_claims(NULLS[2], "small", 8, 300)
    assert made.value <= 0.05
    assert known.value > 0.1


def test_a_false_claim_is_counted():
    lie = Truth("together", 0.1, 0.8)
    made, _ = false_claims(lie, "as measured", 4, 4)
    assert made.value == 1.0
    assert not made.holds
    assert power(gaining(20.0, null=0.3, born_alike=False), "as measured", 4, 4).value == 1.0
