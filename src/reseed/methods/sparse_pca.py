"""Sparse principal components: directions of large variance that most dimensions have no part in.

    criterion    E‖y - (y B') A‖² + l2 ‖B‖² + l1 Σ |B|, rows of A orthonormal     (docs/mathematics.md, eq. 164)
    B            for every row of A an elastic net, of C alone
    A            (M M')^-½ M of M = B C (Procrustes)
    dictionary   the rows of B, at length 1
    codes        least squares on all atoms                                       (eq. 160)

with y = u - m. Source: @zou2006sparse. A step is one such round on mean and covariance of all that was read, so that
memory does not grow with it. The penalty makes atoms sparse, and codes not. With l1 = 0 the rows of A come to span the
principal directions, and are these where they are at the start, as published.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from pydantic import Field, PositiveInt
from torch import Tensor

from reseed._support.settings import AtMost
from reseed.methods._base import State
from reseed.methods._elastic_net import elastic_net, objective
from reseed.methods._linear import Linear, covariance, least_squares, orthonormal

__all__ = ["SparsePCA"]


class SparsePCA(Linear):
    """Principal components with sparse atoms, from the covariance alone."""

    title: ClassVar[str] = "Sparse PCA"
    published_start: ClassVar[str] = "pca"
    suggested: ClassVar[Mapping[str, object]] = MappingProxyType({"l1": 0.01})

    kind: Literal["sparse-pca"] = "sparse-pca"
    l1: Annotated[float, Field(ge=0)]
    """Weight of the absolute entries of B, per token, where activations have variance 1 per dimension. The larger, the
    more entries of an atom are 0."""
    l2: Annotated[float, Field(ge=0)] = 1e-6
    """Weight of their squares: what makes B unique where C is singular."""
    sweeps: Annotated[PositiveInt, AtMost(10_000, lambda n: f"rows have settled long before {n:,} sweeps")] = 20
    """The most times that a step goes through the entries of B; it ends before where they have settled. A row begins
    where it was, or as the row of A where that is better, so that few are enough."""

    def also(self, atoms: Float64[Tensor, "runs atoms d_model"]) -> State:
        """A and B begin as the orthonormal rows nearest to the start's atoms."""
        axes = orthonormal(atoms)
        return {"axes": axes, "loadings": axes.clone()}

    def fit(self, state: State, u: Float[Tensor, "runs batch d_model"]) -> None:
        """Eq. 164: B given A, and A given B."""
        del u  # the statistics have it
        c = covariance(state)
        targets, penalties = state["axes"] @ c, {"l1": self.l1, "l2": self.l2}
        there, beside = (objective(c, targets, state[name], **penalties) for name in ("loadings", "axes"))
        first = torch.where((beside < there).unsqueeze(2), state["axes"], state["loadings"])
        state["loadings"] = elastic_net(c, targets, first, **penalties, sweeps=self.sweeps)
        state["axes"] = orthonormal(state["loadings"] @ c)
        state["atoms"] = torch.nn.functional.normalize(state["loadings"], dim=-1)
        state["encoder"] = least_squares(state["atoms"])
