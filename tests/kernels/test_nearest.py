"""The nearest point beside its definition."""

import pytest
import torch

from reseed import kernels
from reseed.kernels import _nearest


@pytest.fixture(params=[torch.float32, torch.float64])
def parts(request):
    chance = torch.Generator().manual_seed(3)
    return (
        torch.randn(2, 700, 12, generator=chance, dtype=request.param),
        torch.randn(2, 40, 12, generator=chance, dtype=request.param),
    )


def test_it_is_the_point_at_the_smallest_distance(parts):
    rows, points = parts
    found = kernels.nearest(rows, points, bias=points.square().sum(-1) / -2)
    distances = (rows.unsqueeze(2) - points.unsqueeze(1)).square().sum(-1)
    assert torch.equal(found.labels, distances.argmin(-1))
    torch.testing.assert_close(rows.square().sum(-1) - 2 * found.scores, distances.amin(-1), rtol=1e-4, atol=1e-4)


EVERYWHERE = _nearest._everywhere  # noqa: SLF001 (what a GPU runs)


def here(rows, points, bias):
    return kernels.nearest(rows, points, bias=bias)


@pytest.mark.parametrize("nearest", [here, EVERYWHERE])
def test_among_equal_points_the_lowest_index_wins(parts, nearest):
    rows, points = parts[0].round(), parts[1].round()  # products without rounding
    again = points.repeat(1, 3, 1)
    labels = nearest(rows, again, again.square().sum(-1) / -2).labels
    assert torch.equal(labels, here(rows, points, points.square().sum(-1) / -2).labels)


@pytest.mark.parametrize("nearest", [here, EVERYWHERE])
def test_a_row_of_nan_finds_a_point_that_there_is(nearest):
    found = nearest(torch.full((1, 1, 2), torch.nan), torch.ones(1, 3, 2), torch.zeros(1, 3))
    assert 0 <= found.labels.item() < 3
    assert found.scores.isnan().all()
