import math
from itertools import combinations

import pytest
import torch

from reseed.statistics import permutation_test, smallest_p


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def two_arms(n_each, lead, rolled=0):
    """The first arm agrees more, inside, by `lead`."""
    arms = torch.arange(2 * n_each) // n_each
    noise = 0.1 * normal(2 * n_each, 2 * n_each, rolled=rolled)
    return noise + noise.T + lead * ((arms[:, None] == 0) & (arms == 0)), arms


@pytest.mark.parametrize(("n_each", "smallest"), [(3, 0.10), (4, 0.029), (5, 0.008), (6, 0.002)])
def test_a_clear_difference_reaches_the_smallest_p_and_no_less(n_each, smallest):
    result = permutation_test(*two_arms(n_each, lead=5.0))
    assert result.p_value == result.smallest_p == smallest_p(n_each, n_each)
    assert result.smallest_p == pytest.approx(smallest, abs=0.0005)  # docs/mathematics.md, eq. 44
    assert result.exact
    assert result.n_labellings == math.comb(2 * n_each, n_each)


def test_every_labelling_is_counted_once():
    pairs, arms = two_arms(4, lead=0.15)
    result = permutation_test(pairs, arms)

    def difference(chosen):
        rest = [run for run in range(8) if run not in chosen]
        inside = [sum(float(pairs[i, j]) for i, j in combinations(arm, 2)) / 6 for arm in (chosen, rest)]
        return inside[0] - inside[1]

    observed = difference((0, 1, 2, 3))
    as_extreme = [abs(difference(chosen)) >= abs(observed) - 1e-12 for chosen in combinations(range(8), 4)]
    assert result.difference == pytest.approx(observed)
    assert result.p_value == pytest.approx(sum(as_extreme) / 70)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labellings_that_tie_on_paper_tie_in_floating_point(dtype):
    tenths = torch.randint(0, 4, (8, 8), generator=torch.Generator().manual_seed(3)).triu(1)
    arms = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])

    def difference(chosen):  # in whole tenths, so that ties are exact
        rest = [run for run in range(8) if run not in chosen]
        return abs(
            sum(
                (1 if arm is chosen else -1) * int(tenths[i, j])
                for arm in (chosen, rest)
                for i, j in combinations(arm, 2)
            )
        )

    observed = difference((0, 1, 2, 3))
    ties_and_more = sum(difference(chosen) >= observed for chosen in combinations(range(8), 4))
    assert sum(difference(chosen) == observed for chosen in combinations(range(8), 4)) > 4
    assert permutation_test((tenths + tenths.T).to(dtype) * 0.1, arms).p_value == ties_and_more / 70


def test_p_is_uniform_where_arms_are_alike():
    p_values = [permutation_test(*two_arms(4, lead=0.0, rolled=rolled)).p_value for rolled in range(300)]
    for level in (0.1, 0.3, 0.5):
        assert sum(p <= level for p in p_values) / 300 == pytest.approx(level, abs=0.07)


def test_swapping_the_names_of_the_arms_changes_the_sign_only():
    pairs, arms = two_arms(4, lead=0.2)
    there, back = permutation_test(pairs, arms), permutation_test(pairs, 7 - arms)
    assert back.difference == pytest.approx(-there.difference)
    assert back.p_value == there.p_value


def test_arms_of_unequal_size_cannot_swap_names():
    assert smallest_p(2, 4) == 1 / 15
    pairs, arms = two_arms(3, lead=5.0)
    arms[2] = 1
    assert permutation_test(pairs, arms).smallest_p == 1 / 15


def test_runs_of_one_start_are_exchanged_together_and_not_counted_as_pairs():
    starts = torch.arange(12) // 2
    arms = starts // 3
    apart = starts[:, None] != starts
    pairs = torch.where(apart, 0.2, 1.0).double() + 0.3 * ((arms[:, None] == 0) & (arms == 0) & apart)
    result = permutation_test(pairs, arms, groups=starts)
    assert result.difference == pytest.approx(0.3)
    assert result.p_value == result.smallest_p == smallest_p(3, 3)


def test_many_runs_are_sampled_and_never_read_p_0():
    pairs, arms = two_arms(10, lead=5.0)
    result = permutation_test(pairs, arms, n_labellings=500)
    assert not result.exact
    assert result.n_labellings == 501
    assert result.p_value == result.smallest_p == 1 / 501
    assert permutation_test(pairs, arms, n_labellings=500) == result
    alike = two_arms(10, lead=0.0)
    assert permutation_test(*alike, n_labellings=500, rolled=1) != permutation_test(*alike, n_labellings=500)


def test_agreement_that_is_the_same_everywhere_has_p_1():
    assert permutation_test(torch.full((6, 6), 0.1), torch.arange(6) // 3).p_value == 1


def test_an_arm_of_one_run_or_a_missing_pair_is_nan_with_a_reason():
    pairs, arms = two_arms(3, lead=0.1)
    alone = permutation_test(pairs[2:, 2:], arms[2:])
    pairs[0, 4] = pairs[4, 0] = math.nan
    for result in (alone, permutation_test(pairs, arms)):
        assert math.isnan(result.p_value)
        assert result.reason == "an arm has one start only, or a pair was not measured"


def test_what_cannot_be_permuted_is_refused():
    pairs, arms = two_arms(3, lead=0.1)
    with pytest.raises(ValueError, match="has 1 different labels; a test compares two arms"):
        permutation_test(pairs, torch.zeros(6, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"starts \[0\] have runs in both arms"):
        permutation_test(pairs, arms, groups=torch.tensor([0, 1, 2, 0, 3, 4]))
    with pytest.raises((ValueError, TypeError)):
        permutation_test(pairs, arms[:5])
