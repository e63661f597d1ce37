"""k-means whose rows look at all centroids once: what it finds, beside Lloyd's own."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from reseed._support.products import integer_row_products, rough_row_products, row_products
from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.starts import _loops
from reseed.starts import nearby as module
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


@pytest.mark.parametrize("integers", [True, False])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_it_fits_as_well_as_lloyd_from_the_same_start_wherever_the_rows_lie(offset, integers, monkeypatch):
    monkeypatch.setattr(module, "HAS_INT8", integers)
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


def test_products_of_integers_are_exact():
    a, b = (torch.randint(-127, 128, (count, 96), generator=generator(count), dtype=torch.int8) for count in (70, 40))
    assert torch.equal(integer_row_products(a, b), (a.double() @ b.double().T).int())


def test_scores_by_integers_are_off_by_a_fiftieth_of_the_lengths_at_most_also_where_rows_differ_in_length():
    rows, points = drawn(64, 96) * 10 ** drawn(64, 1, 3), drawn(80, 96, 2) * 10 ** drawn(80, 1, 4)
    rows[3] = 0
    half = points.square().sum(1) / -2
    rough = module.by_integers(points, half)(rows).double()
    steps = rows.abs().amax(1, keepdim=True).double() / 127
    exact = row_products(rows.double(), points.double(), bias=half.double())
    lengths = rows.double().norm(dim=1)[:, None] * points.double().norm(dim=1) + half.double().abs() / 1000
    assert ((rough[4:] * steps[4:] - exact[4:]).abs() <= lengths[4:] / 50).all()
    assert rough.isfinite().all()
    assert torch.equal(rough[3].argsort(stable=True), half.argsort(stable=True))


@pytest.mark.parametrize("of", ["rows", "points"])
def test_rows_in_which_one_number_is_far_larger_than_the_others_are_not_taken_in_integers(of, monkeypatch):
    rows = drawn(1000, 256)
    rows[:, 7] += 40 * torch.randn(1000, generator=generator(1)).sign() * (of == "rows")
    start = drawn_rows(rows, 50, rolled=3)
    start[:, 7] += 40 * (torch.arange(50) % 2) * (of == "points")
    monkeypatch.setattr(module, "HAS_INT8", True)
    monkeypatch.setattr(module, "integer_row_products", None)
    nearby(rows, start, steps=2, settled=0.0)
    with pytest.raises(TypeError):
        nearby(drawn(1000, 256), drawn(50, 256), steps=2, settled=0.0)
