"""Codes that are kept whole, zeros and all: what autoencoders without a k need while many atoms are active."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.products import product
from reseed.kernels._codes import GatedPass, Gradients, JumpPass, Pass

__all__ = ["encode_gated", "encode_jump", "encode_relu", "gated_pass", "jump_pass", "relu_pass"]


def encode_relu(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
) -> Float[Tensor, "runs batch atoms"]:
    """relu(encoder x + bias)."""
    return product(x, encoder.mT).add_(bias.unsqueeze(1)).relu_()


def encode_jump(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    threshold: Float[Tensor, "runs atoms"],
) -> Float[Tensor, "runs batch atoms"]:
    """Pre-activations encoder x + bias where they are above the threshold, 0 elsewhere."""
    pre = product(x, encoder.mT).add_(bias.unsqueeze(1))
    return pre.masked_fill_(pre <= threshold.unsqueeze(1), 0.0)  # not `pre > threshold`, which NaN would not pass


def encode_gated(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    gate_bias: Float[Tensor, "runs atoms"],
    log_gain: Float[Tensor, "runs atoms"],
    magnitude_offset: Float[Tensor, "runs atoms"],
) -> Float[Tensor, "runs batch atoms"]:
    """relu(gate exp(log_gain) + magnitude_offset) where gate = encoder x + gate_bias is positive, 0 elsewhere."""
    gate = product(x, encoder.mT).add_(gate_bias.unsqueeze(1))
    magnitudes = torch.relu(gate * log_gain.exp().unsqueeze(1) + magnitude_offset.unsqueeze(1))
    return magnitudes.masked_fill_(gate <= 0, 0.0)


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


def jump_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    threshold: Float[Tensor, "runs atoms"],
    bandwidth: float,
    batch: int | None = None,
) -> JumpPass:
    """Codes z of u above their thresholds, what they leave, the gradients of mean((x_hat - u)^2), and the bands.

    `batch` is as above.
    """
    edge = threshold.unsqueeze(1)
    pre = product(u, encoder.mT).add_(encoder_bias.unsqueeze(1))
    active = ~(pre <= edge)  # not `pre > edge`, which NaN would not pass
    band = (pre > edge - bandwidth / 2) & (pre < edge + bandwidth / 2)
    codes = pre.mul_(active)
    residual = product(codes, dictionary) - u
    per_entry = residual * (2 / ((batch or u.shape[1]) * u.shape[2]))
    for_places = product(per_entry, dictionary.mT)
    pull = (for_places * band).sum(1)
    for_codes = for_places.mul_(active)
    for_bias = for_codes.sum(1)
    gradients = Gradients(
        dictionary=product(codes.mT, per_entry),
        encoder=product(for_codes.mT, u),
        encoder_bias=for_bias,
        decoder_bias=per_entry.sum(1) - torch.einsum("ra,rad->rd", for_bias, encoder),
    )
    passed = Pass(residual, active.sum((1, 2)), codes.sum((1, 2)), active.any(1), gradients)
    above = (band & active).sum(1)
    return JumpPass(passed, pull, below=band.sum(1) - above, above=above)


def gated_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    gate_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    log_gain: Float[Tensor, "runs atoms"],
    magnitude_bias: Float[Tensor, "runs atoms"],
    penalty: float,
    teach_decoder: bool = False,
    batch: int | None = None,
) -> GatedPass:
    """Codes z and open gates a of u, what both leave, and the gradients for what decides them.

    They are those of mean((x_hat - u)^2) + penalty sum(a) + mean((a D - u)^2), whose last term counts D and the
    decoder's bias as fixed unless it may teach them as well. `batch` is as above.
    """
    gain = log_gain.exp().unsqueeze(1)
    linear = product(u, encoder.mT)
    gates = (linear + gate_bias.unsqueeze(1)).relu_()
    codes = torch.relu(linear * gain + magnitude_bias.unsqueeze(1)).masked_fill_(gates <= 0, 0.0)
    factor = 2 / ((batch or u.shape[1]) * u.shape[2])
    residual, gate_residual = product(codes, dictionary) - u, product(gates, dictionary) - u
    per_entry, gate_per_entry = residual * factor, gate_residual * factor
    for_codes = torch.ops.aten.threshold_backward(product(per_entry, dictionary.mT), codes, 0.0)
    for_gates = product(gate_per_entry, dictionary.mT).add_(penalty)
    for_gates = torch.ops.aten.threshold_backward(for_gates, gates, 0.0)
    for_linear = for_codes * gain + for_gates
    gradients = Gradients(
        dictionary=product(codes.mT, per_entry),
        encoder=product(for_linear.mT, u),
        encoder_bias=for_gates.sum(1),
        decoder_bias=per_entry.sum(1) - torch.einsum("ra,rad->rd", for_linear.sum(1), encoder),
    )
    if teach_decoder:
        gradients.dictionary.add_(product(gates.mT, gate_per_entry))
        gradients.decoder_bias.add_(gate_per_entry.sum(1))
    active = codes > 0
    return GatedPass(
        Pass(residual, active.sum((1, 2)), codes.sum((1, 2)), active.any(1), gradients),
        gate_residual,
        gate_sum=gates.sum((1, 2)),
        log_gain=(for_codes * linear).sum(1) * gain.squeeze(1),
        magnitude_bias=for_codes.sum(1),
    )
