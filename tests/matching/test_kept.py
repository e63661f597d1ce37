"""A matching that was written down is the one that was found."""

import pytest
import torch

from reseed.matching import KeptMatching, match


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


@pytest.mark.parametrize("sign", ["signed", "abs"])
@pytest.mark.parametrize("sizes", [(40, 40), (40, 25), (25, 40)])
def test_what_is_kept_is_made_whole_again(sizes, sign):
    a, b = normal(sizes[0], 12), normal(sizes[1], 12, rolled=1)
    a[3] = 0
    found = match(a, b, sign=sign)
    whole = KeptMatching(found.rows, found.cols, found.cosines, found.gap).of(a, b, sign=sign)
    assert (whole.n_rows, whole.n_cols, whole.sign, whole.gap) == (*sizes, sign, found.gap)
    assert (whole.zero_rows, whole.zero_cols) == (found.zero_rows, found.zero_cols) == (1, 0)
    assert whole.agreement == found.agreement
    assert torch.allclose(whole.best_rows, found.best_rows, atol=1e-6)
    assert torch.allclose(whole.best_cols, found.best_cols, atol=1e-6)
