"""What activations look like, against pairs counted one by one and against closed forms."""

import math
from itertools import combinations

import pytest
import torch

from reseed.activations import moments_of
from reseed.geometry.shape import cosine_parts, dimensions, energy_shares, mean_cosine, rogue


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def test_the_mean_cosine_is_that_of_all_pairs_and_zero_rows_have_cosine_0():
    rows = normal(9, 4) + 1
    rows[3] = 0
    pairs = [torch.cosine_similarity(rows[i], rows[j], dim=0).item() for i, j in combinations(range(9), 2)]
    assert mean_cosine(rows) == pytest.approx(sum(pairs) / 36)
    assert cosine_parts(rows).sum().item() == pytest.approx(sum(pairs) / 36)


def test_the_mean_cosine_does_not_ask_for_norms():
    rows = normal(20, 5) + 1
    assert mean_cosine(rows * normal(20, 1, rolled=2).abs()) == pytest.approx(mean_cosine(rows))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_tokens_around_a_mean_have_its_share_of_the_energy_as_cosine(share):
    d_model = 400  # norms are nearly equal in many dimensions, where the moments' estimate is exact
    mean = torch.nn.functional.normalize(normal(d_model, rolled=5), dim=0) * share**0.5
    rows = mean + normal(3000, d_model) * ((1 - share) / d_model) ** 0.5
    assert mean_cosine(rows) == pytest.approx(share, abs=0.005)


def test_one_row_makes_no_pair():
    assert math.isnan(mean_cosine(torch.ones(1, 3)))


def test_a_planted_dimension_is_named_with_its_shares():
    rows = normal(4000, 64)
    rows[:, 17] += 12  # energy 145 of 208, and nearly all of the cosine
    shares = energy_shares(moments_of([rows]))
    first, *others = dimensions(shares, cosine_parts(rows))
    assert (first.index, first.rogue, len(others)) == (17, True, 4)
    assert first.energy == pytest.approx(145 / 208, abs=0.01)
    assert first.cosine == pytest.approx(1, abs=0.01)
    assert not any(each.rogue for each in others)
    assert mean_cosine(rows[:, ~rogue(shares)]) == pytest.approx(0, abs=0.005)


def test_parts_of_a_cosine_near_0_are_not_given():
    rows = normal(4000, 64)
    assert all(math.isnan(each.cosine) for each in dimensions(energy_shares(moments_of([rows])), cosine_parts(rows)))


def test_ten_dimensions_or_fewer_are_never_rogue():
    assert not rogue(torch.tensor([1.0] + [0.0] * 9, dtype=torch.float64)).any()


def test_all_rogue_dimensions_are_listed_even_beyond_five():
    shares = torch.full((200,), 0.3 / 193, dtype=torch.float64)
    shares[torch.arange(7) * 11] = 0.1
    found = dimensions(shares, shares)
    assert [each.index for each in found] == [0, 11, 22, 33, 44, 55, 66]
    assert all(each.rogue for each in found)
