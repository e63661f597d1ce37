"""Learners that alternate, and whose atoms are mixtures of fixed points.

    codes        z of u in the dictionary D as it is: weights of atoms, for a token
    statistics   A, B                                                           (docs/mathematics.md, eq. 145)
    dictionary   D = W P; row after row of W becomes what fits better while all others stay               (eq. 167)

For one row the error is A_ii / 2 ||t_i - w_i P||^2 and a constant, t_i = d_i + (B_i - A_i D) / A_ii: the problem of the
codes once more, with one token t_i and the points as atoms. So no row makes the error larger, whatever weights obey. An
atom that no token uses stays where it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reseed._support.products import product
from reseed.errors import SpecError
from reseed.methods._alternating import Alternating
from reseed.methods._base import Parameters, StartPoint, State

__all__ = ["Mixtures"]

_MOST_POINTS = 2**14  # whose products with one another are a gigabyte


class Mixtures(Alternating, ABC):
    """A learner of the form above; its leaves say what weights obey, of atoms and of points.

    The state has `points` (P) and `weights` (W) as well, and atoms are their product.
    """

    mixes_points: ClassVar[bool] = True
    points_per_atom: ClassVar[int] = 4

    memory: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of what earlier batches said that is kept when one more is read. 0: an iteration sees its batch alone."""

    @abstractmethod
    def best_codes(
        self, products: Float[Tensor, "runs batch atoms"], gram: Float[Tensor, "runs atoms atoms"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes of tokens, from their products with atoms and those of atoms with one another."""

    @abstractmethod
    def better_weights(
        self,
        products: Float[Tensor, "runs 1 points"],
        gram: Float[Tensor, "runs points points"],
        weights: Float[Tensor, "runs 1 points"],
    ) -> Float[Tensor, "runs 1 points"]:
        """Weights with which points fit a target better than with those given, or best, from the same products."""

    def origin(self, rows: Float[Tensor, "runs rows d_model"]) -> Float[Tensor, "runs 1 d_model"]:
        """What may be taken off tokens and rows alike, so that products are small and exact: nothing by default."""
        return torch.zeros_like(rows[:, :1])

    def lengths(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms"]:
        """What atoms are divided by, and their codes multiplied with: 1 by default."""
        return torch.ones_like(atoms[..., 0])

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's points and weights, and the atoms that they make.

        Raises:
            SpecError: a start without points, with more than there is room for, or with nothing to be learnt.
        """
        if point.points is None or point.weights is None:
            raise SpecError(f"{self.kind} mixes points, and this start has none: use a start that is made from points")
        self._check(point.weights)
        state = super().initialise(point, rolled_encoder)
        points, weights = point.points.float().unsqueeze(0) / state["scale"], point.weights.float().unsqueeze(0)
        lengths = self.lengths(weights @ points)
        weights = weights / lengths.where(lengths > 0, 1.0).unsqueeze(-1)
        return state | {"points": points, "weights": weights, "atoms": weights @ points}

    def _check(self, weights: Float[Tensor, "atoms points"]) -> None:
        n_points = weights.shape[1]
        if n_points > _MOST_POINTS:
            raise SpecError(
                f"{self.kind} needs the products of all points with one another: use n_points of {_MOST_POINTS:,} at "
                f"most, not {n_points:,}"
            )
        if n_points <= self.n_atoms and (weights.amax(1) == weights.sum(1)).all():
            raise SpecError(
                f"{self.kind}: all of {n_points:,} points are atoms at the start, and no mixtures fit better: "
                f"use n_points above n_atoms (left out, it is {self.points_per_atom} for each), or dirichlet weights"
            )

    def codes(
        self, u: Float[Tensor, "runs batch d_model"], atoms: Float[Tensor, "runs atoms d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """The weights of atoms that fit each token best."""
        origin = self.origin(atoms)
        around = atoms - origin
        return self.best_codes(product(u - origin, around.mT), product(around, around.mT))

    def fit(self, state: State) -> None:
        """One row of W after the other, in place; the statistics are then those of codes of the new atoms (eq. 168)."""
        origin = self.origin(state["points"])
        points, atoms, weights = state["points"] - origin, state["atoms"], state["weights"]
        among, sums, gram = state["products"], state["sums"], product(points, points.mT)
        for i in range(self.n_atoms):
            square = among[:, i, i].unsqueeze(-1)
            used = square > 0
            left = sums[:, i] - (among[:, i : i + 1] @ atoms).squeeze(1)
            target = atoms[:, i] + left / square.where(used, 1.0) - origin.squeeze(1)
            found = self.better_weights(target.unsqueeze(1) @ points.mT, gram, weights[:, i : i + 1])
            atom = found @ state["points"]
            length = self.lengths(atom)
            kept, divisor = used & (length > 0), length.where(length > 0, 1.0)
            weights[:, i] = (found.squeeze(1) / divisor).where(kept, weights[:, i])
            atoms[:, i] = (atom.squeeze(1) / divisor).where(kept, atoms[:, i])
            grown = length.where(used, 1.0)
            for statistic in (among[:, i], among[:, :, i], sums[:, i]):
                statistic.mul_(grown)

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """Those of any learner that alternates, and `weights` of the points in the units of the activations."""
        return {**super().parameters(state), "weights": state["weights"].clone()}

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """How the mixtures look (eq. 8): `frozen_rows`, those of one point alone, and `weight_entropy` in nats."""
        shares = state["weights"] / state["weights"].sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        return {
            "frozen_rows": (shares.amax(-1) >= 1 - 1e-6).float().mean(1),
            "weight_entropy": torch.special.entr(shares).sum(-1).mean(1),
        }
