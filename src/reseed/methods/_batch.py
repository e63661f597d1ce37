"""Codes of a whole batch: not k for each token but k times as many as there are tokens, wherever they are largest.

    codes in training     z = the k x batch largest of relu(E u + b_enc) of all tokens together   (eq. 100)
    codes of a snapshot   z = relu(E u + b_enc) where that is above theta, whatever the batch     (eq. 101)
    threshold             theta <- m theta + (1 - m) (the smallest code that a batch kept)        (eq. 102)

Source: @bussmann2024batchtopk. Equations are those of docs/mathematics.md. At step 0 theta is the smallest code that is
kept of the activations of the start. Published code differs in m, in when it begins to count and in what theta is until
then: SAELens 6.54 has m = .99 from 0 on, dictionary_learning 0.1.0 m = .999 from the first batch after step 1,000 on,
overcomplete 0.3.0 m = .9 from the first batch on, and there codes at theta count as well. Training does not see theta.
"""

from abc import ABC
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods._autoencoder import check_k, inputs
from reseed.methods._auxk import AuxK
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State

__all__ = ["BatchCodes"]


class BatchCodes(AuxK, ABC):
    """A free dictionary with codes of a whole batch; its leaves say which error they minimise.

    The state has `threshold`, one number per run, as well.
    """

    for_all_atoms: ClassVar[tuple[str, ...]] = ("decoder_bias", "threshold")

    learning_rate: PositiveFloat = 1e-3
    k: PositiveInt
    """Active atoms per token, on average over a batch."""
    threshold_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """How much of the threshold, above which an atom is active in evaluation, stays at each batch."""
    l1: NonNegativeFloat = 0.0
    norm: Literal["unit", "free"] = "unit"
    """`unit`: atoms are divided by their norm after each update; `free`: they keep the norm that training gave them."""

    @model_validator(mode="after")
    def _k_fits(self) -> "BatchCodes":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def unit(self) -> bool:
        """As `norm` says."""
        return self.norm == "unit"

    @property
    def most_active(self) -> int:
        """The setting `k`, on average."""
        return self.k

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """The threshold: the smallest code that is kept of the start's sample."""
        u = inputs(state, point.sample.unsqueeze(0))
        codes = kernels.encode_batchtopk(u, state["encoder"], state["encoder_bias"], k=self.k)
        return {"threshold": kernels.least(codes.values)}

    def observe(self, state: State, outcome: BatchOutcome) -> None:
        """Move the threshold towards the batch's smallest code, in place; a batch without codes leaves it."""
        if outcome.least is not None:
            threshold = state["threshold"]
            moved = threshold.lerp(outcome.least, 1 - self.threshold_momentum)
            threshold.copy_(moved.where(outcome.least > 0, threshold))

    def beside(self, state: Mapping[str, Tensor]) -> Parameters:
        """`threshold`."""
        return {"threshold": state["threshold"] * state["scale"]}

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes above the threshold: about k per token, if the activations are like those of training."""
        encoder, bias = parameters["encoder"], parameters["encoder_bias"]
        return kernels.encode_jump(x, encoder, bias, parameters["threshold"].unsqueeze(1).expand_as(bias))
