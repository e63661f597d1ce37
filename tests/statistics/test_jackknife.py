import math

import pytest
import torch
from scipy import stats

from reseed.statistics import between, between_start, ends, jackknife, memory, over_runs, within, within_start


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def symmetric(noise):
    return noise.triu(1) + noise.triu(1).mT


def simulated(n_studies, n_runs, rolled):
    """Pair matrices around 0 whose spread is owed to the runs, and half as much again to each pair."""
    runs = normal(n_studies, n_runs, rolled=rolled)
    noise = 0.5 * normal(n_studies, n_runs, n_runs, rolled=rolled + 1)
    return runs[:, :, None] + runs[:, None, :] + symmetric(noise)


def naive_covers(pairs):
    """Whether a t interval that takes pairs for replicates covers 0."""
    values = pairs[:, torch.ones(pairs.shape[1:], dtype=torch.bool).triu(1)]
    n_pairs = values.shape[1]
    half = stats.t.ppf(0.975, n_pairs - 1) * values.std(dim=1) / n_pairs**0.5
    return (values.mean(dim=1).abs() <= half).double().mean()


@pytest.mark.parametrize(("n_runs", "naive"), [(5, 0.63), (12, 0.43)])
def test_the_interval_covers_95_percent_where_naive_pair_errors_do_not(n_runs, naive):
    pairs = simulated(4000, n_runs, rolled=n_runs)
    estimates = between(pairs, torch.arange(n_runs))
    covered = sum(e.low <= 0 <= e.high for e in estimates) / len(estimates)
    assert covered == pytest.approx(0.955, abs=0.015)  # docs/mathematics.md, section 6: .95 to .97
    assert naive_covers(pairs) == pytest.approx(naive, abs=0.025)


def nested(n_studies, n_starts, n_runs, rolled):
    """Between-start agreement around 0: runs nested in starts, both with an effect of their own."""
    starts = torch.arange(n_starts).repeat_interleave(n_runs)
    effect = normal(n_studies, n_starts, rolled=rolled)[:, starts] + 0.7 * normal(n_studies, len(starts), rolled=rolled)
    return effect[:, :, None] + effect[:, None, :], starts


@pytest.mark.parametrize("n_starts", [4, 8])
def test_leaving_out_starts_covers_other_starts_where_leaving_out_runs_does_not(n_starts):
    pairs, starts = nested(2000, n_starts, 3, rolled=n_starts)
    by_start = between(pairs, starts)
    assert {e.unit for e in by_start} == {"start"}
    assert sum(e.low <= 0 <= e.high for e in by_start) / 2000 == pytest.approx(0.95, abs=0.02)
    by_run = between(pairs, torch.arange(len(starts)))  # as if every run had a start of its own
    assert sum(e.low <= 0 <= e.high for e in by_run) / 2000 < 0.85


def test_the_jackknife_by_hand():
    pairs = torch.tensor([[[1, 0.2, 0.6], [0.2, 1, 0.4], [0.6, 0.4, 1]]])
    (estimate,) = between(pairs, torch.arange(3))
    left = [0.4, 0.6, 0.2]  # without run 0, 1, 2 one pair each remains
    variance = 2 / 3 * sum((x - 0.4) ** 2 for x in left)
    assert estimate.value == pytest.approx(0.4)
    assert estimate.standard_error == pytest.approx(variance**0.5)
    assert (estimate.degrees, estimate.n_units, estimate.unit, estimate.reason) == (2, 3, "start", "")
    half = stats.t.ppf(0.975, 2) * variance**0.5
    assert (estimate.low, estimate.high) == pytest.approx((0.4 - half, 0.4 + half))


def test_a_mean_over_runs_has_students_interval():
    values = normal(3, 7)
    for estimate, row in zip(over_runs(values, torch.arange(7), level=0.9), values, strict=True):
        interval = stats.ttest_1samp(row.numpy(), 0).confidence_interval(0.9)
        assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))
    assert estimate.at(0.9).low == estimate.low > estimate.at(0.95).low


def test_a_whole_curve_is_its_steps_one_by_one():
    pairs = simulated(6, 8, rolled=0)
    starts = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    for curve in (within, between):
        assert curve(pairs, starts) == tuple(curve(step[None], starts)[0] for step in pairs)


def test_the_gain_is_jackknifed_on_the_difference():
    first = simulated(1, 6, rolled=3)[0]
    pairs = torch.stack([first, first + 0.25])  # runs differ a lot, but all gained the same
    curve = ends(between_start, pairs, torch.arange(6))
    gained = curve.gain
    assert gained.value == pytest.approx(0.25)
    assert gained.standard_error == pytest.approx(0, abs=1e-12)
    assert between(pairs, torch.arange(6))[0].standard_error > 0.1
    assert (curve.first, curve.last) == between(pairs, torch.arange(6))


def test_runs_of_one_start_can_only_drift_apart():
    starts = torch.tensor([0, 0, 1, 1, 2, 2])
    born = torch.where(starts[:, None] == starts, 1.0, 0.2).double()
    trained = 0.5 + 0.05 * symmetric(normal(6, 6))
    pairs = torch.stack([born, trained])
    assert within(pairs, starts)[0].standard_error == 0
    assert within(pairs, starts)[0].low == within(pairs, starts)[0].high == 1
    assert ends(within_start, pairs, starts).gain.value < 0


def test_scaling_agreement_scales_the_whole_estimate():
    pairs, starts = simulated(1, 9, rolled=1), torch.arange(9) // 3
    plain, adjusted = between(pairs, starts)[0], between((pairs - 0.3) / 0.7, starts)[0]
    assert adjusted.low == pytest.approx((plain.low - 0.3) / 0.7)
    assert adjusted.standard_error == pytest.approx(plain.standard_error / 0.7)


def test_names_and_order_of_runs_and_starts_do_not_matter():
    pairs, starts = simulated(2, 6, rolled=1), torch.tensor([0, 0, 1, 1, 2, 2])
    order = torch.tensor([4, 0, 3, 5, 1, 2])
    moved = between(pairs[:, order][:, :, order], 10 - 3 * starts[order])
    for estimate, same in zip(between(pairs, starts), moved, strict=True):
        assert same.value == pytest.approx(estimate.value)
        assert same.standard_error == pytest.approx(estimate.standard_error)


@pytest.mark.parametrize("runs", [2, 6, 40])
def test_of_two_starts_nothing_between_them_has_a_spread_however_many_runs_they_have(runs):
    starts = torch.arange(2).repeat_interleave(runs)
    (estimate,) = between(simulated(1, 2 * runs, rolled=2), starts)
    assert not math.isnan(estimate.value)
    assert not estimate.defined
    assert (estimate.unit, estimate.n_units) == ("start", 2)
    assert estimate.reason.endswith("3 starts are needed for a spread")


def test_within_two_starts_the_spread_is_over_the_two():
    pairs, starts = simulated(1, 12, rolled=2), torch.arange(2).repeat_interleave(6)
    (estimate,) = within(pairs, starts)
    each = torch.stack(
        [within(pairs[:, own][:, :, own], starts[own])[0].value * torch.ones(1) for own in (starts < 1, starts > 0)]
    )
    assert estimate.degrees == 1
    assert estimate.standard_error == pytest.approx(((each[0] - each[1]).abs() / 2).item())


def test_one_start_has_a_within_curve_and_says_nothing_about_other_starts():
    pairs, starts = simulated(2, 5, rolled=2), torch.zeros(5, dtype=torch.int64)
    drift = within(pairs, starts)[0]
    assert drift.defined
    assert drift.unit == "run"
    assert drift.reason == "all runs have one start: the spread is over runs and says nothing about other starts"
    across = between(pairs, starts)[0]
    assert math.isnan(across.value)
    assert across.reason == "there is no such pair of runs, or one was not measured"


@pytest.mark.parametrize("starts", [[0, 1], [0, 0], [0, 0, 1], [0]])
def test_too_few_runs_are_nan_with_a_reason_and_no_warning(starts):
    pairs = torch.full((3, len(starts), len(starts)), 0.5)
    for estimate in (*between(pairs, torch.tensor(starts)), *within(pairs, torch.tensor(starts))):
        assert not estimate.defined
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert estimate.reason
        assert math.isnan(estimate.value) or "are needed for a spread" in estimate.reason


def test_a_pair_that_was_not_measured_undoes_its_step_only():
    pairs = simulated(2, 4, rolled=5)
    pairs[1, 0, 3] = pairs[1, 3, 0] = math.nan
    measured, unmeasured = between(pairs, torch.arange(4))
    assert measured.defined
    assert math.isnan(unmeasured.value)
    assert "not measured" in unmeasured.reason


def test_the_diagonal_is_nobodys_business():
    pairs = simulated(1, 4, rolled=5)
    blank = pairs.clone()
    blank[:, range(4), range(4)] = math.nan
    assert between(pairs, torch.arange(4)) == between(blank, torch.arange(4))


def test_memory_is_1_at_step_0_without_error_and_has_a_band_later():
    starts = torch.arange(8) // 2
    born = torch.where(starts[:, None] == starts, 1.0, 0.2).double()
    later = torch.where(starts[:, None] == starts, 0.8, 0.6).double() + 0.02 * symmetric(normal(8, 8))
    at_0, at_1 = memory(torch.stack([born, later]), starts)
    assert (at_0.value, at_0.standard_error) == (1, 0)
    assert at_1.value == pytest.approx(0.25, abs=0.03)
    assert at_1.low < at_1.value < at_1.high


def test_no_start_to_remember_is_said_in_every_estimate():
    starts = torch.arange(8) // 2
    same_everywhere = torch.ones(2, 8, 8)
    for estimate in memory(same_everywhere, starts):
        assert math.isnan(estimate.value)
        assert "there is no start to remember" in estimate.reason


def test_pair_matrices_that_cannot_be_are_refused():
    with pytest.raises((ValueError, TypeError), match="4"):  # of ours, or of jaxtyping where it is switched on
        jackknife(lambda p, _: p[:, 0, 0], torch.zeros(1, 3, 3), torch.arange(4))
    with pytest.raises(ValueError, match="not symmetric"):
        between(torch.arange(9.0).reshape(1, 3, 3), torch.arange(3))
