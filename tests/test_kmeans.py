import pytest
import torch

from reseed.starts.lloyd import kmeans


@pytest.fixture(scope="module")
def clusters():
    chance = torch.Generator().manual_seed(3)
    centres = 10 * torch.randn(6, 8, generator=chance)
    return centres, centres.repeat(50, 1) + 0.1 * torch.randn(300, 8, generator=chance)


def test_the_means_of_well_separated_clusters_are_found_from_some_start(clusters):
    centres, rows = clusters
    best = min((kmeans(rows, 6, steps=30, rolled=roll) for roll in range(20)), key=lambda found: found.inertia)
    assert torch.cdist(centres, best.points).min(1).values.max() < 0.1


def test_every_point_is_the_mean_of_the_rows_nearest_to_it(clusters):
    _, rows = clusters
    found = kmeans(rows, 4, steps=100, rolled=0)
    labels = torch.cdist(rows, found.points).argmin(1)
    means = torch.stack([rows[labels == label].mean(0) for label in range(4)])
    torch.testing.assert_close(found.points, means)
    nearest = (rows - found.points[labels]).square().sum(1).mean().item()
    assert found.inertia == pytest.approx(nearest, rel=1e-5)
    assert found.steps < 100


def test_more_steps_never_fit_worse(clusters):
    _, rows = clusters
    inertias = [kmeans(rows, 5, steps=steps, rolled=1).inertia for steps in range(1, 10)]
    assert inertias == sorted(inertias, reverse=True)


def test_the_same_roll_gives_the_same_bits_and_another_roll_does_not(clusters):
    _, rows = clusters
    assert torch.equal(kmeans(rows, 5, steps=5, rolled=1).points, kmeans(rows, 5, steps=5, rolled=1).points)
    assert not torch.equal(kmeans(rows, 5, steps=5, rolled=1).points, kmeans(rows, 5, steps=5, rolled=2).points)


def test_points_that_lose_all_rows_move_to_the_farthest_rows():
    rows = torch.cat([torch.zeros(50, 2), torch.tensor([[9.0, 0.0], [0.0, 7.0]])])
    found = kmeans(rows, 3, steps=10, rolled=5)
    assert found.points.isfinite().all()
    assert found.inertia == 0.0
    assert sorted(found.points.sum(1).tolist()) == [0.0, 7.0, 9.0]


def test_more_points_than_different_rows_stay_finite():
    assert kmeans(torch.ones(10, 3), 4, steps=5, rolled=0).points.eq(1).all()


@pytest.mark.parametrize(
    ("n_points", "steps", "wanted"),
    [(0, 5, "as many rows as points"), (11, 5, "as many rows as points"), (3, 0, "0 steps: it needs at least one")],
)
def test_impossible_requests_are_refused(n_points, steps, wanted):
    with pytest.raises(ValueError, match=wanted):
        kmeans(torch.ones(10, 3), n_points, steps=steps, rolled=0)
