"""The same functions as dense formulas under autograd: slow and short, what the fast ones are tested against."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.kernels._codes import Codes, GatedPass, Gradients, JumpPass, Nested, Pass, compress, densify, least

__all__ = [
    "batchtopk_pass",
    "decode",
    "encode_batchtopk",
    "encode_topk",
    "gated_pass",
    "jump_pass",
    "matryoshka_pass",
    "passed",
    "relu_pass",
    "row_gradients",
    "topk_pass",
]


def encode_topk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k largest of relu(encoder x + bias) for each token; among equals the lowest index wins."""
    activations = torch.relu(x @ encoder.mT + bias.unsqueeze(1))
    ordered = activations.sort(dim=-1, descending=True, stable=True)
    return Codes(ordered.values[..., :k], ordered.indices[..., :k])


def encode_batchtopk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k x batch largest of each run's relu(encoder x + bias); among equals the first token's lowest index wins."""
    activations = torch.relu(x @ encoder.mT + bias.unsqueeze(1))
    flat = activations.flatten(1)
    ordered = flat.sort(dim=-1, descending=True, stable=True)
    kept = torch.zeros_like(flat).scatter(1, ordered.indices[:, : k * x.shape[1]], 1.0)
    return compress(activations * kept.view_as(activations))


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    return densify(codes, n_atoms=dictionary.shape[1]) @ dictionary


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row."""
    atoms = rows.new_zeros(len(rows), n_atoms, rows.shape[-1], requires_grad=True)
    (gradient,) = torch.autograd.grad(decode(Codes(weights, codes.indices), atoms), atoms, rows)
    return gradient


def topk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The largest k codes z of u, what they leave, and the gradients of mean((x_hat - u)^2) + penalty sum(z)."""

    def encode(u: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
        return densify(encode_topk(u, encoder, bias, k=k), n_atoms=encoder.shape[1])

    return passed(encode, u, encoder, encoder_bias, dictionary, penalty=penalty)


def batchtopk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The k x batch largest codes z of u, what they leave, and the gradients as of `topk_pass`."""
    whole = Nested((dictionary.shape[1],), (1.0,))
    return matryoshka_pass(u, encoder, encoder_bias, dictionary, k=k, nested=whole, penalty=penalty)


def matryoshka_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    nested: Nested,
    penalty: float = 0.0,
) -> Pass:
    """The same codes, and the gradients of the nested dictionaries' weighted errors + penalty sum(z)."""

    def encode(u: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
        activations = torch.relu(u @ encoder.mT + bias.unsqueeze(1))
        kept = encode_batchtopk(u, encoder, bias, k=k)
        return activations * (densify(kept, n_atoms=encoder.shape[1]) > 0)

    def error(codes: Tensor, atoms: Tensor, seen: Tensor) -> Tensor:
        parts = [codes[..., :end] @ atoms[:, :end] - seen for end in nested.ends]
        errors = torch.stack([part.square().mean((1, 2)) for part in parts], dim=1)
        return errors @ errors.new_tensor(nested.weights)

    found = passed(encode, u, encoder, encoder_bias, dictionary, penalty=penalty, error=error)
    return found._replace(least=least(encode_batchtopk(u, encoder, encoder_bias, k=k).values))


def relu_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    penalty: float,
) -> Pass:
    """Codes z of u, what their reconstruction leaves, and the gradients of mean((x_hat - u)^2) + penalty sum(z)."""

    def encode(u: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
        return torch.relu(u @ encoder.mT + bias.unsqueeze(1))

    return passed(encode, u, encoder, encoder_bias, dictionary, penalty=penalty)


def jump_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    threshold: Float[Tensor, "runs atoms"],
    bandwidth: float,
) -> JumpPass:
    """Codes z of u above their thresholds, what they leave, the gradients of mean((x_hat - u)^2), and the bands."""
    edge = threshold.unsqueeze(1)

    def encode(u: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
        pre = u @ encoder.mT + bias.unsqueeze(1)
        return pre * (pre > edge)

    found = passed(encode, u, encoder, encoder_bias, dictionary, penalty=0.0)
    pre = u @ encoder.mT + encoder_bias.unsqueeze(1)
    band = ((pre - edge).abs() < bandwidth / 2).to(u)
    for_places = found.residual @ dictionary.mT * (2 / found.residual[0].numel())
    above = (band * (pre > edge)).sum(1).long()
    return JumpPass(found, (band * for_places).sum(1), band.sum(1).long() - above, above)


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
) -> GatedPass:
    """Codes and open gates of u, what both leave, and the gradients of the loss that `kernels.gated_pass` says."""
    nothing = u.new_zeros(len(u), u.shape[2])
    parts = (dictionary, encoder, gate_bias, nothing, log_gain, magnitude_bias)
    parts = [part.detach().requires_grad_() for part in parts]
    with torch.enable_grad():
        atoms, directions, bias, shift, gain, magnitude = parts
        seen = u - shift.unsqueeze(1)
        linear = seen @ directions.mT
        gates = torch.relu(linear + bias.unsqueeze(1))
        codes = torch.relu(linear * gain.exp().unsqueeze(1) + magnitude.unsqueeze(1)) * (gates > 0)
        residual = codes @ atoms - seen
        gate_residual = gates @ atoms - seen if teach_decoder else gates @ dictionary - u
        errors = residual.square().mean((1, 2)) + gate_residual.square().mean((1, 2))
        found = torch.autograd.grad(errors.sum() + penalty * gates.sum(), parts)
    active, codes = codes > 0, codes.detach()
    through = Pass(residual.detach(), active.sum((1, 2)), codes.sum((1, 2)), active.any(1), Gradients(*found[:4]))
    return GatedPass(through, gate_residual.detach(), gates.detach().sum((1, 2)), *found[4:])


def passed(
    encode: Callable[[Tensor, Tensor, Tensor], Tensor],
    u: Tensor,
    encoder: Tensor,
    encoder_bias: Tensor,
    dictionary: Tensor,
    *,
    penalty: float,
    target: Tensor | None = None,
    error: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Pass:
    """What autograd says of codes from u, encoder and bias. The decoder's bias is inside u, and comes back to x_hat.

    `error` is that of each run, from codes, dictionary and u, where it is not that of the residual.
    """
    nothing = u.new_zeros(len(u), u.shape[2])
    parts = [part.detach().requires_grad_() for part in (dictionary, encoder, encoder_bias, nothing)]
    with torch.enable_grad():
        atoms, directions, bias, shift = parts
        seen = u - shift.unsqueeze(1)
        codes = encode(seen, directions, bias)
        residual = codes @ atoms - (seen if target is None else target)
        errors = residual.square().mean((1, 2)) if error is None else error(codes, atoms, seen)
        loss = errors.sum() + penalty * codes.sum()
    gradients = Gradients(*torch.autograd.grad(loss, parts))
    active, codes = codes > 0, codes.detach()
    return Pass(
        residual=residual.detach(),
        n_active=active.sum((1, 2)),
        code_sum=codes.sum((1, 2)),
        fired=active.any(1),
        gradients=gradients,
        error=None if error is None else errors.detach(),
    )
