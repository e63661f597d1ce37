"""Encode and decode that touch only the active atoms, with exact gradients, in operations that torch has everywhere.

Apart from the encoder's own product, nothing here is as large as batch x atoms. Sums over the atoms of a token, and
over the tokens of an atom, are both `embedding_bag`s: a gather and a weighted sum in one pass, in a fixed order, so
the same numbers come out every time. See `benchmarks/kernels.py` for what else there is.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from reseed.kernels._codes import Codes, Gradients, Pass, fired

__all__ = ["codes_pass", "decode", "encode_topk", "row_gradients", "topk_pass"]


def encode_topk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k largest of relu(encoder x + bias) for each token; among equals the lowest index wins."""
    activations = torch.baddbmm(bias.unsqueeze(1), x, encoder.mT).relu_()
    values, indices = activations.topk(k)
    torn = ((activations >= values[..., -1:]).sum(-1) > k) & (values[..., -1] > 0)
    if torn.any():  # torch.topk leaves open which of several equal values it returns
        ordered = activations[torn].sort(dim=-1, descending=True, stable=True)
        values[torn], indices[torn] = ordered.values[:, :k], ordered.indices[:, :k]
    return Codes(values, indices)


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    return _decode(codes.values, codes.indices, dictionary)


def _code_gradients(
    codes: Codes,
    dictionary: Float[Tensor, "runs atoms d_model"],
    residual_gradient: Float[Tensor, "runs batch d_model"],
    penalty: float,
) -> Float[Tensor, "runs batch k"]:
    """Gradient of the loss for each code, given that for the reconstruction and the penalty; 0 for an empty place."""
    with torch.enable_grad():
        values = codes.values.detach().requires_grad_()
        x_hat = _decode(values, codes.indices, dictionary.detach())
    (gradient,) = torch.autograd.grad(x_hat, values, residual_gradient)
    return gradient.add_(penalty).mul_(codes.values > 0)  # an empty place neither learns nor pays


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row: the gradient of anything that has a row per atom."""
    runs, _, k = codes.values.shape
    atoms = _across_runs(codes.indices, n_atoms).flatten()
    order = atoms.sort(stable=True).indices  # the tokens of an atom side by side, in the order of the batch
    counts = torch.bincount(atoms, minlength=runs * n_atoms)
    sums = embedding_bag(
        order // k,
        rows.flatten(0, 1),
        counts.cumsum(0) - counts,
        mode="sum",
        per_sample_weights=weights.flatten()[order],
    )
    return sums.unflatten(0, (runs, n_atoms))


def topk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The largest k codes z of u, what they leave, and the exact gradients of mean((x_hat - u)^2) + penalty sum(z)."""
    return codes_pass(encode_topk(u, encoder, encoder_bias, k=k), u, encoder, dictionary, penalty=penalty)


def codes_pass(
    codes: Codes,
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    dictionary: Float[Tensor, "runs atoms d_target"],
    *,
    penalty: float = 0.0,
    target: Float[Tensor, "runs batch d_target"] | None = None,
) -> Pass:
    """What codes of any choice of atoms leave of u, or a target, and the gradients of mean(left^2) + penalty sum(z)."""
    residual = decode(codes, dictionary) - (u if target is None else target)
    per_entry = residual * (2 / residual[0].numel())
    for_codes = _code_gradients(codes, dictionary, per_entry, penalty)
    n_atoms = dictionary.shape[1]
    ones = for_codes.new_ones(*for_codes.shape[:2], 1)
    for_bias = row_gradients(codes, for_codes, ones, n_atoms=n_atoms).squeeze(-1)
    gradients = Gradients(
        dictionary=row_gradients(codes, codes.values, per_entry, n_atoms=n_atoms),
        encoder=row_gradients(codes, for_codes, u, n_atoms=n_atoms),
        encoder_bias=for_bias,
        decoder_bias=(0 if target is not None else per_entry.sum(1)) - torch.einsum("ra,rad->rd", for_bias, encoder),
    )
    n_active = (codes.values > 0).sum((1, 2))
    return Pass(residual, n_active, codes.values.sum((1, 2)), fired(codes, n_atoms=n_atoms), gradients)


def _decode(
    values: Float[Tensor, "runs batch k"],
    indices: Int[Tensor, "runs batch k"],
    dictionary: Float[Tensor, "runs atoms d_model"],
) -> Float[Tensor, "runs batch d_model"]:
    runs, n_atoms, _ = dictionary.shape
    atoms = _across_runs(indices, n_atoms).flatten(0, 1)
    sums = embedding_bag(atoms, dictionary.flatten(0, 1), per_sample_weights=values.flatten(0, 1), mode="sum")
    return sums.unflatten(0, (runs, -1))


def _across_runs(indices: Int[Tensor, "runs batch k"], n_atoms: int) -> Int[Tensor, "runs batch k"]:
    """Atom numbers that count through all runs, as if their dictionaries were one."""
    return indices + n_atoms * torch.arange(len(indices), device=indices.device).view(-1, 1, 1)
