"""Random: a dictionary that never learns, the control of all that do.

    codes        orthogonal matching pursuit           (docs/mathematics.md, eq. 151)
    dictionary   that of the start, unit atoms

What its atoms explain, and what agreement its runs have, they have without training: a learner that does no better has
learnt codes and no dictionary (frozen decoders of @korznikov2026sanity).
"""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from reseed.methods._base import BatchOutcome, Schedule, State
from reseed.methods._orthogonal import OrthogonalCodes

__all__ = ["Random"]


class Random(OrthogonalCodes):
    """Atoms that stay where they start, and codes that fit."""

    title: ClassVar[str] = "Random dictionary"

    kind: Literal["random"] = "random"

    def statistics(self, atoms: Float[Tensor, "runs atoms d_model"]) -> State:
        """None."""
        del atoms
        return {}

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Codes of the batch; nothing else changes."""
        del schedule
        u = x / state["scale"].view(-1, 1, 1)
        z = self.codes(u, state["atoms"])
        return BatchOutcome(loss=(u - z @ state["atoms"]).square().mean((1, 2)), fired=(z != 0).any(1))
