"""Sparse codes, and what a batch asks of the autoencoder that gave them."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Codes", "Gradients", "Pass"]


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
