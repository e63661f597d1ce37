"""K-SVD: atom after atom, the direction and the codes that fit best what all other atoms leave of its tokens.

    codes        orthogonal matching pursuit                              (docs/mathematics.md, eq. 151)
    for each i   E = u - (z D without atom i), over the tokens with z_i != 0;  g = their z_i
                 d_i <- E' g / ||E' g||,  g <- E d_i, so often            (eq. 154)
    loss         mean((u - z D)^2)

Source: @aharon2006ksvd, where (d_i, g) is the singular vector of E of the largest singular value, at which alternations
end; a single one is the approximate form of @rubinstein2008efficient. With codes that are never negative g is
max(E d_i, 0). A step is an iteration on its batch and remembers no other. An atom that no token uses stays where it is.
"""

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor

from reseed._support.settings import AtMost
from reseed.methods._base import BatchOutcome, Schedule, State
from reseed.methods._orthogonal import OrthogonalCodes

__all__ = ["KSVD"]


class KSVD(OrthogonalCodes):
    """Sparse codes by orthogonal matching pursuit; atoms are fitted one by one, together with their codes."""

    title: ClassVar[str] = "K-SVD"
    published_start: ClassVar[str] = "data"

    kind: Literal["ksvd"] = "ksvd"
    alternations: Annotated[PositiveInt, AtMost(10_000, lambda n: f"atoms have settled long before {n:,} of them")] = 1
    """How often an atom and its codes are fitted to each other in a step. 1: the approximate form; 20 or more: the
    published one, a singular vector."""

    def statistics(self, atoms: Float[Tensor, "runs atoms d_model"]) -> State:
        """None."""
        del atoms
        return {}

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Codes of the batch, then every atom, in place."""
        del schedule
        u = x / state["scale"].view(-1, 1, 1)
        z = self.codes(u, state["atoms"])
        left = u - z @ state["atoms"]
        outcome = BatchOutcome(loss=left.square().mean((1, 2)), fired=(z != 0).any(1))
        for run in zip(state["atoms"], z.mT, left, strict=True):
            self._fit(*run)
        return outcome

    def _fit(
        self,
        atoms: Float[Tensor, "atoms d_model"],
        codes: Float[Tensor, "atoms batch"],
        left: Float[Tensor, "batch d_model"],
    ) -> None:
        """Fit every atom to what the others, those before it already fitted, leave of its tokens, in place."""
        atom, token = codes.nonzero(as_tuple=True)
        tokens_of = token.split(torch.bincount(atom, minlength=len(atoms)).tolist())
        for direction, of_all, tokens in zip(atoms, codes, tokens_of, strict=True):
            if len(tokens) == 0:
                continue
            g = of_all[tokens]
            without = left[tokens].addr_(g, direction)
            for _ in range(self.alternations):
                pull = g @ without
                if not pull.any():
                    break
                torch.div(pull, pull.norm(), out=direction)
                g = without @ direction
                g = g.clamp(min=0.0) if self.positive else g
            left[tokens] = without.addr_(g, direction, alpha=-1)
