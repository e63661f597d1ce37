"""k-means on batches: every atom is the mean of the tokens that were nearest to it.

    labels       a(x) = argmin_i ||v - c_i||                                 (docs/mathematics.md, eq. 155, 156)
    counts       N_i <- memory N_i + n_i,  n_i the tokens of the batch with label i
    centroids    c_i <- c_i + sum over these n_i tokens of (v - c_i) / N_i
    loss         mean(||v - c_a(x)||^2)

v = u = x / scale. With memory 1 a centroid is the mean of all tokens that it ever had (@sculley2010web), with memory 0
a step is Lloyd's iteration on the batch (@lloyd1982least). `spherical`: v = u / ||u||, and c_i is the direction of
S_i <- memory S_i + sum of v (@dhillon2001concept). A centroid without tokens stays where it is.

Several of the largest products with centroids are no codes: centroids overlap, and together they give far more than
the token. `pursuit` takes off what one has explained before the next is asked.
"""

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods._alternating import Iterating
from reseed.methods._autoencoder import check_k, unit_rows
from reseed.methods._base import BatchOutcome, Schedule, State

__all__ = ["KMeans"]


class KMeans(Iterating):
    """Clusters: an atom is the centroid of the tokens that are nearest to it."""

    title: ClassVar[str] = "k-means"
    code_rule: ClassVar[str] = "the nearest centroid, or matching pursuit among centroids"
    published_start: ClassVar[str] = "kmeans++"

    kind: Literal["kmeans"] = "kmeans"
    memory: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of what earlier batches said that is kept when one more is read. 0: an iteration sees its batch alone."""
    spherical: bool = False
    """Whether tokens and centroids are directions: the nearest is that of the largest cosine, and centroids have one
    length."""
    codes_by: Literal["nearest", "pursuit"] = "nearest"
    """`nearest`: a token has its nearest centroid, with code 1, or `spherical` with its projection if it is positive;
    `pursuit`: k rounds of matching pursuit among the centroids' directions. Centroids are the same either way."""
    k: PositiveInt = 1
    """The most active atoms per token; more than 1 with `pursuit` only."""

    @model_validator(mode="after")
    def _k_fits(self) -> "KMeans":
        check_k(self.k, self.n_atoms)
        if self.k > 1 and self.codes_by == "nearest":
            raise ValueError(f"k = {self.k}: the nearest centroid is one; leave k out, or set codes_by = 'pursuit'")
        return self

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms d_model"]:
        """As they are, or of length 1."""
        return unit_rows(atoms) if self.spherical else atoms

    def statistics(self, atoms: Float[Tensor, "runs atoms d_model"]) -> State:
        """Tokens that each centroid had, and of directions their sums."""
        return {"sums": torch.zeros_like(atoms)} if self.spherical else {"counts": torch.zeros_like(atoms[..., 0])}

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Labels of the batch, then the centroids' new places, in place."""
        del schedule  # an iteration has no rate
        u, atoms = x / state["scale"].view(-1, 1, 1), state["atoms"]
        v, labels = unit_rows(u) if self.spherical else u, self._labels(u, atoms)
        loss = (v - _rows_of(atoms, labels)).square().mean((1, 2))
        fired = (self._codes(u, atoms, labels) != 0).any(1)
        sums = _sums(v, labels, self.n_atoms)
        counts = torch.zeros_like(sums[..., 0]).scatter_add_(1, labels, torch.ones_like(v[..., 0]))
        move = self._turn if self.spherical else self._shift
        move(state, sums, counts)
        return BatchOutcome(loss=loss, fired=fired)

    def codes(
        self, u: Float[Tensor, "runs batch d_model"], atoms: Float[Tensor, "runs atoms d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """As `codes_by` says."""
        return self._codes(u, atoms, self._labels(u, atoms))

    def _codes(self, u: Tensor, atoms: Tensor, labels: Tensor) -> Float[Tensor, "runs batch atoms"]:
        norms = atoms.norm(dim=-1)
        if self.codes_by == "pursuit":
            codes, _ = kernels.pursue(u, unit_rows(atoms), k=self.k)
            return kernels.densify(codes, n_atoms=self.n_atoms) / norms.where(norms > 0, 1.0).unsqueeze(1)
        values = torch.ones_like(u[..., 0])
        if self.spherical:
            nearest = _rows_of(atoms, labels)
            values = (u * nearest).sum(-1).clamp(min=0) / nearest.square().sum(-1).clamp(min=torch.finfo(u.dtype).tiny)
        return u.new_zeros(*u.shape[:2], self.n_atoms).scatter_(-1, labels.unsqueeze(-1), values.unsqueeze(-1))

    def _labels(self, u: Tensor, atoms: Tensor) -> Int[Tensor, "runs batch"]:
        """The nearest centroid: that of the largest v . c - ||c||^2 / 2; of directions, of the largest product."""
        if self.spherical:
            return kernels.nearest(unit_rows(u), unit_rows(atoms), bias=torch.zeros_like(atoms[..., 0])).labels
        return kernels.nearest(u, atoms, bias=atoms.square().sum(-1) / -2).labels

    def _shift(self, state: State, sums: Tensor, counts: Tensor) -> None:
        """The mean of what each centroid had and has."""
        state["counts"].mul_(self.memory).add_(counts)
        away = sums - counts.unsqueeze(-1) * state["atoms"]
        state["atoms"] += away / state["counts"].where(counts > 0, 1.0).unsqueeze(-1)

    def _turn(self, state: State, sums: Tensor, counts: Tensor) -> None:
        """The direction of the sum of what each centroid had and has."""
        state["sums"].mul_(self.memory).add_(sums)
        turned = (counts > 0).unsqueeze(-1) & (state["sums"] != 0).any(-1, keepdim=True)
        state["atoms"].copy_(unit_rows(state["sums"]).where(turned, state["atoms"]))


def _rows_of(atoms: Tensor, labels: Tensor) -> Float[Tensor, "runs batch d_model"]:
    return atoms.gather(1, labels.unsqueeze(-1).expand(*labels.shape, atoms.shape[2]))


def _sums(rows: Tensor, labels: Tensor, n_atoms: int) -> Float[Tensor, "runs atoms d_model"]:
    """The sum of the rows of each label, in a fixed order."""
    ones = torch.ones_like(rows[..., :1])
    return kernels.row_gradients(kernels.Codes(ones, labels.unsqueeze(-1)), ones, rows, n_atoms=n_atoms)
