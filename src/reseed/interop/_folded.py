"""The same dictionary in other words: reading raw activations, or with the decoder's bias taken off first.

A map that is one for all tokens can be multiplied into encoder, atoms and biases. With u = (x - m) M, and s = 1 where
the decoder's bias is taken off, 0 where not:

    E u - s E b_dec + b_enc = E' (x - b_dec') + b_enc'          E' = E Mᵀ,  b_dec' = b_dec M⁻¹ + m
    (z D + b_dec) M⁻¹ + m = z D' + b_dec'                       D' = D M⁻¹, b_enc' = b_enc - s E b_dec + E' (b_dec M⁻¹)

What is taken off holds the mean, so that large means do not round small codes away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop.codes import CodeRule, Pursuit, Relu, Scaled, Thresholded
from reseed.interop.spaces import Affine, Raw, Space, times

if TYPE_CHECKING:
    from reseed.interop._base import LoadedDictionary

__all__ = ["folded", "is_transcoder", "not_subtracting", "or_zeros", "plain_rule", "subtracting", "turns"]


class _Map(NamedTuple):
    """u = (x - mean) linear, and back by the inverse."""

    mean: Tensor
    linear: Tensor
    inverse: Tensor


def is_transcoder(dictionary: LoadedDictionary) -> bool:
    """Whether its source says so, or it does by itself: by a skip connection, or by another width that it reads."""
    encoder = dictionary.encoder
    of_two_widths = encoder is not None and encoder.shape[1] != dictionary.atoms.shape[1]
    return dictionary.transcodes or dictionary.skip is not None or of_two_widths


def turns(space: Space) -> bool:
    """Whether atoms have other directions once a map is multiplied into them."""
    return isinstance(space, Affine) and space.linear.ndim > 0


def folded(dictionary: LoadedDictionary) -> LoadedDictionary:
    """The same function of raw activations, where its space is an affine map of them; itself where it is another.

    Raises:
        DictionaryError: of matching pursuit, whose encoder is its atoms, and of a transcoder that reads less a mean.
    """
    found = _map(dictionary.space)
    if found is None:
        return dictionary
    of_two_places = is_transcoder(dictionary) and isinstance(dictionary.space, Affine)
    if dictionary.encoder is None or isinstance(dictionary.rule, Pursuit) or of_two_places:
        raise DictionaryError(
            f"{dictionary.name} reads {dictionary.space.kind} activations, and cannot be made to read them raw: "
            "no format that is written here says that"
        )
    encoder, atoms = dictionary.encoder.double(), dictionary.atoms.double()
    bias = or_zeros(dictionary.decoder_bias, atoms[0]).double()
    there, back = times(encoder, _turned(found.linear)), times(bias[None], found.inverse)[0]
    shift = torch.zeros(len(atoms), dtype=torch.float64)
    if dictionary.subtracts:
        shift = shift - encoder @ bias
    skip = None if dictionary.skip is None else dictionary.skip.double() * found.linear * found.inverse
    subtracts = not is_transcoder(dictionary)  # a transcoder takes nothing off: it writes something else than it reads
    if subtracts:
        shift, back = shift + there @ back, back + found.mean
    return replace(
        dictionary,
        atoms=times(atoms, found.inverse).to(dictionary.atoms),
        encoder=there.to(dictionary.atoms),
        encoder_bias=(or_zeros(dictionary.encoder_bias, shift) + shift).to(dictionary.atoms),
        decoder_bias=back.to(dictionary.atoms),
        skip=None if skip is None else skip.to(dictionary.atoms),
        space=Raw(),
        subtracts=subtracts,
    )


def subtracting(dictionary: LoadedDictionary) -> LoadedDictionary:
    """The same function, with the decoder's bias taken off before activations are encoded: b_enc + E b_dec."""
    return dictionary if dictionary.subtracts else replace(_shifted(dictionary, 1.0), subtracts=True)


def not_subtracting(dictionary: LoadedDictionary) -> LoadedDictionary:
    """The same function by the encoder's bias alone: b_enc - E b_dec."""
    return replace(_shifted(dictionary, -1.0), subtracts=False) if dictionary.subtracts else dictionary


def _shifted(dictionary: LoadedDictionary, sign: float) -> LoadedDictionary:
    encoder, bias = dictionary.encoder, dictionary.decoder_bias
    if encoder is None or bias is None:
        return dictionary
    shift = sign * encoder.double() @ bias.double()
    shifted = or_zeros(dictionary.encoder_bias, dictionary.atoms[:, 0]).double() + shift
    return replace(dictionary, encoder_bias=shifted.to(encoder))


def or_zeros(bias: Tensor | None, like: Tensor) -> Tensor:
    """A bias, or one that does nothing."""
    return torch.zeros_like(like) if bias is None else bias


def plain_rule(rule: CodeRule) -> CodeRule:
    """The same codes without factors, where positive factors leave them: relu(f y) / f = relu(y)."""
    if not isinstance(rule, Scaled) or not bool((rule.factors > 0).all()):
        return rule
    if isinstance(rule.rule, Thresholded):
        return Thresholded(rule.rule.threshold / rule.factors, name=rule.rule.name)
    return rule.rule if isinstance(rule.rule, Relu) else rule


def _map(space: Space) -> _Map | None:
    """None for spaces that are no affine map, and for activations as they are."""
    if isinstance(space, Affine):
        return _Map(space.mean.double(), space.linear.double(), space.inverse.double())
    out = 1.0 if not isinstance(space, Raw) else space.scale if space.out is None else space.out
    if not isinstance(space, Raw) or (space.scale == 1 and out == 1):
        return None
    return _Map(*(torch.tensor(each, dtype=torch.float64) for each in (0.0, space.scale, 1 / out)))


def _turned(linear: Tensor) -> Tensor:
    return linear.T if linear.ndim == 2 else linear  # noqa: PLR2004 (a matrix)
