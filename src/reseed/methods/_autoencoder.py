"""The sparse autoencoder that the methods share: encoder, biases and the units they work in.

With u = x / scale - decoder_bias the codes are relu(encoder u + encoder_bias), perhaps only the largest k, and the
reconstruction is scale (codes dictionary + decoder_bias). Dividing by the scale of the activations makes learning
rates, penalties and radii mean the same on every model; with scale 1 it is the published form.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reseed import kernels
from reseed.dice import generator
from reseed.methods._base import StartPoint, State, Step

__all__ = [
    "EncoderStart",
    "check_k",
    "encode_dense",
    "encoder_parts",
    "figures",
    "inputs",
    "price",
    "replace_atoms",
    "snapshot",
    "topk_step",
    "unit_of",
    "unit_rows",
    "without_parallel",
]

EncoderStart = Literal["tied", "independent"]


def unit_rows(rows: Float[Tensor, "*stack d_model"]) -> Float[Tensor, "*stack d_model"]:
    """Rows divided by their norm; a zero row stays zero. The 1e-8 is overcomplete's."""
    return rows / (rows.norm(dim=-1, keepdim=True) + 1e-8)


def check_k(k: int, n_atoms: int) -> None:
    """Raises ValueError where a token cannot have k active atoms."""
    if k > n_atoms:
        raise ValueError(f"k = {k} active atoms of n_atoms = {n_atoms}: k must be at most n_atoms")


def unit_of(point: StartPoint, *, rescale: bool) -> float:
    """What activations are divided by: their scale, or 1 (published form, or activations that are all equal)."""
    return point.scale if rescale and point.scale > 0 else 1.0


def encoder_parts(
    point: StartPoint,
    dictionary: Float[Tensor, "atoms d_model"],
    rolled_encoder: int,
    *,
    k: int,
    start: EncoderStart,
    decoder_bias: bool,
    rescale: bool,
) -> State:
    """Encoder, biases and scale of one run at step 0, as a stack of width 1.

    The encoder's directions are those of the dictionary, or random and unit. Its size is one factor fitted to
    `point.sample`, so that activations and atoms of any norm start with an error that training can take down. For a
    tied encoder it is the factor with the least error, far below 1 where many atoms say the same. A random encoder,
    whose best factor is nearly 0, would forget its directions within a few steps: it only shrinks where the first
    reconstruction would be larger than the activations.
    """
    scale = unit_of(point, rescale=rescale)
    bias = point.mean.float() / scale if decoder_bias else torch.zeros_like(point.mean, dtype=torch.float32)
    if start == "tied":
        encoder = unit_rows(dictionary)
    else:
        encoder = unit_rows(torch.randn(dictionary.shape, generator=generator(rolled_encoder)))
    u = point.sample / scale - bias
    x_hat = _reconstruction(u, encoder, dictionary, k=k)
    size = _best_factor(u, x_hat) if start == "tied" else _no_larger_factor(u, x_hat)
    return {
        "encoder": (encoder * size).unsqueeze(0),
        "encoder_bias": torch.zeros(1, len(encoder)),
        "decoder_bias": bias.unsqueeze(0),
        "scale": torch.tensor([scale]),
    }


def _reconstruction(
    u: Float[Tensor, "tokens d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    dictionary: Float[Tensor, "atoms d_model"],
    *,
    k: int,
) -> Float[Tensor, "tokens d_model"]:
    codes = kernels.encode_topk(u.unsqueeze(0), encoder.unsqueeze(0), torch.zeros(1, len(encoder)), k=k)
    return kernels.decode(codes, dictionary.unsqueeze(0))[0]


def _best_factor(u: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"]) -> float:
    """The a > 0 that makes ||u - a x_hat|| smallest; 1 where no such a is better than 0."""
    energy, overlap = x_hat.square().sum().item(), (x_hat * u).sum().item()
    return overlap / energy if overlap > 0 else 1.0


def _no_larger_factor(u: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"]) -> float:
    """The largest a <= 1 with ||a x_hat|| <= ||u||; 1 where nothing fires."""
    norm = x_hat.norm().item()
    return min(1.0, u.norm().item() / norm) if norm > 0 else 1.0


def inputs(state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """What the encoder sees: activations in the method's units, without the decoder's bias."""
    return x / state["scale"].view(-1, 1, 1) - state["decoder_bias"].unsqueeze(1)


def encode_dense(
    state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"], *, k: int
) -> Float[Tensor, "runs batch atoms"]:
    """Top-k codes in the units of the activations, dense."""
    codes = kernels.encode_topk(inputs(state, x), state["encoder"], state["encoder_bias"], k=k)
    return kernels.densify(codes, n_atoms=state["encoder"].shape[1]) * state["scale"].view(-1, 1, 1)


def topk_step(
    state: Mapping[str, Tensor],
    dictionary: Float[Tensor, "runs atoms d_model"],
    x: Float[Tensor, "runs batch d_model"],
    *,
    k: int,
    l1: float = 0.0,
) -> tuple[kernels.Gradients, Step]:
    """Gradients of the loss of a top-k autoencoder in the method's units, and the batch's figures."""
    u = inputs(state, x)
    penalty = price(u, l1)
    there_and_back = kernels.topk_pass(u, state["encoder"], state["encoder_bias"], dictionary, k=k, penalty=penalty)
    return there_and_back.gradients, figures(state, there_and_back, penalty=penalty)


def price(u: Float[Tensor, "runs batch d_model"], l1: float) -> float:
    """What a unit of one code costs where the loss is mean((x - x_hat)^2) + l1 (sum of a token's codes) / sqrt(d)."""
    return l1 / (u.shape[1] * u.shape[2] ** 0.5)


def figures(state: Mapping[str, Tensor], there_and_back: kernels.Pass, *, penalty: float = 0.0) -> Step:
    """What a batch says about each run; `penalty` is what a unit of code costs."""
    residual = there_and_back.residual
    squared_error = residual.square().sum((1, 2))
    return Step(
        loss=squared_error / residual[0].numel() + penalty * there_and_back.code_sum,
        squared_error=squared_error * state["scale"].square(),
        l0=there_and_back.n_active / residual.shape[1],
        fired=there_and_back.fired,
    )


def without_parallel(
    gradients: Float[Tensor, "runs atoms d_model"], atoms: Float[Tensor, "runs atoms d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """Gradients for unit atoms without the component along the atom."""
    return gradients - (gradients * atoms).sum(-1, keepdim=True) * atoms


def snapshot(state: Mapping[str, Tensor], dictionary: Float[Tensor, "runs atoms d_model"]) -> dict[str, Tensor]:
    """The four parts that every reader needs, with both biases in the units of the activations."""
    scale = state["scale"].unsqueeze(1)
    shift = torch.bmm(state["encoder"], state["decoder_bias"].unsqueeze(-1)).squeeze(-1)
    return {
        "atoms": dictionary.clone(),
        "encoder": state["encoder"].clone(),
        "encoder_bias": (state["encoder_bias"] - shift) * scale,
        "decoder_bias": state["decoder_bias"] * scale,
    }


def replace_atoms(
    state: State, chosen: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
) -> tuple[str, ...]:
    """Point the chosen atoms at rows of activations, in place; returns the entries that changed.

    A new atom gets the mean norm of the others and a fifth of their mean encoder norm, so that it does not win every
    token at once (@bricken2023monosemanticity).
    """
    directions = unit_rows(inputs(state, rows))
    for name, share in (("atoms", 1.0), ("encoder", 0.2)):
        norms = state[name].norm(dim=-1).masked_fill(chosen, 0.0)
        size = norms.sum(1) / (~chosen).sum(1).clamp(min=1)
        new = directions * (share * size.where(size > 0, 1.0)).view(-1, 1, 1)
        state[name].copy_(new.where(chosen.unsqueeze(-1), state[name]))
    state["encoder_bias"].masked_fill_(chosen, 0.0)
    return ("atoms", "encoder", "encoder_bias")
