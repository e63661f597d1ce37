"""Sparse codes, from dense ones and back; and what a batch asks of the autoencoder that gave them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = [
    "Codes",
    "GatedPass",
    "Gradients",
    "JumpPass",
    "Nested",
    "Pass",
    "Pursuit",
    "compress",
    "densify",
    "fired",
    "least",
]


class Codes(NamedTuple):
    """At most k active atoms for each token, the strongest first; a value of 0 means that the place is empty."""

    values: Float[Tensor, "runs batch k"]
    indices: Int[Tensor, "runs batch k"]


class Gradients(NamedTuple):
    """Gradients for the parts of an autoencoder."""

    dictionary: Float[Tensor, "runs atoms d_target"]
    encoder: Float[Tensor, "runs atoms d_model"]
    encoder_bias: Float[Tensor, "runs atoms"]
    decoder_bias: Float[Tensor, "runs d_model"]


class Pass(NamedTuple):
    """A batch's way through an autoencoder and back."""

    residual: Float[Tensor, "runs batch d_target"]
    """Reconstruction minus input, or minus what is reconstructed in its place."""
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


class JumpPass(NamedTuple):
    """The same with codes that jump from 0 to a threshold; an atom's *band* is where it is near to its own.

    There the pre-activation is less than half a bandwidth away from the threshold: what a rectangle sees of a step.
    """

    passed: Pass
    pull: Float[Tensor, "runs atoms"]
    """Sum over the tokens of an atom's band of the squared error's gradient for its code, active or not."""
    below: Int[Tensor, "runs atoms"]
    """Tokens of the band whose code is 0."""
    above: Int[Tensor, "runs atoms"]
    """Tokens of the band that have the atom."""


class GatedPass(NamedTuple):
    """The same with codes that a gate lets through; the gradient for `encoder_bias` is that for the gate's bias."""

    passed: Pass
    gate_residual: Float[Tensor, "runs batch d_model"]
    """What the open gates say themselves, decoded, minus input."""
    gate_sum: Float[Tensor, " runs"]
    """Sum of all open gates of the batch."""
    log_gain: Float[Tensor, "runs atoms"]
    """Gradient for the logarithm of what the encoder is multiplied by behind the gate."""
    magnitude_bias: Float[Tensor, "runs atoms"]
    """Gradient for the bias behind the gate."""


class Pursuit(NamedTuple):
    """A batch's way through matching pursuit and back."""

    left: Float[Tensor, "runs batch d_model"]
    """What no atom has taken: input minus reconstruction."""
    codes: Codes
    """In the order in which atoms were taken; an atom may have several places of a token."""
    for_dictionary: Float[Tensor, "runs atoms d_model"]
    """Gradient of mean(left^2), every amount depending on the atoms as well."""
    for_input: Float[Tensor, "runs d_model"]
    """Its gradient for u, summed over the tokens."""


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


def fired(codes: Codes, *, n_atoms: int) -> Bool[Tensor, "runs atoms"]:
    """Which atoms are active for at least one token."""
    active = (codes.values > 0).flatten(1).to(codes.values.dtype)
    # a maximum, because an empty place may name an atom that is active for another token
    most = active.new_zeros(len(active), n_atoms).scatter_reduce(1, codes.indices.flatten(1), active, "amax")
    return most > 0


def least(values: Float[Tensor, "runs batch places"]) -> Float[Tensor, " runs"]:
    """The smallest positive code of each run; 0 where there is none."""
    positive = values.flatten(1)
    infinite = positive.new_full((len(positive), 1), torch.inf)  # for runs without a place
    smallest = torch.cat([positive.where(positive > 0, torch.inf), infinite], dim=1).amin(1)
    return smallest.where(smallest.isfinite(), 0.0)
