import math

import pytest
import torch

from reseed.statistics import (
    at_r2,
    between_start,
    contraction,
    floor_adjusted,
    gain,
    half_life,
    init_memory,
    no_memory_reason,
    per_doubling,
    within_start,
)

STARTS = torch.tensor([0, 0, 1, 1])


def pair_matrix(within, between):
    """Four runs from two starts: `within` inside each start, `between` across."""
    same = STARTS[:, None] == STARTS[None, :]
    return torch.where(same, torch.tensor(within), torch.tensor(between)).double()


def test_within_and_between_read_their_own_pairs_at_every_step():
    pairs = torch.stack([pair_matrix(1.0, 0.2), pair_matrix(0.9, 0.5)])
    assert within_start(pairs, STARTS).tolist() == pytest.approx([1, 0.9])
    assert between_start(pairs, STARTS).tolist() == pytest.approx([0.2, 0.5])
    assert within_start(pairs[0], STARTS) == 1
    assert gain(between_start(pairs, STARTS)) == pytest.approx(0.3)


def test_pairs_weigh_the_same_in_starts_of_any_size():
    pairs = torch.tensor([[1, 0.9, 0.6, 0.1], [0.9, 1, 0.3, 0.2], [0.6, 0.3, 1, 0.3], [0.1, 0.2, 0.3, 1]])
    starts = torch.tensor([5, 5, 5, 2])
    assert within_start(pairs, starts) == pytest.approx((0.9 + 0.6 + 0.3) / 3)
    assert between_start(pairs, starts) == pytest.approx((0.1 + 0.2 + 0.3) / 3)


def test_the_order_of_runs_does_not_matter():
    pairs, order = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([2, 0, 3, 1])
    pairs = pairs + pairs.T
    for curve in (within_start, between_start):
        assert curve(pairs[order][:, order], STARTS[order]) == pytest.approx(float(curve(pairs, STARTS)))


def test_without_such_pairs_there_is_no_mean():
    one_start, all_apart = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    assert between_start(torch.eye(4), one_start).isnan()
    assert within_start(torch.eye(4), all_apart).isnan()


def test_init_memory_runs_from_1_to_0_as_the_start_is_forgotten():
    within = torch.tensor([1.0, 0.9, 0.75, 0.6])
    between = torch.tensor([0.2, 0.3, 0.35, 0.6])
    assert init_memory(within, between).tolist() == pytest.approx([1, 0.75, 0.5, 0])
    assert no_memory_reason(within, between) == ""


@pytest.mark.parametrize(
    ("within", "between", "reason"),
    [
        (1.0, 1.0, "there is no start to remember"),
        (1.0, 1.0 - 1e-7, "there is no start to remember"),
        (math.nan, 0.2, "no two runs share a start"),
        (1.0, math.nan, "all runs share one start"),
    ],
)
def test_without_a_start_to_remember_memory_is_undefined_with_a_reason(within, between, reason):
    w, b = torch.tensor([within, 0.9], dtype=torch.float64), torch.tensor([between, 0.3], dtype=torch.float64)
    assert init_memory(w, b).isnan().all()
    assert reason in no_memory_reason(w, b)


@pytest.mark.parametrize(
    ("target", "read"),
    [
        (-5.0, 0.9),  # below the first: where training began
        (0.0, 0.9),
        (0.25, 0.6),  # half way to .5
        (0.5, 0.3),
        (0.6, 0.3 + 0.4 / 4),  # past the fall to .4, a quarter of the way from the best so far, .5, to .9
        (0.9, 0.7),
        (1.0, 0.7),  # never reached: where the fit was best
    ],
)
def test_a_curve_is_read_where_the_best_fit_so_far_reaches_the_target(target, read):
    r2 = torch.tensor([0.0, 0.5, 0.4, 0.9, 0.8], dtype=torch.float64)
    curve = torch.tensor([0.9, 0.3, 0.3, 0.7, 0.2], dtype=torch.float64)
    assert at_r2(curve, r2, target).item() == pytest.approx(read)


def test_a_curve_that_rises_with_the_logarithm_of_the_steps_changes_by_one_slope():
    steps = torch.tensor([0, 1, 50, 100, 200, 300])
    curve = 0.1 + 0.04 * steps.clamp(min=1).log2()
    assert per_doubling(steps, curve) == pytest.approx(0.04)


def test_where_the_last_third_begins_the_curve_is_read_between_two_snapshots():
    steps = torch.tensor([0, 75, 150, 225, 300])
    curve = torch.tensor([0.0, 0.2, 0.3, 0.33, 0.34])
    at_200 = 0.3 + 0.03 * 50 / 75
    assert per_doubling(steps, curve) == pytest.approx((0.34 - at_200) / math.log2(1.5))
    both = torch.stack([curve, -curve], dim=1)
    one = per_doubling(steps, curve)
    torch.testing.assert_close(per_doubling(steps, both), torch.stack([one, -one]))


def test_one_snapshot_has_no_slope():
    assert math.isnan(per_doubling(torch.tensor([0]), torch.tensor([0.3])))


def test_half_life_lies_between_the_snapshots_where_memory_halves():
    steps = torch.tensor([0, 10, 20, 100])
    assert half_life(steps, torch.tensor([1.0, 0.8, 0.4, 0.1])).value == pytest.approx(10 + 10 * 0.3 / 0.4)
    assert half_life(steps, torch.tensor([1.0, 0.5, 0.4, 0.1])).value == 10
    assert half_life(steps, torch.tensor([1.0, -0.2, 0.3, 0.1])).value == pytest.approx(10 * 0.5 / 1.2)


def test_a_memory_that_dips_and_comes_back_is_not_lost_before_it_is_lost_for_good():
    steps = torch.tensor([0, 10, 20, 100])
    assert half_life(steps, torch.tensor([1.0, 0.2, 0.6, 0.1])).value == pytest.approx(20 + 80 * 0.1 / 0.5)
    assert math.isnan(half_life(steps, torch.tensor([1.0, 0.2, 0.6, 0.8])).value)


def test_half_life_not_reached_is_no_number():
    reading = half_life(torch.tensor([0, 500]), torch.tensor([1.0, 0.7]))
    assert math.isnan(reading.value)
    assert reading.reason == "init memory is still 0.70 at the last step, 500"
    assert half_life(torch.tensor([0, 5]), torch.full((2,), math.nan)).reason == "init memory is undefined"


def apart_and_later(first, last):
    """Pair matrices of three runs from three starts, all distances alike."""
    pairs = torch.stack([torch.full((3, 3), 1 - first), torch.full((3, 3), 1 - last)]).double()
    pairs.diagonal(dim1=1, dim2=2).fill_(math.nan)
    return pairs, torch.arange(3)


def test_contraction_is_the_ratio_of_distances():
    assert contraction(*apart_and_later(0.8, 0.2)).value == pytest.approx(0.25)
    assert contraction(*apart_and_later(0.6, 0.9)).value == pytest.approx(1.5)
    assert contraction(*apart_and_later(0.8, 0.2)).standard_error == pytest.approx(0)


@pytest.mark.parametrize("first", [0.0, 1e-12, 9e-7, -3e-16])
def test_pairs_born_identical_are_refused_the_word_converge(first):
    found = contraction(*apart_and_later(first, 0.1))
    assert math.isnan(found.value)
    assert "born identical" in found.reason


def test_runs_of_one_start_have_no_contraction():
    pairs, _ = apart_and_later(0.8, 0.2)
    found = contraction(pairs, torch.zeros(3, dtype=torch.int64))
    assert math.isnan(found.value)
    assert "born identical" in found.reason


def test_floor_adjusted_agreement_is_0_at_the_floor_and_1_at_the_top():
    assert floor_adjusted(0.3, 0.3) == 0
    assert floor_adjusted(1.0, 0.3) == pytest.approx(1)
    assert floor_adjusted(0.2, 0.6) == pytest.approx(-1)
    assert floor_adjusted(torch.tensor([0.6, 0.8]), 0.6).tolist() == pytest.approx([0, 0.5])
    assert math.isnan(floor_adjusted(1.0, 1.0))
