"""The same four functions as dense formulas under autograd: slow and short, what the fast ones are tested against."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.kernels._codes import Codes

__all__ = ["code_gradients", "decode", "densify", "encode_topk", "row_gradients"]


def densify(codes: Codes, *, n_atoms: int) -> Float[Tensor, "runs batch atoms"]:
    """The codes as a dense array, with 0 for every inactive atom."""
    dense = codes.values.new_zeros(*codes.values.shape[:2], n_atoms)
    return dense.scatter(-1, codes.indices, codes.values)


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


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    return densify(codes, n_atoms=dictionary.shape[1]) @ dictionary


def code_gradients(
    codes: Codes,
    dictionary: Float[Tensor, "runs atoms d_model"],
    residual_gradient: Float[Tensor, "runs batch d_model"],
) -> Float[Tensor, "runs batch k"]:
    """Gradient of the loss for each code, given that for the reconstruction; 0 where the place is empty."""
    values = codes.values.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(decode(Codes(values, codes.indices), dictionary), values, residual_gradient)
    return gradient * (codes.values > 0)


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row."""
    atoms = torch.zeros(len(rows), n_atoms, rows.shape[-1], dtype=rows.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(decode(Codes(weights, codes.indices), atoms), atoms, rows)
    return gradient
