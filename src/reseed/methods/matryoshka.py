"""Matryoshka: dictionaries within one another, of which each has to reconstruct alone.

    codes        z = the k x batch largest of relu(E u + b_enc); those above a threshold in evaluation: see `_batch`
    dictionary   D, free or unit atoms; D_g its first n_g atoms, n_1 < n_2 < ... = n  (docs/mathematics.md, eq. 4)
    loss         sum over g of w_g mean((u - z_g D_g)^2), the w_g adding up to 1      (eq. 103)
                 + l1 (sum of a token's z) / sqrt(d_model), by default with l1 = 0

Source: @bussmann2025matryoshka. Its loss is ours times d_model times the number of groups, that of SAELens 6.54 too;
dictionary_learning 0.1.0 divides by it once for its weights and once for its mean. Adam hardly notices such a factor.
Groups are those of the paper (2,048, 6,144, 14,336, 30,720 and 65,536 atoms), and as dictionary_learning counts them:
rounded down, and the last has the rest.
"""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import PositiveFloat, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods._batch import BatchCodes

__all__ = ["Matryoshka"]


class Matryoshka(BatchCodes):
    """Nested dictionaries that each have to reconstruct alone, with the strongest codes of a batch."""

    title: ClassVar[str] = "Matryoshka"

    kind: Literal["matryoshka"] = "matryoshka"
    groups: tuple[PositiveFloat, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32)
    """Shares of the atoms, which add up to 1: each dictionary has the atoms of its group and of those before it."""
    group_weights: tuple[PositiveFloat, ...] | None = None
    """Weights of the dictionaries' errors, in the order of the groups, of which only the proportions count; None: all
    equal."""

    @model_validator(mode="after")
    def _groups_fit(self) -> "Matryoshka":
        if not math.isclose(sum(self.groups), 1.0, rel_tol=1e-6):
            raise ValueError(f"groups add up to {sum(self.groups):g}: they are shares of all atoms, and have to give 1")
        if self.group_sizes[-1] < 1:
            raise ValueError(f"n_atoms = {self.n_atoms} leaves no atom for the last of {len(self.groups)} groups")
        if self.group_weights is not None and len(self.group_weights) != len(self.groups):
            raise ValueError(
                f"{len(self.group_weights)} group_weights for {len(self.groups)} groups: give one for each"
            )
        return self

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Atoms of each group: its share, rounded down, one at least; the last has the rest."""
        sizes = [max(1, int(share * self.n_atoms)) for share in self.groups[:-1]]
        return (*sizes, self.n_atoms - sum(sizes))

    @property
    def nested(self) -> kernels.Nested:
        """Where each dictionary ends, and what its error counts."""
        weights = self.group_weights or (1.0,) * len(self.groups)
        shares = tuple(weight / sum(weights) for weight in weights)
        return kernels.Nested(ends=tuple(accumulate(self.group_sizes)), weights=shares)

    def forward_backward(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], *, penalty: float
    ) -> kernels.Pass:
        """Through the active atoms of each token only, once, with a residual for each group."""
        weights = (state["encoder"], state["encoder_bias"], state["atoms"])
        return kernels.matryoshka_pass(u, *weights, k=self.k, nested=self.nested, penalty=penalty)
