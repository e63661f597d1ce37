"""One dictionary of several: each of its atoms stands for some atoms of theirs, and its other parts are means.

    part_a = sum_r s_ar part_r,m(a,r) / sum_r |s_ar|

of encoder rows and their biases, where s_ar is 1 for the atom m(a, r) of dictionary r, -1 for one that is turned, and
0 where there is none; of lengths and thresholds with |s_ar| in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary
from reseed.interop._folded import folded, is_transcoder, or_zeros
from reseed.interop.codes import CodeRule, Gated, Linear, Pursuit, Relu, Scaled, Thresholded, TopK
from reseed.interop.spaces import Raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.interop.spaces import Space

__all__ = ["averaged"]

_ATOM_BY_ATOM = (Relu, Linear, TopK, Thresholded, Gated, Pursuit)
"""Rules that say nothing of an atom's neighbours."""

Members = Int[Tensor, "atoms dictionaries"]
Signs = Float64[Tensor, "atoms dictionaries"]


def averaged(
    dictionaries: Sequence[LoadedDictionary],
    directions: Float64[Tensor, "atoms d_model"],
    members: Members,
    signs: Signs,
    *,
    name: str,
) -> LoadedDictionary:
    """A dictionary of these directions, and of encoder, biases and rule whatever can be a mean of those of others.

    Nested dictionaries are none any more: `groups` is empty. Where encoders cannot be averaged, `notes` says why, and
    there are atoms alone.

    Args:
        dictionaries: of one width.
        directions: its atoms at length 1. They get the mean length of those that they stand for.
        members: which atom of each dictionary each stands for; whatever where `signs` is 0.
        signs: 1, -1 for an atom that is turned, or 0.
        name: what it is called.
    """
    try:
        of = _of_one_kind(dictionaries)
    except DictionaryError as error:
        atoms = _with_lengths(dictionaries, directions, partial(_mean, members=members, signs=signs.abs()))
        return LoadedDictionary(
            atoms,
            name=name,
            source=name,
            decoder_bias=_decoder_bias(dictionaries),
            space=dictionaries[0].space,
            notes=(f"no encoder: {error}",),
        )
    first, rules = of[0], [each.rule for each in of if each.rule is not None]
    own = partial(_mean, members=members, signs=signs.abs())
    turned = partial(_mean, members=members, signs=signs)
    atoms = _with_lengths(of, directions, own)
    encoders = [each.encoder for each in of if each.encoder is not None]
    biases = [or_zeros(each.encoder_bias, each.atoms[:, 0]) for each in of]
    return LoadedDictionary(
        atoms,
        name=name,
        source=name,
        encoder=turned(encoders).to(atoms) if encoders else None,
        encoder_bias=turned(biases).to(atoms) if encoders else None,
        decoder_bias=_decoder_bias(of),
        rule=_rule(rules, own),
        subtracts=first.subtracts,
        space=first.space,
        about={key: value for key, value in first.about.items() if all(each.about.get(key) == value for each in of)},
    )


def _of_one_kind(dictionaries: Sequence[LoadedDictionary]) -> list[LoadedDictionary]:
    """The same functions, all of one space and one kind of rule. Raises DictionaryError: why they cannot be."""
    first, kinds = dictionaries[0], set[tuple[str, bool]]()
    for each in dictionaries:
        rule = each.rule
        if rule is None or (each.encoder is None and not isinstance(rule, Pursuit)):
            raise DictionaryError(f"{each.name} makes no codes")
        if is_transcoder(each):
            raise DictionaryError(f"{each.name} is a transcoder")
        if not isinstance(rule.rule if isinstance(rule, Scaled) else rule, _ATOM_BY_ATOM):
            raise DictionaryError(f"{each.name} takes {rule.title}, and a consensus has other neighbours")
        kinds.add((rule.title, each.subtracts))
    if len(kinds) > 1:
        raise DictionaryError("they make codes in different ways")
    if all(_is_same(each.space, first.space) for each in dictionaries):
        return list(dictionaries)
    if not all(isinstance(each.space, Raw) for each in dictionaries):
        raise DictionaryError(f"they read {first.space.kind} activations in different ways")
    return [folded(each) for each in dictionaries]


def _is_same(a: Space, b: Space) -> bool:
    if type(a) is not type(b):
        return False
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(torch.equal(x, y) if isinstance(x, Tensor) else x == y for x, y in pairs)


def _with_lengths(
    of: Sequence[LoadedDictionary], directions: Float64[Tensor, "atoms d_model"], own: Callable[[list[Tensor]], Tensor]
) -> Float[Tensor, "atoms d_model"]:
    lengths = own([each.atoms.double().norm(dim=1) for each in of])
    return (directions * lengths[:, None]).to(of[0].atoms)


def _decoder_bias(of: Sequence[LoadedDictionary]) -> Float[Tensor, " d_model"] | None:
    if all(each.decoder_bias is None for each in of):
        return None
    biases = [or_zeros(each.decoder_bias, each.atoms[0]).double() for each in of]
    return torch.stack(biases).mean(dim=0).to(of[0].atoms)


def _rule(rules: Sequence[CodeRule], own: Callable[[list[Tensor]], Tensor]) -> CodeRule:
    """The first rule, with the means of thresholds and of whatever else there is for each atom, or once for all."""
    first, means = rules[0], dict[str, Any]()
    for name in vars(first):
        values = [getattr(rule, name) for rule in rules]
        if isinstance(values[0], CodeRule):
            means[name] = _rule(values, own)
        elif isinstance(values[0], Tensor):
            of_atoms = values[0].ndim > 0 and values[0].numel() > 1
            means[name] = (own(values) if of_atoms else torch.stack(values).double().mean(dim=0)).to(values[0])
    made: Callable[..., CodeRule] = type(first)
    return made(**vars(first) | means)


def _mean(values: Sequence[Tensor], *, members: Members, signs: Signs) -> Tensor:
    """Of each atom, over those that it stands for, in float64."""
    shape = (len(members), *values[0].shape[1:])
    total = torch.zeros(shape, dtype=torch.float64)
    for place, each in enumerate(values):
        weight = signs[:, place].reshape(-1, *(1 for _ in shape[1:]))
        total += weight * each.double()[members[:, place].clamp(min=0)]
    return total / signs.abs().sum(dim=1).reshape(-1, *(1 for _ in shape[1:]))
