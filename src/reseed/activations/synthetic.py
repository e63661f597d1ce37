"""Planted dictionaries: activations whose atoms are known, to see whether a method finds them.

Every activation is an offset, plus a sparse non-negative combination of planted unit atoms, plus Gaussian noise:

    x = o + sum_{j in A} s_j d_j + e        |A| = active atoms, drawn afresh for every token

Atoms can be correlated (neighbours are active together) or hierarchical (a child is active with its parent only). How
far they can be told apart at all is the caller's choice of sizes: fewer atoms than dimensions and few active ones can,
`active` of d_model / log(n_atoms) or more cannot.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import check_size, guarded
from reseed.dice import generator

__all__ = ["Planted", "Strengths", "planted"]

Strengths = Literal["uniform", "half-normal"]
"""How strong an active atom is: uniform in [0.5, 1.5], or the size of a normal number."""

_Draw = Callable[[torch.Size, torch.Generator], Tensor]


class Planted(NamedTuple):
    """Activations and what they were made from."""

    rows: Float[Tensor, "tokens d_model"]
    """The activations, in units of one atom: an active atom of strength 1 contributes a vector of norm 1."""
    atoms: Float[Tensor, "atoms d_model"]
    """The planted dictionary: unit rows in independent random directions."""
    codes: Float[Tensor, "tokens atoms"]
    """The strength of every atom in every token; 0 where it is not active."""


@guarded()
def planted(
    n_tokens: int,
    d_model: int,
    *,
    n_atoms: int,
    active: int,
    noise: float = 0.0,
    offset: float = 0.0,
    together: float = 0.0,
    children: int = 0,
    strengths: Strengths | str = "uniform",
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
        active: different atoms in each token; 0 makes rows of noise only. Partners and children, if there are any, come
            on top.
        noise: root mean square norm of the noise, in units of one atom. The combinations themselves have a mean square
            norm of about 1.083 `active`; 1 `active` for half-normal strengths.
        offset: norm of the vector that is added to every row, in a random direction, in units of one atom.
        together: in [0, 1], how strongly atoms 2 i and 2 i + 1 are active together: at 0 not at all, at 1 whenever one
            of them is chosen the other one is active too, as if they were one.
        children: atoms that belong to each parent. The first n_atoms / (1 + children) atoms are parents; an active
            parent has a probability of 1/2 to have one of its children active with it, in addition to `active`, and a
            child is never active without its parent.
        strengths: of active atoms: uniform in [0.5, 1.5], bounded away from 0 so that an active atom can be told from
            an inactive one; or half-normal, the size of a standard normal number.
        rolled: the number that a die shows: another number plants other atoms.

    Raises:
        ValueError: more active atoms than there are, a negative size, noise or offset, both `together` and `children`,
            or atoms that cannot be divided into pairs or families, or other strengths.
    """
    if not 0 <= active <= n_atoms or min(n_tokens, d_model, n_atoms) < 1 or noise < 0 or offset < 0:
        raise ValueError(
            f"n_tokens={n_tokens}, d_model={d_model}, n_atoms={n_atoms}, active={active}, noise={noise}, "
            f"offset={offset}: sizes are at least 1, active is 0 to n_atoms, noise and offset are not negative"
        )
    if strengths not in _STRENGTHS:
        raise ValueError(f"strengths={strengths!r}: they are one of {', '.join(_STRENGTHS)}")
    check_size(n_tokens, max(n_atoms, d_model))
    check_size(n_atoms, d_model)
    _check_families(n_atoms, active, together, children)
    atoms = _directions(n_atoms, d_model, generator(rolled, "atoms"))
    draw = _STRENGTHS[strengths]
    codes = _codes(n_tokens, n_atoms // (1 + children), active, draw, rolled)
    codes = _with_partners(codes, together, draw, rolled) if together else codes
    codes = _with_children(codes, children, draw, rolled) if children else codes
    shift = offset * _directions(1, d_model, generator(rolled, "offset"))
    disturbance = torch.randn(n_tokens, d_model, generator=generator(rolled, "noise")) * (noise / d_model**0.5)
    return Planted(rows=shift + codes @ atoms + disturbance, atoms=atoms, codes=codes)


def _uniform(shape: torch.Size, dice: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(0.5, 1.5, generator=dice)


def _half_normal(shape: torch.Size, dice: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=dice).abs()


_STRENGTHS: dict[str, _Draw] = {"uniform": _uniform, "half-normal": _half_normal}


def _directions(count: int, d_model: int, dice: torch.Generator) -> Float[Tensor, "rows d_model"]:
    return torch.nn.functional.normalize(torch.randn(count, d_model, generator=dice), dim=1)


def _codes(n_tokens: int, n_atoms: int, active: int, draw: _Draw, rolled: int) -> Float[Tensor, "tokens atoms"]:
    which = torch.rand(n_tokens, n_atoms, generator=generator(rolled, "active")).topk(active, dim=1).indices
    return torch.zeros(n_tokens, n_atoms).scatter_(1, which, draw(which.shape, generator(rolled, "strengths")))


def _with_partners(
    codes: Float[Tensor, "tokens atoms"], together: float, draw: _Draw, rolled: int
) -> Float[Tensor, "tokens atoms"]:
    """Where atom 2 i or 2 i + 1 is active alone, the other one joins it with probability `together`."""
    partners = codes.unflatten(1, (-1, 2)).flip(2).flatten(1)
    joins = torch.rand(codes.shape, generator=generator(rolled, "together")) < together
    return torch.where((codes == 0) & (partners > 0) & joins, draw(codes.shape, generator(rolled, "partners")), codes)


def _with_children(
    codes: Float[Tensor, "tokens parents"], children: int, draw: _Draw, rolled: int
) -> Float[Tensor, "tokens atoms"]:
    """The parents' codes, then those of all first children, of all second children and so on."""
    which = torch.randint(2 * children, codes.shape, generator=generator(rolled, "children"))  # one half: no child
    strengths = draw(codes.shape, generator(rolled, "child strengths"))
    born = [torch.where((codes > 0) & (which == child), strengths, 0.0) for child in range(children)]
    return torch.cat([codes, *born], dim=1)


def _check_families(n_atoms: int, active: int, together: float, children: int) -> None:
    family = 1 + max(children, 0) if children else 2 if together else 1
    fits = n_atoms % family == 0 and (not children or active <= n_atoms // family)
    if not 0 <= together <= 1 or children < 0 or (together and children) or not fits:
        raise ValueError(
            f"n_atoms={n_atoms}, active={active}, together={together}, children={children}: together is 0 to 1 and "
            "needs an even n_atoms; children is not negative, n_atoms a multiple of 1 + children, and active at most "
            "the number of parents; only one of the two can be given"
        )
