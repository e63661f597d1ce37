"""Planted dictionaries: activations whose atoms are known, to see whether a method finds them.

Every activation is an offset, plus a sparse non-negative combination of planted unit atoms, plus Gaussian noise:

    x = o + sum_{j in A} s_j d_j + e        |A| = active atoms, drawn afresh for every token
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator

__all__ = ["Planted", "planted"]

_WEAKEST, _STRONGEST = 0.5, 1.5  # bounded away from 0, so that an active atom can be told from an inactive one


class Planted(NamedTuple):
    """Activations and what they were made from."""

    rows: Float[Tensor, "tokens d_model"]
    """The activations, in units of one atom: an active atom of strength 1 contributes a vector of norm 1."""
    atoms: Float[Tensor, "atoms d_model"]
    """The planted dictionary: unit rows in independent random directions."""
    codes: Float[Tensor, "tokens atoms"]
    """The strength of every atom in every token: 0, or in [0.5, 1.5]."""


def planted(
    n_tokens: int,
    d_model: int,
    *,
    n_atoms: int,
    active: int,
    noise: float = 0.0,
    offset: float = 0.0,
    rolled: int = 0,
) -> Planted:
    """Activations with a known dictionary, in float32; equal arguments give equal bits.

    A recovered dictionary can be held against `atoms` with `reseed.match`. Random directions are not orthogonal: two
    planted atoms have a cosine of about 1 / sqrt(d_model), and `active` of d_model / log(n_atoms) or more cannot be
    told apart by any method.

    Args:
        n_tokens: rows to make.
        d_model: their width.
        n_atoms: planted atoms, which may be more than `d_model`.
        active: different atoms in each token, each of strength uniform in [0.5, 1.5]; 0 makes rows of noise only.
        noise: root mean square norm of the noise, in units of one atom. The combinations themselves have a mean square
            norm of about 1.083 `active`.
        offset: norm of the vector that is added to every row, in a random direction, in units of one atom.
        rolled: the number that a die shows: another number plants other atoms.

    Raises:
        ValueError: more active atoms than there are, or a negative size, noise or offset.
    """
    if not 0 <= active <= n_atoms or min(n_tokens, d_model, n_atoms) < 1 or noise < 0 or offset < 0:
        raise ValueError(
            f"n_tokens={n_tokens}, d_model={d_model}, n_atoms={n_atoms}, active={active}, noise={noise}, "
            f"offset={offset}: sizes are at least 1, active is 0 to n_atoms, noise and offset are not negative"
        )
    atoms = _directions(n_atoms, d_model, generator(rolled, "atoms"))
    codes = _codes(n_tokens, n_atoms, active, rolled)
    shift = offset * _directions(1, d_model, generator(rolled, "offset"))
    disturbance = torch.randn(n_tokens, d_model, generator=generator(rolled, "noise")) * (noise / d_model**0.5)
    return Planted(rows=shift + codes @ atoms + disturbance, atoms=atoms, codes=codes)


def _directions(count: int, d_model: int, dice: torch.Generator) -> Float[Tensor, "rows d_model"]:
    return torch.nn.functional.normalize(torch.randn(count, d_model, generator=dice), dim=1)


def _codes(n_tokens: int, n_atoms: int, active: int, rolled: int) -> Float[Tensor, "tokens atoms"]:
    which = torch.rand(n_tokens, n_atoms, generator=generator(rolled, "active")).topk(active, dim=1).indices
    strengths = torch.empty(n_tokens, active).uniform_(_WEAKEST, _STRONGEST, generator=generator(rolled, "strengths"))
    return torch.zeros(n_tokens, n_atoms).scatter_(1, which, strengths)
