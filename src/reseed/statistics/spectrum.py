"""How a cloud of rows lies and spreads: numbers of its mean and its covariance S (docs/mathematics.md, eq. 19 and 23).

Every function gives nan where nothing varies, so that there is no spread to speak of.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from reseed._support.guard import guarded

__all__ = ["Spectrum", "mean_over_spread", "mean_share", "participation_ratio", "spectrum_of", "top_share"]


class Spectrum(NamedTuple):
    """Three answers to the question of how many dimensions carry the variance: from 1 to d_model each."""

    effective_rank: float
    """exp of the entropy of the principal directions' shares of the variance (@roy2007effective, of variances)."""
    participation_ratio: float
    """(trace S)^2 / trace S^2."""
    stable_rank: float
    """trace S / the largest variance along any direction."""


@guarded()
def spectrum_of(covariance: Float64[Tensor, "d_model d_model"]) -> Spectrum:
    """The ranks of a covariance; none is above the one before it in the order they are listed."""
    shares = torch.linalg.eigvalsh(covariance).clamp(min=0) / covariance.trace()
    return Spectrum(
        effective_rank=torch.special.entr(shares).sum().exp().item(),
        participation_ratio=participation_ratio(covariance),
        stable_rank=(1 / shares[-1]).item(),
    )


@guarded()
def mean_share(mean: Float64[Tensor, " d_model"], covariance: Float64[Tensor, "d_model d_model"]) -> float:
    """||mu||^2 / E||x||^2, the share of the energy that lies in the mean: in [0, 1].

    It is also what the moments alone say about the mean cosine of two rows; exactly so where all rows have length 1.
    """
    offset = mean.square().sum()
    return (offset / (offset + covariance.trace())).item()


@guarded()
def mean_over_spread(mean: Float64[Tensor, " d_model"], covariance: Float64[Tensor, "d_model d_model"]) -> float:
    """||mu|| / sqrt(E||x - mu||^2): at least 0."""
    return (mean.square().sum() / covariance.trace()).sqrt().item()


@guarded()
def participation_ratio(covariance: Float64[Tensor, "d_model d_model"]) -> float:
    """(trace S)^2 / trace S^2: how many dimensions carry the variance, from 1 to d_model."""
    return (covariance.trace().square() / covariance.square().sum()).item()


@guarded()
def top_share(covariance: Float64[Tensor, "d_model d_model"]) -> float:
    """The largest principal direction's share of the variance: in [1 / d_model, 1]."""
    return (torch.linalg.eigvalsh(covariance)[-1] / covariance.trace()).item()
