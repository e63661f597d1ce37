"""Mean and covariance of activations, in float64, in one pass whose order never varies."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.brief import brief_repr

__all__ = ["Moments", "moments_of"]


@dataclass(frozen=True)
class Moments:
    """First and second moments of the training rows (μ, Σ; Σ divides by the number of tokens)."""

    n_tokens: int
    mean: Float64[Tensor, "d_model"]
    covariance: Float64[Tensor, "d_model d_model"]

    __repr__ = brief_repr

    @property
    def d_model(self) -> int:
        """The number of dimensions."""
        return len(self.mean)

    @property
    def total_variance(self) -> float:
        """E‖x-μ‖² = tr Σ: the mean squared distance to the mean."""
        return float(self.covariance.trace())

    @property
    def mean_squared_norm(self) -> float:
        """E‖x‖² = tr Σ + ‖μ‖²."""
        return self.total_variance + float(self.mean @ self.mean)

    @property
    def scale(self) -> float:
        """√(tr Σ / d): the root mean square distance to the mean, per dimension."""
        return math.sqrt(self.total_variance / self.d_model)


def moments_of(blocks: Iterable[Float[Tensor, "block d_model"]]) -> Moments:
    """Moments of rows that come in blocks; the same blocks in the same order give the same bits.

    Sums are taken about the first block's mean, so that a large mean costs no digits of the covariance.
    """
    n_tokens, shift, total, products = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    for block in blocks:
        rows = block.double()
        if n_tokens == 0:
            shift = rows.mean(dim=0)
            total, products = torch.zeros_like(shift), torch.zeros_like(shift).diag()
        rows = rows - shift
        total += rows.sum(dim=0)
        products += rows.T @ rows
        n_tokens += len(rows)
    if n_tokens == 0:
        raise ValueError("moments of no rows: give at least one block with one row")
    offset = total / n_tokens
    covariance = products / n_tokens - offset.outer(offset)
    return Moments(n_tokens, shift + offset, (covariance + covariance.T) / 2)
