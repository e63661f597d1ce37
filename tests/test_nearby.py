"""k-means whose rows look at all centroids once: what it finds, beside Lloyd's own."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from reseed._support.products import rough_row_products, row_products
from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.starts import _loops
from reseed.starts.lloyd import drawn_rows, kmeans, lloyd
from reseed.starts.nearby import nearby


def drawn(count, d_model, *number):
    return torch.randn(count, d_model, generator=generator(count, *number))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("n", "wanted"), [(65, 8), (300, 1), (1024, 8), (70, 64)])
def test_what_is_listed_holds_the_largest_scores(dtype, n, wanted):
    scores = drawn(40, n, wanted).to(dtype)
    scores[0] = -scores[0].abs()  # all of one sign
    scores[1] = scores[1].abs()
    scores[2, 5] = -math.inf
    listed = np.empty((40, 2 * wanted + 8), np.int32)
    bits = scores.view(torch.int16 if dtype == torch.bfloat16 else torch.int32).numpy()
    _loops.list_largest(bits, wanted, np.empty(64, np.int32), listed)
    for row, places in zip(scores.float(), listed.tolist(), strict=True):
        largest = row.sort(descending=True).values[:wanted]
        assert row[list(dict.fromkeys(places))].sort(descending=True).values[:wanted].tolist() == largest.tolist()


def test_rows_that_have_more_equal_scores_than_there_is_room_for_are_counted():
    scores = drawn(3, 128)
    scores[1] = 0.5
    listed = np.empty((3, 16), np.int32)
    lost = _loops.list_largest(scores.view(torch.int32).numpy(), 8, np.empty(64, np.int32), listed)
    assert lost == 1
    assert set(listed[1]) <= set(range(128))


def test_with_few_points_every_iteration_is_one_of_lloyds():
    rows, points = drawn(500, 7), drawn(16, 7)
    for steps in (1, 3, 8):
        one, other = nearby(rows, points, steps=steps, settled=0.0), lloyd(rows, points, steps=steps)
        torch.testing.assert_close(one.points, other.points)
        assert one.inertia == pytest.approx(other.inertia)


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_it_fits_as_well_as_lloyd_from_the_same_start_wherever_the_rows_lie(offset):
    rows = planted(6000, 24, n_atoms=40, active=3, noise=0.3, offset=1.0).rows + offset
    start = drawn_rows(rows, 100, rolled=3)
    found = nearby(rows, start, steps=20, settled=0.0)
    assert found.inertia == pytest.approx(kmeans(rows, 100, steps=20, rolled=3).inertia, rel=0.03)
    again = nearby(rows, start, steps=20, settled=0.0)
    assert torch.equal(found.points, again.points)


def test_no_iteration_raises_the_inertia_and_the_last_one_hardly_lowers_it():
    rows = planted(4000, 24, n_atoms=40, active=3, noise=0.3, offset=1.0).rows
    start = drawn_rows(rows, 100, rolled=4)
    settled = nearby(rows, start, steps=100, settled=0.01)
    path = [nearby(rows, start, steps=step, settled=0.0).inertia for step in range(1, settled.steps + 1)]
    assert path == sorted(path, reverse=True)
    assert settled.inertia == path[-1]
    falls = [1 - after / before for before, after in pairwise(path)]
    assert falls[-1] < 0.01 <= min(falls[:-1])


def test_rough_products_are_products_within_a_256th_of_the_lengths():
    a, b = drawn(64, 96), drawn(80, 96, 2)
    bias = b.square().sum(1) / -2
    exact, rough = (make(a, b, bias=bias).float() for make in (row_products, rough_row_products))
    lengths = a.norm(dim=1)[:, None] * b.norm(dim=1) + bias.abs()
    assert ((exact - rough).abs() <= lengths / 128).all()
