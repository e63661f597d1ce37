"""Gated: a sparse autoencoder that decides apart whether an atom is active, and how much.

    gates        a = relu(E u + b_gate)                                                (docs/mathematics.md, eq. 114)
    codes        z_i = relu(exp(r_i) (E u)_i + b_mag,i) where a_i > 0
    dictionary   D, unit atoms                                                         (eq. 4)
    loss         mean((u - z D)^2) + l1 (sum of a token's a) / sqrt(d_model) + mean((u - a D)^2), whose last term counts
                 D and the decoder's bias as fixed, by default                         (eq. 115)

Source: @rajamanoharan2024gated. Published losses sum over dimensions: their factor of the penalty is l1 sqrt(d_model).
The state has b_gate as `encoder_bias`, r as `log_gain`, and b_mag as `magnitude_bias`. A snapshot has in place of the
last `magnitude_offset`, with which codes are relu(exp(r) (E x + encoder_bias) + magnitude_offset).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from reseed import kernels
from reseed.methods._autoencoder import outcome, penalty_per_code
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State
from reseed.methods._free import FreeAtoms

__all__ = ["Gated"]


class Gated(FreeAtoms):
    """Sparse autoencoder with unit atoms whose gates pay an L1 penalty, and whose codes do not."""

    title: ClassVar[str] = "Gated"
    penalty: ClassVar[str | None] = "l1"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder", "encoder_bias", "log_gain", "magnitude_offset")

    kind: Literal["gated"] = "gated"
    learning_rate: PositiveFloat = 1e-3
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Adam's memory of gradients, as published for this method: 0, none."""
    l1: NonNegativeFloat = 0.1
    """Penalty: l1 (sum of a token's open gates) / sqrt(d_model), in the method's units."""
    gates_teach: Literal["encoder", "both"] = "encoder"
    """What the gates' own reconstruction teaches: the `encoder` (paper), or the decoder as well (`both`, SAELens)."""

    @property
    def unit(self) -> bool:
        """Always: with free atoms, long ones and small gates would make any penalty cheap."""
        return True

    @property
    def most_active(self) -> int:
        """All of them."""
        return self.n_atoms

    @property
    def also_trained(self) -> tuple[str, ...]:
        """The gain, and the bias behind the gate where there are biases."""
        return ("log_gain", "magnitude_bias") if self.encoder_bias else ("log_gain",)

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """Gains of 1 and biases of 0: codes are their gates."""
        del point
        return {name: torch.zeros_like(state["encoder_bias"]) for name in ("log_gain", "magnitude_bias")}

    def restart(self, state: State, dead: Bool[Tensor, "runs atoms"]) -> tuple[str, ...]:
        """The same again for some atoms."""
        for name in ("log_gain", "magnitude_bias"):
            state[name].masked_fill_(dead, 0.0)
        return ("log_gain", "magnitude_bias")

    def beside(self, state: Mapping[str, Tensor]) -> Parameters:
        """`log_gain`, and `magnitude_offset` in the units of the activations."""
        offset = state["magnitude_bias"] - state["log_gain"].exp() * state["encoder_bias"]
        return {"log_gain": state["log_gain"].clone(), "magnitude_offset": offset * state["scale"].unsqueeze(1)}

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes that are not negative, as many as there are open gates at the most."""
        names = ("encoder", "encoder_bias", "log_gain", "magnitude_offset")
        return kernels.encode_gated(x, *(parameters[name] for name in names))

    def through_codes(
        self,
        state: Mapping[str, Tensor],
        u: Float[Tensor, "runs batch d_model"],
        dictionary: Float[Tensor, "runs atoms d_model"],
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Through open gates; dense while many are open."""
        penalty = penalty_per_code(u, self.l1)
        behind = {name: state[name] for name in ("log_gain", "magnitude_bias")}
        weights = (state["encoder"], state["encoder_bias"], dictionary)
        found = kernels.gated_pass(u, *weights, **behind, penalty=penalty, teach_decoder=self.gates_teach == "both")
        error = outcome(found.passed)
        loss = error.loss + found.gate_residual.square().mean((1, 2)) + penalty * found.gate_sum
        own = {"log_gain": found.log_gain, "magnitude_bias": found.magnitude_bias}
        return found.passed.gradients._asdict() | own, BatchOutcome(loss=loss, fired=error.fired)
