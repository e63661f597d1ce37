import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from scipy import stats

from reseed.statistics import (
    Estimate,
    between_start,
    beyond,
    contrast,
    ends,
    equivalence,
    over_runs,
    paired_contrast,
    within_start,
)


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def estimate(value, standard_error, n_units=6, **fields):
    return Estimate(
        value=value,
        standard_error=standard_error,
        degrees=float(fields.pop("degrees", n_units - 1)),
        n_units=n_units,
        unit="start",
        **fields,
    )


def mean_over_runs(pairs, _):
    return pairs.diagonal(dim1=-2, dim2=-1).mean(dim=-1)


def test_a_contrast_of_means_is_welchs_t_test():
    x, y = normal(1, 5), 3 * normal(1, 9, rolled=1)
    difference = contrast(over_runs(x, torch.arange(5))[0], over_runs(y, torch.arange(9))[0])
    welch = stats.ttest_ind(x[0].numpy(), y[0].numpy(), equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert difference.degrees == pytest.approx(welch.df)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert difference.n_units == 5


def test_a_paired_contrast_of_means_is_the_paired_t_test():
    x = normal(1, 6)
    y = x + 0.1 * normal(1, 6, rolled=1)
    both = torch.diag_embed(x), torch.diag_embed(y)
    (difference,) = paired_contrast((mean_over_runs,) * 2, *both, torch.arange(6))
    interval = stats.ttest_rel(x[0].numpy(), y[0].numpy()).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))


def test_shared_dice_cancel_in_a_paired_contrast_and_not_in_an_independent_one():
    runs = normal(8)
    x = (runs[:, None] + runs)[None]
    y = x - 0.1
    starts = torch.arange(8)
    (paired,) = paired_contrast((between_start,) * 2, x, y, starts)
    independent = contrast(ends(between_start, x, starts).last, ends(between_start, y, starts).last)
    assert paired.value == pytest.approx(independent.value)
    assert paired.standard_error < 1e-12 < independent.standard_error
    with pytest.raises((ValueError, TypeError), match="7"):
        paired_contrast((between_start,) * 2, x, y[:, :7, :7], starts)


def test_a_contrast_inherits_the_caveats_of_both_sides():
    fine, poor = estimate(0.5, 0.1), estimate(0.3, math.nan, reason="too few")
    both = contrast(fine, poor)
    assert both.value == pytest.approx(0.2)
    assert not both.defined
    assert both.reason == "too few"
    assert contrast(poor, poor).reason == "too few"
    with pytest.raises(ValueError, match=r"level 0\.95, the other at 0\.9"):
        contrast(fine, fine.at(0.9))


def test_arms_without_any_spread_differ_exactly():
    exact = contrast(estimate(1.0, 0.0), estimate(0.4, 0.0))
    assert (exact.low, exact.high) == (0.6, 0.6)
    assert equivalence(exact).outcome == "advantage"
    assert equivalence(contrast(estimate(1.0, 0.0), estimate(1.0, 0.0))).outcome == "equivalent"


def test_each_side_of_a_paired_contrast_has_its_own_statistic():
    starts = torch.arange(8) // 2
    same = starts[:, None] == starts
    noise = 0.01 * (normal(2, 8, 8) + normal(2, 8, 8).mT)
    x = torch.where(same, 0.9, 0.7).double()[None] + noise[:1]
    y = torch.where(same, 0.7, 0.6).double()[None] + noise[1:]
    (difference,) = paired_contrast((within_start, between_start), x, y, starts)
    expected = within_start(x, starts) - between_start(y, starts)
    assert difference.value == pytest.approx(expected.item())
    assert difference.value == pytest.approx(0.9 - 0.6, abs=0.03)
    alone = contrast(ends(within_start, x, starts).last, ends(between_start, y, starts).last)
    assert 0 < difference.standard_error < 3 * alone.standard_error


@pytest.mark.parametrize(
    ("value", "standard_error", "outcome"),
    [
        (0.20, 0.01, "advantage"),
        (-0.20, 0.01, "disadvantage"),
        (0.00, 0.01, "equivalent"),
        (0.01, 0.001, "equivalent"),  # surely positive, and surely too small to matter
        (0.00, 0.05, "inconclusive"),
        (0.05, 0.05, "inconclusive"),
        (0.03, 0.0, "advantage"),  # on the margin is not inside it
        (0.0, 0.013, "equivalent"),  # the 90 % interval is inside the margin, the 95 % interval is not
        (0.06, 0.026, "inconclusive"),  # the 90 % interval excludes 0, the 95 % interval does not
        (-0.06, 0.026, "inconclusive"),
        (math.nan, math.nan, "inconclusive"),
        (0.20, math.nan, "inconclusive"),
    ],
)
def test_four_things_can_be_said_about_a_difference(value, standard_error, outcome):
    said = equivalence(estimate(value, standard_error), margin=0.03)
    assert said.outcome == outcome
    assert (said.runs_to_decide is not None) == (outcome == "inconclusive" and not math.isnan(standard_error))


def test_equivalence_is_two_one_sided_t_tests():
    values = 0.01 + 0.02 * normal(1, 8)
    (difference,) = over_runs(values, torch.arange(8))
    above = stats.ttest_1samp(values[0].numpy(), -0.03, alternative="greater").pvalue
    below = stats.ttest_1samp(values[0].numpy(), 0.03, alternative="less").pvalue
    said = equivalence(difference, margin=0.03)
    assert said.p_value == pytest.approx(max(above, below))
    assert (said.outcome == "equivalent") == (said.p_value < 0.05)


@pytest.mark.parametrize("value", [0.0, 0.005, 0.029, 0.04, -0.02])
def test_the_runs_to_decide_do_decide_and_one_less_does_not(value):
    undecided = estimate(value, 0.05, n_units=5)
    needed = equivalence(undecided, margin=0.03).runs_to_decide
    with_fewer, with_enough = (
        equivalence(estimate(value, 0.05 * math.sqrt(5 / n), n_units=n), margin=0.03).outcome
        for n in (needed - 1, needed)
    )
    assert with_fewer == "inconclusive" != with_enough


def test_smaller_effects_take_more_runs():
    needed = [equivalence(estimate(value, 0.05, n_units=4), margin=0.01).runs_to_decide for value in (0.08, 0.05, 0.02)]
    assert all(fewer < more for fewer, more in pairwise(needed))


def test_no_number_of_runs_is_promised_where_none_would_do():
    assert equivalence(estimate(0.01, 5.0), margin=0.01).runs_to_decide is None
    assert equivalence(estimate(0.01, 0.1, n_units=1, degrees=5), margin=0.01).runs_to_decide is None


@pytest.mark.parametrize(("margin", "alpha"), [(0.0, 0.05), (-0.1, 0.05), (0.03, 0.5), (0.03, 0.0)])
def test_a_margin_or_an_alpha_that_cannot_be_is_refused(margin, alpha):
    with pytest.raises(ValueError, match="margin must be above 0, alpha between 0 and 1/2"):
        equivalence(estimate(0.0, 0.1), margin=margin, alpha=alpha)


# Against a floor.


def test_an_exact_floor_only_rescales():
    adjusted = beyond(estimate(0.7, 0.02, 4), Estimate(0.4, 0.0, 0.0, 0, "start"))
    assert (adjusted.value, adjusted.standard_error) == pytest.approx((0.5, 0.02 / 0.6))
    assert (adjusted.degrees, adjusted.n_units, adjusted.unit) == (3, 4, "start")


@pytest.mark.parametrize("agreement", [0.2, 0.4, 0.7, 0.97])
def test_the_error_beyond_a_floor_is_that_of_the_ratio_to_first_order(agreement):
    floor, errors = 0.4, (0.004, 0.003)
    adjusted = beyond(estimate(agreement, errors[0], 4), estimate(floor, errors[1], 3))
    draws = normal(2, 400_000)
    a, f = agreement + errors[0] * draws[0], floor + errors[1] * draws[1]
    assert adjusted.value == pytest.approx((agreement - floor) / (1 - floor))
    assert adjusted.standard_error == pytest.approx(float(((a - f) / (1 - f)).std()), rel=0.01)


def test_at_its_floor_an_agreement_is_a_difference_of_two_means():
    x, y = estimate(0.5, 0.03, 5), estimate(0.5, 0.02, 3)
    adjusted, difference = beyond(x, y), contrast(x, y)
    assert adjusted.value == 0
    assert adjusted.low * 0.5 == pytest.approx(difference.low)
    assert adjusted.degrees == pytest.approx(difference.degrees)


def test_a_floor_of_1_or_without_a_spread_leaves_nothing_to_claim():
    assert math.isnan(beyond(estimate(0.9, 0.01, 3), estimate(1.0, 0.0, 3)).value)
    unknown = replace(estimate(0.4, math.nan, 2), reason="two draws")
    adjusted = beyond(estimate(0.9, 0.01, 3), unknown)
    assert adjusted.value == pytest.approx(5 / 6)
    assert (adjusted.defined, adjusted.reason) == (False, "two draws")
