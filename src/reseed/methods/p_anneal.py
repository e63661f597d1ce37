"""ReLU with p-annealing: a sparse autoencoder whose penalty is on ever smaller powers of its codes.

    codes        z = relu(E u + b_enc)                                           (docs/mathematics.md, eq. 2)
    dictionary   D, unit atoms                                                   (eq. 4)
    loss         mean((u - z D)^2) + l1 f (sum of a token's z^p) / sqrt(d_model)
    p            from 1 towards p_end, in steps of one size and length; f is 1 at the start, and where p becomes q
                 f <- f (sum of z^p) / (sum of z^q), over the batches just before (eq. 140)

Source: @karvonen2024measuring. The order of events is that of dictionary_learning 0.1.0 with `sparsity_function =
"Lp^p"`, the paper's penalty: the last batch with a p counts for f, and p_end itself, which would come after the last
update, is not used. Published losses sum over dimensions: their factor of the penalty is l1 sqrt(d_model).

What that library does otherwise:

    its defaults    the norm (sum of z^p)^(1/p) as the penalty, and p_end = 0, where a slope is infinite: not here
    its queue       where p keeps a value for fewer batches than it holds, older ones count with powers of their own:
                    not here
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from reseed import kernels
from reseed.methods._autoencoder import inputs, outcome, penalty_per_code
from reseed.methods._base import BatchOutcome, Schedule, StartPoint, State
from reseed.methods._free import FreeAtoms

__all__ = ["PAnneal"]


class PAnneal(FreeAtoms):
    """Sparse autoencoder with unit atoms and a penalty on powers of its codes, whose exponent falls from 1.

    The state has `p`, `penalty_factor`, and `penalties`: the sums of eq. 140 with this p and the next, so far.
    """

    title: ClassVar[str] = "ReLU with p-annealing"
    penalty: ClassVar[str | None] = "l1"

    kind: Literal["p-anneal"] = "p-anneal"
    learning_rate: PositiveFloat = 1e-3
    l1: NonNegativeFloat = 0.1
    """Penalty while p is 1: l1 (sum of a token's codes) / sqrt(d_model), in the method's units; later it is on codes^p,
    times a factor that keeps it as large where p changes."""
    p_end: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """What p falls towards: it would be reached after the last update."""
    p_values: Annotated[int, Field(ge=2, le=10_000_000)] = 10
    """How many values p has on the line from 1 to p_end, both included."""
    p_batches: Annotated[PositiveInt, Field(le=10_000_000)] = 10
    """Batches before a change of p by which the factor of the penalty is set."""
    anneal_from: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the updates after which p begins to fall."""

    @property
    def unit(self) -> bool:
        """Always: with free atoms, long ones and small codes would make any penalty cheap."""
        return True

    @property
    def most_active(self) -> int:
        """All of them."""
        return self.n_atoms

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """A plain L1 penalty."""
        del point
        ones = torch.ones_like(state["scale"])
        return {"p": ones, "penalty_factor": ones.clone(), "penalties": ones.new_zeros(len(ones), 2)}

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes that are not negative, as many as there are."""
        return kernels.encode_relu(x, parameters["encoder"], parameters["encoder_bias"])

    def p_at(self, step: int, n_steps: int) -> float:
        """The power of the codes in the update after so many."""
        return 1 - (1 - self.p_end) * (self._value_at(step, n_steps) - 1) / (self.p_values - 1)

    def next_change(self, step: int, n_steps: int) -> int:
        """The first step after this one that has another p, in a training of any length."""
        first = self._first_fall(n_steps)
        return first + self._value_at(step, n_steps) * (n_steps - first) // (self.p_values - 1) + 1

    def _value_at(self, step: int, n_steps: int) -> int:
        """Which of its values p has, from 1 on."""
        first = self._first_fall(n_steps)
        return max(1, -((self.p_values - 1) * (first - step) // (n_steps - first)))  # rounded up

    def _first_fall(self, n_steps: int) -> int:
        return min(round(self.anneal_from * n_steps), n_steps - 1)

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """One step of Adam, in place, with the p of this step and the factor that belongs to it."""
        self._set_p(state, schedule)
        self._note_penalties(state, x, schedule)
        return super().update(state, x, schedule)

    def _set_p(self, state: State, schedule: Schedule) -> None:
        """Where p changes, the factor as well (eq. 140)."""
        p = self.p_at(schedule.step, schedule.n_steps)
        if p != self.p_at(schedule.step - 1, schedule.n_steps):
            before, after = state["penalties"].unbind(1)
            state["penalty_factor"].mul_((before / after).where(after > 0, 1.0))
            state["penalties"].zero_()
        state["p"].fill_(p)

    def _note_penalties(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> None:
        """What this batch pays before the update, and would pay with the next p, where that is near."""
        step, n_steps = schedule.step, schedule.n_steps
        change = self.next_change(step, n_steps)
        if change <= step + self.p_batches and change < n_steps:
            codes = kernels.encode_relu(inputs(state, x), state["encoder"], state["encoder_bias"])
            powers = (self.p_at(step, n_steps), self.p_at(change, n_steps))
            state["penalties"].add_(torch.stack([codes.pow(power).sum((1, 2)) for power in powers], 1))

    def through_codes(
        self,
        state: Mapping[str, Tensor],
        u: Float[Tensor, "runs batch d_model"],
        dictionary: Float[Tensor, "runs atoms d_model"],
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Through positive codes only: those of the squared error, and beside them those of the penalty."""
        codes = kernels.compress(kernels.encode_relu(u, state["encoder"], state["encoder_bias"]))
        passed = kernels.codes_pass(codes, u, state["encoder"], dictionary)
        factor = penalty_per_code(u, self.l1) * state["penalty_factor"]
        p = state["p"].view(-1, 1, 1)
        # the slope of z^p has no limit at 0, where relu stops it
        slopes = (p * codes.values.pow(p - 1)).masked_fill_(codes.values == 0, 0.0) * factor.view(-1, 1, 1)
        for_encoder = kernels.row_gradients(codes, slopes, u, n_atoms=self.n_atoms)
        ones = slopes.new_ones(*slopes.shape[:2], 1)
        for_bias = kernels.row_gradients(codes, slopes, ones, n_atoms=self.n_atoms).squeeze(-1)
        gradients = kernels.Gradients(
            dictionary=passed.gradients.dictionary,
            encoder=passed.gradients.encoder + for_encoder,
            encoder_bias=passed.gradients.encoder_bias + for_bias,
            decoder_bias=passed.gradients.decoder_bias - torch.einsum("ra,rad->rd", for_bias, state["encoder"]),
        )
        error, penalty = outcome(passed), factor * codes.values.pow(p).sum((1, 2))
        return gradients._asdict(), BatchOutcome(loss=error.loss + penalty, fired=error.fired)

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """`p`, and `penalty_factor`: what its changes have made of l1."""
        return {"p": state["p"].clone(), "penalty_factor": state["penalty_factor"].clone()}
