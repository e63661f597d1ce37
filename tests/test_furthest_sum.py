"""The furthest-sum start beside its definition, written out."""

import math

import pytest
import torch

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.errors import SpecError
from reseed.methods import parse
from reseed.starts import Start, check_start, draw_points
from reseed.starts.furthest_sum import furthest_sum

TOPK = parse({"kind": "topk", "n_atoms": 12, "k": 2})


def rows_of(n=60, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(1))


def by_definition(rows, n_points):
    """All sums anew, distance by distance; then eleven times the one longest chosen makes room for another."""
    rows = rows.tolist()

    def furthest(chosen):
        sums = [sum(math.dist(row, rows[other]) for other in chosen) for row in rows]
        return max((i for i in range(len(rows)) if i not in chosen), key=lambda i: sums[i])

    chosen = [0]
    while len(chosen) < n_points:
        chosen.append(furthest(chosen))
    for _ in range(11):
        chosen = chosen[1:]
        chosen.append(furthest(chosen))
    return chosen


@pytest.mark.parametrize("n_points", [2, 5, 12, 30])
def test_it_chooses_as_the_definition_says(n_points):
    chosen = furthest_sum(rows_of(), n_points).tolist()
    assert chosen == by_definition(rows_of(), n_points)
    assert len(set(chosen)) == n_points


def test_the_corners_of_a_square_are_furthest_apart_and_the_first_row_is_forgotten():
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    rows = torch.cat([torch.zeros(1, 2), 0.9 * corners, corners])
    assert sorted(furthest_sum(rows, 4).tolist()) == [5, 6, 7, 8]


def test_all_rows_are_chosen_where_as_many_are_wanted_and_one_is_the_first():
    assert sorted(furthest_sum(rows_of(9), 9).tolist()) == list(range(9))
    assert furthest_sum(rows_of(9), 1).tolist() == [0]


def test_points_are_activations_that_the_points_die_drew_and_lie_far_apart():
    seen = preprocessed(open_activations(100 + rows_of(600)), "none")
    rolls = {die: roll(die, 0) for die in DICE}
    points = draw_points(Start(kind="furthest-sum"), TOPK, seen, rolls)
    sample = seen.sample(8 * 12, rolled=rolls["points"])
    own = torch.cdist(points, sample, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    assert torch.equal(points, sample[own])
    assert torch.cdist(points, points).mean() > 1.5 * torch.cdist(sample, sample).mean()
    few = draw_points(Start(kind="furthest-sum", points_tokens=12), TOPK, seen, rolls)
    assert torch.equal(few.sort(0).values, sample[:12].sort(0).values)


def test_fewer_tokens_than_points_are_refused():
    with pytest.raises(SpecError, match="points_tokens = 11 for 12 points: use at least one for each"):
        check_start(Start(kind="furthest-sum", points_tokens=11), TOPK)
