"""How much of the variance atoms that come back explain, blocks that do, and the rest (docs/mathematics.md, eq. 88)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.guard import guarded
from reseed.measures import StandardCodes  # noqa: TC001 (what is given is checked against it)

__all__ = ["Shares", "shares"]

_AT_A_TIME = 2**22  # numbers in memory, in eight bytes each


@dataclass(frozen=True)
class Shares:
    """The variance of held-out rows, split exactly: the four add up to 1; each may be negative or above 1."""

    atom: float
    """By atoms that come back alone."""
    block: float
    """By atoms of blocks."""
    neither: float
    """By the others."""
    unexplained: float
    """What the reconstruction leaves; it is negative where that is larger than the rows and points their way."""
    of_atoms: Float64[Tensor, " atoms"]
    """The share of each atom."""

    __repr__ = brief_repr


@guarded()
def shares(
    rows: Float[Tensor, "tokens d_model"],
    atoms: Float[Tensor, "atoms d_model"],
    codes: StandardCodes,
    sizes: Int[Tensor, " atoms"],
) -> Shares:
    """cov(x, c_i d_i) over the variance of x for every atom, and their sums by what comes back (eq. 88).

    All are nan where the rows do not vary. The share of an atom that fires on what others explain as well is what it
    adds to x̂ along x, not what is lost without it; one that takes back what others have put in too much of is negative.

    Args:
        rows: held-out activations in the space of the atoms; an offset, such as a decoder bias, changes nothing.
        atoms: as they are in the decoder, at their own length.
        codes: of these rows.
        sizes: of each atom: 0 where nothing of it comes back, 1 where it does alone, more for the size of its block, as
            in `Blocks`.

    Raises:
        ValueError: codes of other rows or atoms.
    """
    if codes.n_tokens != len(rows) or len(codes.mean) != len(atoms):
        raise ValueError(
            f"codes are of {codes.n_tokens:,} tokens by {len(codes.mean):,} atoms; rows are {len(rows):,} and atoms "
            f"{len(atoms):,}: pass the codes of these rows"
        )
    centred = rows.cpu().double() - rows.cpu().double().mean(dim=0)
    total = centred.square().sum()
    covariances = _covariances(centred, atoms.cpu().double(), codes)
    of_atoms = covariances / total if total > 0 else torch.full_like(covariances, torch.nan)
    kinds = sizes.cpu()
    return Shares(
        atom=float(of_atoms[kinds == 1].sum()),
        block=float(of_atoms[kinds > 1].sum()),
        neither=float(of_atoms[kinds < 1].sum()),
        unexplained=float(1 - of_atoms.sum()),
        of_atoms=of_atoms,
    )


def _covariances(
    centred: Float64[Tensor, "tokens d_model"], atoms: Float64[Tensor, "atoms d_model"], codes: StandardCodes
) -> Float64[Tensor, " atoms"]:
    """The sum over tokens of c_i (x - mean) . d_i, as many entries of codes at a time as fit."""
    found = atoms.new_zeros(len(atoms))
    whose = torch.repeat_interleave(torch.arange(len(atoms)), codes.ends.diff())
    step = max(1, _AT_A_TIME // atoms.shape[1])
    entries = zip(whose.split(step), codes.tokens.split(step), codes.values.split(step), strict=True)
    for atom, token, value in entries:
        found.index_add_(0, atom, value * (centred[token] * atoms[atom]).sum(dim=1))
    return found
