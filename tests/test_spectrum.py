import math

import pytest
import torch

from reseed.statistics.spectrum import mean_over_spread, mean_share, participation_ratio, spectrum_of, top_share


def diagonal(*values):
    return torch.tensor(values, dtype=torch.float64).diag()


def rotated(covariance):
    basis, _ = torch.linalg.qr(
        torch.randn(len(covariance), len(covariance), generator=torch.Generator().manual_seed(1))
    )
    return basis.double() @ covariance @ basis.double().T


def test_equal_variances_count_every_dimension():
    assert spectrum_of(5 * torch.eye(7, dtype=torch.float64)) == pytest.approx((7, 7, 7))


def test_one_direction_counts_once():
    assert spectrum_of(diagonal(3, 0, 0)) == pytest.approx((1, 1, 1))


def test_ranks_are_what_the_shares_say_in_any_basis():
    covariance = diagonal(4, 2, 2)  # shares 1/2, 1/4, 1/4: entropy 1.5 ln 2
    expected = (2**1.5, 64 / 24, 2)
    assert spectrum_of(covariance) == pytest.approx(expected)
    assert spectrum_of(rotated(covariance)) == pytest.approx(expected, rel=1e-6)
    assert top_share(covariance) == pytest.approx(1 / 2)
    assert participation_ratio(covariance) == pytest.approx(64 / 24)


def test_each_rank_is_at_most_the_one_before():
    covariance = rotated(diagonal(9, 5, 1, 0.5, 0.1, 0))
    assert list(spectrum_of(covariance)) == sorted(spectrum_of(covariance), reverse=True)


def test_the_mean_is_compared_with_the_spread():
    mean = torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64)
    assert mean_share(mean, diagonal(5, 4, 1)) == pytest.approx(25 / 35)
    assert mean_over_spread(mean, diagonal(5, 4, 1)) == pytest.approx(math.sqrt(2.5))
    assert mean_share(0 * mean, diagonal(1, 1, 1)) == 0


def test_what_does_not_vary_has_no_spectrum():
    nothing = diagonal(0, 0)
    assert all(math.isnan(rank) for rank in spectrum_of(nothing))
    assert math.isnan(mean_share(torch.zeros(2, dtype=torch.float64), nothing))
    assert math.isnan(top_share(nothing))
