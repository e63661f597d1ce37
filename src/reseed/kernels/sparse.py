"""Encode and decode that touch only the active atoms, with exact gradients, in operations that torch has everywhere.

Apart from the encoder's own product, nothing here is as large as batch x atoms. Sums over the atoms of a token, and
over the tokens of an atom, are both `embedding_bag`s: a gather and a weighted sum in one pass, in a fixed order, so
the same numbers come out every time. See `benchmarks/kernels.py` for what else there is.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from reseed.kernels._codes import Codes, Gradients, Nested, Pass, compress, fired, least

__all__ = [
    "codes_pass",
    "decode",
    "encode_batchtopk",
    "encode_topk",
    "matryoshka_pass",
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
    activations = torch.baddbmm(bias.unsqueeze(1), x, encoder.mT).relu_()
    values, indices = activations.topk(k)
    torn = ((activations >= values[..., -1:]).sum(-1) > k) & (values[..., -1] > 0)
    if torn.any():  # torch.topk leaves open which of several equal values it returns
        ordered = activations[torn].sort(dim=-1, descending=True, stable=True)
        values[torn], indices[torn] = ordered.values[:, :k], ordered.indices[:, :k]
    return Codes(values, indices)


def encode_batchtopk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k x batch largest of each run's relu(encoder x + bias); among equals the first token's lowest index wins."""
    runs = [compress(_largest(*run, k * x.shape[1]).unsqueeze(0)) for run in zip(x, encoder, bias, strict=True)]
    width = max(run.values.shape[2] for run in runs)
    return Codes(
        *(torch.cat([pad(part, (0, width - part.shape[2])) for part in parts]) for parts in zip(*runs, strict=True))
    )


def _largest(
    x: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    bias: Float[Tensor, " atoms"],
    count: int,
) -> Float[Tensor, "batch atoms"]:
    """So many largest activations of one run, which are dense while they are chosen, and 0 elsewhere."""
    activations = torch.addmm(bias, x, encoder.T).relu_()
    flat = activations.flatten()
    bound = flat.topk(count).values[-1]
    equal, above = flat == bound, flat > bound
    # torch.topk leaves open which of several equal values it returns: the first ones
    kept = above | (equal & (equal.cumsum(0) <= count - above.sum()))
    return flat.where(kept | flat.isnan(), 0.0).view_as(activations)


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
    # u = x - b_dec: the bias reaches the residual as it is, unless that is of a target
    for_shift = torch.zeros_like(u[:, 0]) if target is not None else per_entry.sum(1)
    parts = {"per_entry": per_entry, "for_shift": for_shift, "penalty": penalty}
    gradients = _gradients(codes, u, encoder, dictionary, **parts)
    return _passed(codes, residual, gradients)


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
    """The codes of `encode_batchtopk`, and the gradients of nested dictionaries' weighted errors + penalty sum(z)."""
    codes = encode_batchtopk(u, encoder, encoder_bias, k=k)
    own = _by_group(codes, nested.ends)  # tokens of groups: each token once for each group, with the atoms of that
    groups, batch = len(nested.ends), u.shape[1]
    residuals = decode(own, dictionary).unflatten(1, (groups, batch)).cumsum(1) - u.unsqueeze(1)
    weights = u.new_tensor(nested.weights).view(1, -1, 1, 1)
    per_entry = weights * residuals * (2 / u[0].numel())
    # an atom is in its group's dictionary and in all larger ones
    per_entry = per_entry.flip(1).cumsum(1).flip(1)
    parts = {"per_entry": per_entry.flatten(1, 2), "for_shift": per_entry[:, 0].sum(1), "penalty": penalty}
    gradients = _gradients(own, u.repeat(1, groups, 1), encoder, dictionary, **parts)
    error = (weights.view(1, -1) * residuals.square().mean((2, 3))).sum(1)
    return _passed(codes, residuals[:, -1], gradients)._replace(least=least(codes.values), error=error)


def _by_group(codes: Codes, ends: tuple[int, ...]) -> Codes:
    """The places of each group, (runs, groups x batch, places): a token's active atoms come in their own order."""
    group = torch.bucketize(codes.indices, codes.indices.new_tensor(ends), right=True)
    active = codes.values > 0
    counts = torch.stack([((group == number) & active).sum(-1) for number in range(len(ends))], dim=1)
    place = torch.arange(max(1, int(counts.max())), device=counts.device)
    places = (counts.cumsum(1) - counts).unsqueeze(-1) + place
    filled = place < counts.unsqueeze(-1)
    values, indices = (part.unsqueeze(1).expand(-1, len(ends), -1, -1).gather(-1, places * filled) for part in codes)
    return Codes((values * filled).flatten(1, 2), indices.flatten(1, 2))


def _gradients(
    codes: Codes,
    u: Float[Tensor, "runs tokens d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    dictionary: Float[Tensor, "runs atoms d_target"],
    *,
    per_entry: Float[Tensor, "runs tokens d_target"],
    for_shift: Float[Tensor, "runs d_model"],
    penalty: float,
) -> Gradients:
    """From those for each token's reconstruction, and for what all reconstructions share."""
    for_codes = _code_gradients(codes, dictionary, per_entry, penalty)
    n_atoms = dictionary.shape[1]
    ones = for_codes.new_ones(*for_codes.shape[:2], 1)
    for_bias = row_gradients(codes, for_codes, ones, n_atoms=n_atoms).squeeze(-1)
    return Gradients(
        dictionary=row_gradients(codes, codes.values, per_entry, n_atoms=n_atoms),
        encoder=row_gradients(codes, for_codes, u, n_atoms=n_atoms),
        encoder_bias=for_bias,
        decoder_bias=for_shift - torch.einsum("ra,rad->rd", for_bias, encoder),
    )


def _passed(codes: Codes, residual: Float[Tensor, "runs batch d_target"], gradients: Gradients) -> Pass:
    n_active, n_atoms = (codes.values > 0).sum((1, 2)), gradients.encoder_bias.shape[1]
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
