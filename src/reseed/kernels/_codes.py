"""Sparse codes, from dense ones and back; and what a batch asks of the autoencoder that gave them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Codes", "Gradients", "Nested", "Pass", "compress", "densify", "least"]


class Codes(NamedTuple):
    """At most k active atoms for each token, the strongest first; a value of 0 means that the place is empty."""

    values: Float[Tensor, "runs batch k"]
    indices: Int[Tensor, "runs batch k"]


class Gradients(NamedTuple):
    """Gradients for the parts of an autoencoder."""

    dictionary: Float[Tensor, "runs atoms d_model"]
    encoder: Float[Tensor, "runs atoms d_model"]
    encoder_bias: Float[Tensor, "runs atoms"]
    decoder_bias: Float[Tensor, "runs d_model"]


class Pass(NamedTuple):
    """A batch's way through an autoencoder and back."""

    residual: Float[Tensor, "runs batch d_model"]
    """Reconstruction minus input."""
    n_active: Int[Tensor, " runs"]
    """Positive codes in the batch."""
    code_sum: Float[Tensor, " runs"]
    """Sum of all codes of the batch."""
    fired: Bool[Tensor, "runs atoms"]
    """Which atoms are active for at least one token."""
    gradients: Gradients
    least: Float[Tensor, " runs"] | None = None
    """The smallest positive code, 0 where there is none; only where the batch as a whole decides what is kept."""
    error: Float[Tensor, " runs"] | None = None
    """The mean squared error that was minimised, where it is not that of the residual alone."""


class Nested(NamedTuple):
    """Dictionaries within one another: what each of some numbers of first atoms reconstructs counts on its own."""

    ends: tuple[int, ...]
    """Atoms of each, rising; the last has all."""
    weights: tuple[float, ...]
    """Of the mean squared error of each."""


def densify(codes: Codes, *, n_atoms: int) -> Float[Tensor, "runs batch atoms"]:
    """The codes as a dense array, with 0 for every inactive atom."""
    dense = codes.values.new_zeros(*codes.values.shape[:2], n_atoms)
    return dense.scatter_add(
        -1, codes.indices, codes.values
    )  # an empty place may name an atom that is active elsewhere


def compress(dense: Float[Tensor, "runs batch atoms"]) -> Codes:
    """Dense codes as a list for each token, as long as the longest, or of one empty place; atoms in their own order."""
    run, token, atom = dense.nonzero(as_tuple=True)
    row = run * dense.shape[1] + token
    counts = torch.bincount(row, minlength=len(dense) * dense.shape[1])
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    shape = (*dense.shape[:2], max(1, int(counts.max())) if counts.numel() else 1)
    codes = Codes(dense.new_zeros(shape), torch.zeros(shape, dtype=torch.int64, device=dense.device))
    codes.values[run, token, place] = dense[run, token, atom]
    codes.indices[run, token, place] = atom
    return codes


def least(values: Float[Tensor, "runs batch places"]) -> Float[Tensor, " runs"]:
    """The smallest positive code of each run; 0 where there is none."""
    positive = values.flatten(1)
    infinite = positive.new_full((len(positive), 1), torch.inf)  # for runs without a place
    smallest = torch.cat([positive.where(positive > 0, torch.inf), infinite], dim=1).amin(1)
    return smallest.where(smallest.isfinite(), 0.0)
