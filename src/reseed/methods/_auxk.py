"""AuxK: dead atoms learn to say what the others leave of a token.

    dead    atoms that have not been active for `dead_after` tokens, this batch included
    codes   z' = relu(E u + b_enc) of dead atoms, the largest k' = d_model / 2 of them    (docs/mathematics.md, eq. 122)
    loss    beside that of the batch, with e = u - z D as it is:
            auxk min(1, dead atoms / k') mean((e - z' D)^2) / variance of e               (eq. 123)

Source: @gao2024scaling. The factor for few dead atoms is that of sparsify and SAELens; dictionary_learning has none.
"""

from abc import ABC
from collections.abc import Mapping
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from reseed import kernels
from reseed._support.settings import NEUTRAL
from reseed.methods._base import BatchOutcome, Schedule, StartPoint, State
from reseed.methods._free import FreeDictionary

__all__ = ["AuxK"]


class AuxK(FreeDictionary, ABC):
    """A free dictionary whose dead atoms may have a loss of their own.

    The state has `silent` then: for how many tokens an atom has not been active.
    """

    auxk: Annotated[NonNegativeFloat, NEUTRAL] = 0.0
    """Weight of the auxiliary loss, published as 1/32 = .03125; 0: none. A library whose loss sums over dimensions has
    d_model times this weight."""
    dead_after: Annotated[PositiveInt, NEUTRAL] = 10_000_000
    """Tokens without activity after which the auxiliary loss takes an atom for dead: 10 million, as published, is more
    than a short training has."""

    def mistake_for(self, tokens: int) -> str | None:
        """A run in which no atom can be dead."""
        if not self.auxk or self.dead_after < tokens:
            return None
        return (
            f"{tokens:,} in all, no atom is ever dead_after = {self.dead_after:,} of them, so that auxk does nothing: "
            f"set dead_after to a share of the tokens, such as {max(1, tokens // 10):,}, or leave out auxk"
        )

    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """Every atom was active just now."""
        state = super().first_state(point, rolled_encoder)
        return state | {"silent": torch.zeros(1, self.n_atoms, dtype=torch.int64)} if self.auxk else state

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """One step of Adam, in place, and who was silent."""
        outcome = super().update(state, x, schedule)
        if self.auxk:
            state["silent"].copy_(_silent(state, outcome.fired, tokens=x.shape[1]))
        return outcome

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> None:
        """Point dead atoms at activations, in place: they are not dead any more."""
        super().resample(state, dead, rows)
        if self.auxk:
            state["silent"].masked_fill_(dead, 0)

    def beside_loss(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], passed: kernels.Pass
    ) -> tuple[kernels.Gradients, Float[Tensor, " runs"]] | None:
        """The gradients of the auxiliary loss, and that loss; None where no atom of any run is dead."""
        if not self.auxk:
            return None
        dead = _silent(state, passed.fired, tokens=u.shape[1]) >= self.dead_after
        if not dead.any():
            return None
        error, most = -passed.residual, u.shape[2] // 2
        codes = _codes_of(dead, u, state["encoder"], state["encoder_bias"], most=most)
        auxiliary = kernels.codes_pass(codes, u, state["encoder"], state["atoms"], target=error)
        spread = (error - error.mean(1, keepdim=True)).square().mean((1, 2))
        weight = self.auxk * (dead.sum(1) / most).clamp(max=1.0) / spread
        weight = weight.where(spread > 0, 0.0)
        loss = weight * auxiliary.residual.square().mean((1, 2))
        return kernels.Gradients(*(_times(weight, part) for part in auxiliary.gradients)), loss


def _silent(state: Mapping[str, Tensor], fired: Bool[Tensor, "runs atoms"], *, tokens: int) -> Tensor:
    return (state["silent"] + tokens).masked_fill(fired, 0)


def _codes_of(
    dead: Bool[Tensor, "runs atoms"],
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    most: int,
) -> kernels.Codes:
    """The largest codes of dead atoms of each run; a run with fewer of them has empty places."""
    width = min(most, int(dead.sum(1).max()))
    codes = kernels.Codes(
        u.new_zeros(*u.shape[:2], width), torch.zeros(*u.shape[:2], width, dtype=torch.int64).to(u.device)
    )
    for run, which in enumerate(dead):
        atoms = which.nonzero().squeeze(1)
        if len(atoms):
            one = slice(run, run + 1)
            k = min(width, len(atoms))
            found = kernels.encode_topk(u[one], encoder[one, atoms], bias[one, atoms], k=k)
            codes.values[one, :, :k] = found.values
            codes.indices[one, :, :k] = atoms[found.indices]
    return codes


def _times(weight: Float[Tensor, " runs"], part: Tensor) -> Tensor:
    return part * weight.view(-1, *(1,) * (part.ndim - 1))
