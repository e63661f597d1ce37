"""The `kmeans++` start beside scikit-learn's, with the same random numbers, and beside random rows."""

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import kmeans_plusplus

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.methods import parse
from reseed.starts import Start, draw_points
from reseed.starts.kmeans_plus_plus import spread_rows
from reseed.starts.lloyd import drawn_rows

N_POINTS = 40


class Given(np.random.RandomState):
    """Random numbers that were drawn elsewhere, where k-means++ of scikit-learn asks for some."""

    def __init__(self, chance):
        super().__init__(0)
        self.chance = iter(chance.numpy())

    def choice(self, n, **_):
        return int(next(self.chance)[0] * n)

    def uniform(self, size):
        numbers = next(self.chance)
        assert len(numbers) == size
        return numbers


@pytest.fixture
def rows():
    chance = torch.Generator().manual_seed(0)
    return torch.randn(2000, 20, generator=chance, dtype=torch.float64) * torch.linspace(0.2, 2, 20) + 30


@pytest.mark.parametrize("roll", range(5))
def test_rows_are_those_that_scikit_learn_chooses_with_the_same_numbers(rows, roll):
    trials = 2 + int(math.log(N_POINTS))
    chance = torch.rand(N_POINTS, trials, generator=torch.Generator().manual_seed(roll), dtype=torch.float64)
    _, expected = kmeans_plusplus(rows.numpy(), N_POINTS, random_state=Given(chance))
    assert spread_rows(rows, chance).tolist() == expected.tolist()
    assert spread_rows((rows - rows.mean(0)).float(), chance).tolist() == expected.tolist()


def test_every_group_that_is_far_from_the_others_gets_a_row(rows):
    centres = 100 * torch.eye(20, dtype=torch.float64)
    grouped = rows / 100 + centres.repeat(100, 1)
    drawn, spread = [], []
    for number in range(10):
        chance = torch.rand(20, 4, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        spread.append(len((spread_rows(grouped, chance) % 20).unique()))
        groups = (drawn_rows(grouped, 20, rolled=number) - rows.mean(0) / 100).argmax(1)
        drawn.append(len(groups.unique()))
    assert spread == [20] * 10
    assert max(drawn) < 20


def test_no_row_is_chosen_twice_while_there_are_others(rows):
    few = rows[:50] + 1e4  # where rounding is as large as distances, if the mean is not taken off
    chance = torch.rand(50, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert len(spread_rows((few - few.mean(0)).float(), chance).unique()) == 50
    start = Start(kind="kmeans++", n_points=45, points_tokens=45)
    seen = preprocessed(open_activations(few.float()), "none")
    points = draw_points(start, parse({"kind": "kmeans", "n_atoms": 45}), seen, {die: roll(die, 0) for die in DICE})
    assert torch.equal(points.unique(dim=0), seen.rows(torch.arange(45)).unique(dim=0))


def test_equal_rows_are_chosen_again_where_there_are_no_others():
    chance = torch.rand(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert set(spread_rows(rows, chance)[:2].tolist()) in ({0, 2}, {1, 2})
