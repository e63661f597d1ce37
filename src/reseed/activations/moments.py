"""Mean and covariance of activations, in float64, in one pass whose order never varies."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.brief import brief_repr

__all__ = ["Moments", "Sums", "moments_from", "moments_of", "sums"]

_STRIPES = 4  # of a covariance: its half takes 5/8 of the products of the whole, and more stripes are too narrow


@dataclass(frozen=True)
class Moments:
    """First and second moments of the training rows (μ, Σ; Σ divides by the number of tokens)."""

    n_tokens: int
    mean: Float64[Tensor, "d_model"]
    covariance: Float64[Tensor, "d_model d_model"]

    __repr__ = brief_repr

    def columns(self, some: slice) -> "Moments":
        """Those of some of the dimensions."""
        return Moments(self.n_tokens, self.mean[some], self.covariance[some, some])

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


class Sums(NamedTuple):
    """What a block of rows adds to the moments."""

    n_tokens: int
    total: Float64[Tensor, "d_model"]
    products: Float64[Tensor, "d_model d_model"]


def sums(rows: Float[Tensor, "block d_model"], shift: Float64[Tensor, "d_model"]) -> Sums:
    """The sum of x - shift over the rows of a block, and that of its outer products."""
    moved = rows.to(torch.float64, copy=True).sub_(shift)
    return Sums(len(moved), moved.sum(dim=0), _gram(moved))


def _gram(rows: Float64[Tensor, "block d_model"]) -> Float64[Tensor, "d_model d_model"]:
    """The products of all columns with each other, of which those below the diagonal are copied and not computed."""
    d_model = rows.shape[1]
    found, width = rows.new_empty(d_model, d_model), -(-d_model // _STRIPES)
    for start in range(0, d_model, width):
        end = min(start + width, d_model)
        found[start:end, start:] = rows[:, start:end].T @ rows[:, start:]
        found[end:, start:end] = found[start:end, end:].T
    return found


def moments_from(parts: Iterable[Sums], shift: Float64[Tensor, "d_model"]) -> Moments:
    """Moments from the sums of all blocks about one `shift`; ValueError where there is no block."""
    n_tokens, total, products = 0, torch.zeros_like(shift), torch.zeros_like(shift).diag()
    for part in parts:
        n_tokens += part.n_tokens
        total += part.total
        products += part.products
    if n_tokens == 0:
        raise ValueError("moments of no rows: give at least one block with one row")
    offset = total / n_tokens
    covariance = products / n_tokens - offset.outer(offset)
    return Moments(n_tokens, shift + offset, (covariance + covariance.T) / 2)


def moments_of(blocks: Iterable[Float[Tensor, "block d_model"]]) -> Moments:
    """Moments of rows that come in blocks; the same blocks in the same order give the same bits.

    Sums are taken about the first block's mean, so that a large mean costs no digits of the covariance.
    """
    following = iter(blocks)
    first = next(following, torch.zeros(0, 0))
    shift = first.double().mean(dim=0)
    return moments_from((sums(block, shift) for block in chain([first], following)), shift)
