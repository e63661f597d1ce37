"""Codes that are kept whole, zeros and all: what a ReLU autoencoder needs while most of its atoms are active."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.products import product
from reseed.kernels._codes import Gradients, Pass

__all__ = ["encode_relu", "relu_pass"]


def encode_relu(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
) -> Float[Tensor, "runs batch atoms"]:
    """relu(encoder x + bias)."""
    return product(x, encoder.mT).add_(bias.unsqueeze(1)).relu_()


def relu_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    penalty: float,
    batch: int | None = None,
) -> Pass:
    """Codes z of u, what their reconstruction leaves, and the gradients of mean((x_hat - u)^2) + penalty sum(z).

    The gradients are exact, for each of the stacked runs as if it were alone. Where u is a part of a batch, `batch` is
    how many tokens the mean is over: the gradients of the parts then add up to those of the whole.
    """
    codes = encode_relu(u, encoder, encoder_bias)
    residual = product(codes, dictionary) - u
    per_entry = residual * (2 / ((batch or u.shape[1]) * u.shape[2]))
    active = codes > 0
    # the penalty's gradient is 1 per positive code; relu then stops both gradients where a code is 0
    for_codes = torch.ops.aten.threshold_backward(product(per_entry, dictionary.mT).add_(penalty), codes, 0.0)
    for_bias = for_codes.sum(1)
    gradients = Gradients(
        dictionary=product(codes.mT, per_entry),
        encoder=product(for_codes.mT, u),
        encoder_bias=for_bias,
        decoder_bias=per_entry.sum(1) - torch.einsum("ra,rad->rd", for_bias, encoder),
    )
    return Pass(residual, active.sum((1, 2)), codes.sum((1, 2)), active.any(1), gradients)
