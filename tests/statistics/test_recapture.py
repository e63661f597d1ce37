"""Capture-recapture: against closed forms, noise without a bound, and planted numbers of classes."""

import math

import pytest
import torch
from scipy import stats

from reseed.statistics import Ranged, recapture


def found(*frequencies):
    """Appearances from f_1, f_2, ..."""
    return torch.tensor([k for k, f in enumerate(frequencies, 1) for _ in range(f)], dtype=torch.long)


def said(*frequencies, chance=0.0):
    return recapture(found(*frequencies), len(frequencies), chance=chance)


def ends(ranged):
    return ranged.value, ranged.low, ranged.high


def test_chaos_bound_and_its_interval_by_hand():
    # f1 = 30, f2 = 20 of 4 runs: unseen 3/4 * 900 / 40, variance of Chao 1987 with a = 3/4 and r = 3/2
    unseen, a, r = 0.75 * 900 / 40, 0.75, 1.5
    variance = 20 * (a / 2 * r**2 + a**2 * r**3 + a**2 / 4 * r**4)
    factor = math.exp(stats.norm.ppf(0.975) * math.sqrt(math.log(1 + variance / unseen**2)))
    expected = 100 + unseen, math.floor(100 + unseen / factor), math.ceil(100 + unseen * factor)
    assert ends(said(30, 20, 20, 30).chao) == pytest.approx(expected)


def test_without_a_class_found_twice_the_bound_is_bias_corrected():
    bound = said(5, 0, 10, 40).chao
    assert bound.value == pytest.approx(55 + 0.75 * 5 * 4 / 2)
    assert 55 <= bound.low < bound.value < bound.high


def test_where_all_classes_are_found_by_all_runs_there_is_nothing_left_to_find():
    whole = said(0, 0, 0, 50)
    assert ends(whole.bound) == ends(whole.chao) == (50, 50, 50)
    assert ends(whole.coverage) == (1, 1, 1)
    assert ends(whole.forecast) == (0, 0, 0)
    assert math.isnan(whole.heterogeneity.value)


def test_what_is_found_once_counts_as_far_as_what_is_found_twice_and_three_times_tells():
    few, many = said(24, 20, 20, 30), said(500, 20, 20, 30)
    once = 2 * 2 / (3 * 3) * 20**2 / 20
    expected = 70 + once + 0.75 * once**2 / (2 * 20)
    assert few.bound.value == many.bound.value == pytest.approx(expected)
    assert few.bound == many.bound
    assert many.chao.value > 40 * few.chao.value
    assert said(3, 20, 20, 30).bound == said(3, 20, 20, 30).chao  # less than that was found once


def test_slopes_are_those_of_the_bound():
    """The variance by numerical differentiation: sum f g^2 less the bound, f multinomial."""
    frequencies = [4000, 900, 700, 800, 600]

    def bound(f):
        return said(*f).bound.value

    slopes = []
    for k in range(5):
        up, down = ([f + (step if i == k else 0) for i, f in enumerate(frequencies)] for step in (1, -1))
        slopes.append((bound(up) - bound(down)) / 2)
    unseen = bound(frequencies) - 3000
    variance = sum(f * g**2 for f, g in zip(frequencies, slopes, strict=True)) - bound(frequencies)
    factor = math.exp(stats.norm.ppf(0.975) * math.sqrt(math.log(1 + variance / unseen**2)))
    assert said(*frequencies).bound.low == pytest.approx(3000 + unseen / factor, abs=1.5)
    assert said(*frequencies).bound.high == pytest.approx(3000 + unseen * factor, abs=1.5)


@pytest.mark.parametrize("n_runs", [3, 4, 7])
def test_in_expectation_the_forecast_is_exact_for_equal_chances_and_holds_the_truth_for_unequal_ones(n_runs):
    def expected(chances):
        return [round(sum(1e6 * math.comb(n_runs, k) * p**k * (1 - p) ** (n_runs - k) for p in chances))
                for k in range(1, n_runs + 1)]  # fmt: skip

    def new(chances):
        return sum(1e6 * p * (1 - p) ** n_runs for p in chances)

    def of(frequencies):
        appearances = torch.arange(1, n_runs + 1).repeat_interleave(torch.tensor(frequencies))
        return recapture(appearances, n_runs, level=1e-6, chance=0.0)  # without an allowance for chance, the two bounds

    equal, unequal = (0.3,), (0.05, 0.3, 0.9)
    assert of(expected(equal)).forecast.value == pytest.approx(new(equal), rel=1e-4)
    assert of(expected(equal)).heterogeneity.value == pytest.approx(1, abs=1e-4)
    assert of(expected(equal)).bound.value == pytest.approx(1e6, rel=1e-4)
    assert of(expected(equal)).chao.value == pytest.approx(1e6, rel=1e-4)
    wide = of(expected(unequal))
    assert wide.forecast.low - 2 <= new(unequal) <= wide.forecast.high + 2
    assert wide.heterogeneous
    assert wide.bound.value <= wide.chao.value <= 3e6


def test_the_prediction_interval_is_that_of_two_poisson_numbers_where_no_class_comes_back():
    # X = 90 from 9 runs: |Y - X / 9| <= z sqrt((X + Y) / 9), solved for Y
    forecast = said(90, *[0] * 8).forecast
    z = stats.norm.ppf(0.975)
    inside = [y for y in range(60) if abs(y - 10) <= z * math.sqrt((90 + y) / 9)]
    assert ends(forecast) == (10, inside[0], inside[-1])


@pytest.mark.parametrize("n_runs", [2, 3, 8])
@pytest.mark.parametrize("n_atoms", [1, 30, 16_384])
def test_singletons_alone_read_no_saturation_no_bound(n_runs, n_atoms):
    noise = recapture(torch.ones(n_runs * n_atoms, dtype=torch.long), n_runs)
    assert noise.saturation == "none"
    assert noise.bound is noise.chao is None
    assert noise.coverage.value == 0
    assert noise.forecast.low <= n_atoms <= noise.forecast.high
    assert "no saturation, no bound" in noise.sentence
    assert noise.reason.startswith("0 % of a run's atoms come back")


def test_partners_by_chance_are_no_saturation():
    chance = torch.Generator().manual_seed(0)
    for n_runs in (3, 5, 8):
        pairs = int(torch.rand(n_runs * (n_runs - 1) // 2 * 1000, generator=chance).lt(0.02).sum())
        frequencies = [n_runs * 1000 - 2 * pairs, pairs, *[0] * (n_runs - 2)]
        assert said(*frequencies, chance=0.02).saturation == "none"
    assert said(1000, 200, 100, 0).saturation == "some"
    assert said(1000, 200, 100, 0, chance=0.2).saturation == "none"


def test_what_chance_finds_twice_counts_for_nothing():
    # of 7,000 atoms of one run alone every pair of 5 runs links one in a hundred
    alone, linked = round(7000 * 0.99**4), round(7000 * (1 - 0.99**4) / 2)
    plain, spurious = said(10, 200, 200, 200, 200), said(10 + alone, 200 + linked, 200, 200, 200, chance=0.01)
    assert spurious.bound.value == pytest.approx(said(alone, 200, 200, 200, 200).bound.value, abs=1)
    assert said(10 + alone, 200 + linked, 200, 200, 200).bound.low > 1.3 * spurious.bound.value
    assert plain.saturation == spurious.saturation == "some"


def test_nothing_found_says_so():
    nothing = recapture(torch.zeros(0, dtype=torch.long), 3)
    assert (nothing.saturation, nothing.n_classes) == ("none", 0)
    assert nothing.reason == "no run found any class"
    assert math.isnan(nothing.coverage.value)
    assert nothing.forecast.value == 0


def test_two_runs_bound_by_what_both_found():
    both = said(40, 80)
    assert both.bound == Ranged(80.0, 80.0, 80.0)
    assert both.chao.value == pytest.approx(120 + 0.5 * 40**2 / 160)
    assert math.isnan(both.heterogeneity.value)


def test_the_sentence_has_the_numbers():
    assert said(30, 20, 20, 30).sentence == (
        "4 runs found 100 classes, 30 of them once; at least 80 [73, 102] come back, at least 117 [106, 143] with "
        "every atom that one run has alone; a further run would bring 6 [1, 12] new ones."
    )


def drawn(chances, n_runs, chance):
    """Appearances in the runs, and how many classes one more run brings."""
    hit = torch.rand(len(chances), n_runs + 1, generator=chance) < chances[:, None]
    before = hit[:, :-1].sum(dim=1)
    return before[before > 0], int((hit[:, -1] & (before == 0)).sum())


@pytest.mark.parametrize("n_runs", [3, 8])
@pytest.mark.parametrize(
    "law",
    [lambda u: u, lambda u: 0.3 + 0 * u, lambda u: (u * torch.pi / 2).sin() ** 2],
    ids=["even", "equal", "arcsine"],
)
def test_planted_numbers_of_classes_are_bounded_and_further_runs_foretold(n_runs, law):
    chance = torch.Generator().manual_seed(n_runs)
    below = chao_below = covers = 0
    for _ in range(200):
        appearances, new = drawn(law(torch.rand(400, generator=chance)), n_runs, chance)
        this = recapture(appearances, n_runs, chance=0.0)
        below += this.bound.low <= 400
        chao_below += this.chao.low <= 400
        covers += this.forecast.low <= new <= this.forecast.high
    assert min(below, chao_below) >= 0.95 * 200
    assert covers >= 0.93 * 200


@pytest.mark.parametrize(
    ("appearances", "settings", "told"),
    [
        ([0, 1], {}, "found in 1 to 3 runs"),
        ([1, 4], {}, "found in 1 to 3 runs"),
        ([1], {"level": 1.0}, "level"),
        ([1], {"chance": 1.5}, "chance"),
    ],
)
def test_what_cannot_be_counted_is_refused(appearances, settings, told):
    with pytest.raises(ValueError, match=told):
        recapture(torch.tensor(appearances), 3, **settings)


def test_one_run_recaptures_nothing():
    with pytest.raises(ValueError, match="n_runs is 1"):
        recapture(torch.tensor([1]), 1)
