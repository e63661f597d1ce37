"""Orthogonal matching pursuit: what a few atoms of a dictionary explain of a token, whoever would choose them.

(docs/mathematics.md, eq. 89; @pati1993orthogonal)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Sign, unit_rows

__all__ = ["pursued"]

_AT_A_TIME = 2**24  # numbers in memory, in four bytes each
_NEW = 1e-4  # an atom of which less than this is outside the span of those before adds rounding errors only


@guarded(steps=(0, 2**31))
def pursued(
    tokens: Float[Tensor, "tokens d_model"], atoms: Float[Tensor, "atoms d_model"], steps: int, *, sign: Sign = "signed"
) -> Float[Tensor, "tokens d_model"]:
    """Every token's projection onto the span of the atoms that it takes, one after the other.

    At each step it takes the atom, at length 1, with the largest product with what is left of it, if that is above 0
    (of whatever sign with `abs`). Amounts are those of least squares, and may come out negative: hardly any do.

    Args:
        tokens: less whatever stays out of this, such as a bias.
        atoms: of any length; zero atoms are never taken.
        steps: how many atoms a token takes at most.
        sign: `abs` where an atom and its negative are one feature.
    """
    units = unit_rows(atoms).to(tokens)
    steps = min(steps, len(units))
    blocks = tokens.split(max(1, _AT_A_TIME // max(1, len(units) + steps * tokens.shape[1])))
    left = torch.cat([_left(block, units, steps, absolute=sign == "abs") for block in blocks])
    return tokens - left


def _left(
    tokens: Float[Tensor, "tokens d_model"], units: Float[Tensor, "atoms d_model"], steps: int, *, absolute: bool
) -> Float[Tensor, "tokens d_model"]:
    """What is left of each token: nothing of it lies along the orthonormal rows that its atoms span."""
    left, span = tokens, tokens.new_zeros(len(tokens), steps, tokens.shape[1])
    for step in range(steps):
        products = left @ units.T
        best = (products.abs() if absolute else products).max(dim=1)
        atom = units[best.indices] * (best.values > 0)[:, None]
        outside = atom - ((span[:, :step] @ atom[:, :, None]) * span[:, :step]).sum(dim=1)
        length = outside.norm(dim=1, keepdim=True)
        new = torch.where(length > _NEW, outside / length, 0.0)
        left = left - (left * new).sum(dim=1, keepdim=True) * new
        span[:, step] = new
    return left
