"""Codes that jump: an atom is active where its pre-activation is above a threshold of its own, and then as strong.

    codes        z_i = p_i where p_i > theta_i, with p = E u + b_enc, theta >= 0     (docs/mathematics.md, eq. 110)
    loss         mean((u - z D)^2) + l0 A / d_model,  A = active atoms per token, on average             (eq. 111)
                 or mean((u - z D)^2) + l0 T (A / T - 1)^2 / d_model for a target T                      (eq. 112)
    thresholds   straight-through gradients, from the tokens with |p_i - theta_i| < bandwidth / 2        (eq. 113)

Source: @rajamanoharan2024jumprelu. All else has its exact gradient, and the encoder has none from the penalty. A
published loss sums over dimensions: its factor of the penalty is l0 in eq. 111, and l0 T in eq. 112, for activations in
the method's units. Published thresholds and bandwidths, such as .001, are for activations of norm 1: ours are
sqrt(d_model) times as large.

What installed peers do otherwise:

    dictionary_learning 0.1.0   the penalty sees codes, not pre-activations, and so only the upper half of a band
                                (`band = "above"`); where theta < bandwidth / 2 it takes an inactive code, which is 0,
                                for one in the band: not here, since it pushes such a threshold up whatever its tokens
    SAELens 6.54                (A_t / T - 1)^2 for each token instead of their mean: not here
    overcomplete 0.3.0          divides by the bandwidth twice: not here, it is a factor that Adam does not see
"""

import math
from abc import ABC
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods._autoencoder import CodedAutoencoder, outcome
from reseed.methods._base import BatchOutcome, Parameters, Schedule, StartPoint, State

__all__ = ["JumpCodes"]


class JumpCodes(CodedAutoencoder, ABC):
    """Codes with a threshold for each atom and a price for each active atom; its leaves say what the dictionary is.

    The state has `threshold` as it is trained, a value or a logarithm, and `penalty_share`, how far the penalty has
    risen.
    """

    penalty: ClassVar[str | None] = "l0"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder", "encoder_bias", "threshold")

    l0: NonNegativeFloat = 1.0
    """What an active atom costs: the loss is mean squared error + l0 (active atoms per token) / d_model."""
    target_l0: PositiveFloat | None = None
    """Active atoms per token to aim at: the penalty is l0 target_l0 (active / target_l0 - 1)^2 / d_model instead."""
    l0_warmup: NonNegativeInt = Field(default=0, le=10_000_000)
    """Steps over which the penalty rises from 0."""
    threshold_start: PositiveFloat = 0.1
    """Thresholds at step 0, in the method's units; above all pre-activations they leave atoms dead."""
    threshold_as: Literal["value", "logarithm"] = "value"
    """What of a threshold Adam updates: its `value`, kept at 0 or above, or its `logarithm`."""
    bandwidth: PositiveFloat = 0.1
    """Width of the band around a threshold, in the method's units, in which pre-activations move it."""
    band: Literal["both", "above"] = "both"
    """Which of the band pay for an active atom: `both` halves (paper), or those `above` the threshold."""

    @model_validator(mode="after")
    def _target_fits(self) -> "JumpCodes":
        if self.target_l0 is not None and self.target_l0 > self.n_atoms:
            given = f"target_l0 = {self.target_l0:g} active atoms of n_atoms = {self.n_atoms}"
            raise ValueError(f"{given}: target_l0 must be at most n_atoms")
        return self

    @property
    def most_active(self) -> int:
        """All of them."""
        return self.n_atoms

    @property
    def also_trained(self) -> tuple[str, ...]:
        """The thresholds."""
        return ("threshold",)

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """Thresholds at their start, and the penalty's share."""
        del point
        return {
            "threshold": torch.full_like(state["encoder_bias"], self._first_threshold),
            "penalty_share": torch.full_like(state["scale"], float(self.l0_warmup == 0)),
        }

    def restart(self, state: State, dead: Bool[Tensor, "runs atoms"]) -> tuple[str, ...]:
        """Thresholds of some atoms, at their start again."""
        state["threshold"].masked_fill_(dead, self._first_threshold)
        return ("threshold",)

    @property
    def _first_threshold(self) -> float:
        """As it is trained."""
        return self.threshold_start if self.threshold_as == "value" else math.log(self.threshold_start)

    def follow(self, state: State, schedule: Schedule) -> None:
        """How far the penalty has risen."""
        if self.l0_warmup:
            state["penalty_share"].fill_(min(1.0, schedule.step / self.l0_warmup))

    def project_codes(self, state: State) -> None:
        """Put back thresholds that have become negative to 0, in place."""
        if self.threshold_as == "value":
            state["threshold"].clamp_(min=0.0)

    def thresholds(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms"]:
        """As codes see them, in the method's units."""
        threshold = state["threshold"]
        return threshold if self.threshold_as == "value" else threshold.exp()

    def beside(self, state: Mapping[str, Tensor]) -> Parameters:
        """`threshold`, in the units of the activations, and what the dictionary has."""
        return super().beside(state) | {"threshold": self.thresholds(state) * state["scale"].unsqueeze(1)}

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes that are 0 or above their thresholds, as many as there are."""
        weights = (parameters["encoder"], parameters["encoder_bias"], parameters["threshold"])
        return kernels.encode_jump(x, *weights)

    def through_codes(
        self,
        state: Mapping[str, Tensor],
        u: Float[Tensor, "runs batch d_model"],
        dictionary: Float[Tensor, "runs atoms d_model"],
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Through active atoms, and for thresholds through the bands; dense while many atoms are active."""
        threshold = self.thresholds(state)
        weights = (state["encoder"], state["encoder_bias"], dictionary)
        passed, pull, below, above = kernels.jump_pass(u, *weights, threshold=threshold, bandwidth=self.bandwidth)
        penalty, price = self.penalty_of(state, passed.n_active.to(u.dtype) / u.shape[1], d_model=u.shape[2])
        paying = above if self.band == "above" else above + below
        per_place = (price / u.shape[1]).unsqueeze(1)
        for_threshold = -(threshold * pull + per_place * paying) / self.bandwidth
        if self.threshold_as == "logarithm":
            for_threshold = for_threshold * threshold
        error = outcome(passed)
        every = passed.gradients._asdict() | {"threshold": for_threshold}
        return every, BatchOutcome(loss=error.loss + penalty, fired=error.fired)

    def penalty_of(
        self, state: Mapping[str, Tensor], active: Float[Tensor, " runs"], *, d_model: int
    ) -> tuple[Float[Tensor, " runs"], Float[Tensor, " runs"]]:
        """What so many active atoms per token add to the loss, and the derivative of that."""
        factor = self.l0 * state["penalty_share"] / d_model
        if self.target_l0 is None:
            return factor * active, factor
        excess = active / self.target_l0 - 1
        return factor * self.target_l0 * excess.square(), 2 * factor * excess

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """`threshold`: the mean threshold, in the method's units; and what the dictionary has."""
        return super().diagnostics(state) | {"threshold": self.thresholds(state).mean(1)}
