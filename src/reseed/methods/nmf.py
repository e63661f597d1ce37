"""Non-negative matrix factorisation: neither codes nor atoms are negative.

    signs        v = (max(u, 0), max(-u, 0)): activations in halves, and D of twice the columns
    codes        z = argmin_(z >= 0) ||v - z D||^2, or with a penalty                     (docs/mathematics.md, eq. 158)
    statistics   A, B of z and v                                                          (eq. 145)
    dictionary   for each atom in turn D_i <- max(0, D_i + (B_i - A_i D) / A_ii), then unit   (eq. 159)
    loss         mean over tokens and dimensions of (v - z D)^2, both halves

Source: @lee2001algorithms for the problem, @cichocki2009fast for the update of the dictionary, which scikit-learn calls
coordinate descent, @mairal2010online for statistics in the place of all tokens.

Among activations an atom is its positive half less its negative half, and a reconstruction z times that. The halves of
what is left out are r+ and r-, and (r+ - r-)^2 <= 2 (r+^2 + r-^2): what is small in halves is small among activations.
Of activations without negative entries the negative half is 0, and this is NMF as published.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.errors import SpecError
from reseed.methods._autoencoder import unit_rows
from reseed.methods._base import StartPoint, State
from reseed.methods._non_negative import NonNegative, to_unit_atoms

__all__ = ["NMF"]


class NMF(NonNegative):
    """Non-negative matrix factorisation, of activations without signs or of their positive and negative halves."""

    title: ClassVar[str] = "NMF"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "halves")
    coded_in: ClassVar[str] = "halves"

    kind: Literal["nmf"] = "nmf"
    signs: Literal["split", "refused"] = "split"
    """`split`: the positive and the negative half of activations are factorised side by side, and an atom is the
    difference of its halves; `refused`: activations with a negative entry are refused, and atoms have none."""

    @property
    def non_negative(self) -> bool:
        """Whether `signs` refuses negative entries."""
        return self.signs == "refused"

    @property
    def halves(self) -> int:
        """2 where activations are split."""
        return 2 if self.signs == "split" else 1

    def check(self, point: StartPoint) -> None:
        """Raise SpecError for negative entries that are refused."""
        self.seen(point.sample)

    def seen(self, u: Float[Tensor, "*runs batch d_model"]) -> Float[Tensor, "*runs batch columns"]:
        """Both halves, or activations without negative entries: SpecError for others."""
        if self.signs == "split":
            return torch.cat([u.clamp(min=0), (-u).clamp(min=0)], dim=-1)
        if (u < 0).any():
            raise SpecError(
                "nmf with signs = 'refused': the activations have negative entries; set signs = 'split', or use the "
                "method semi-nmf, whose atoms may have any sign"
            )
        return u

    def written(self, atoms: Float[Tensor, "runs atoms columns"]) -> Float[Tensor, "runs atoms d_model"]:
        """The positive half of an atom less its negative half."""
        if self.signs == "refused":
            return atoms.clone()
        positive, negative = atoms.chunk(2, dim=-1)
        return positive - negative

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms columns"]:
        """Both halves of the start's atoms, or their positive half alone; of length 1."""
        return unit_rows(self.seen(atoms) if self.signs == "split" else atoms.clamp(min=0))

    def fit(self, state: State) -> None:
        """One pass over the atoms, each fitted to what the others leave; an atom without codes stays."""
        a, b, atoms = state["products"], state["sums"], state["atoms"]
        squares = a.diagonal(dim1=1, dim2=2)
        for i in range(self.n_atoms):
            one = slice(i, i + 1)
            used = squares[:, one].unsqueeze(-1)
            missing = b[:, one] - a[:, one] @ atoms
            fitted = (atoms[:, one] + missing / used).clamp(min=0)
            atoms[:, one] = fitted.where(used > 0, atoms[:, one])
        to_unit_atoms(state)
