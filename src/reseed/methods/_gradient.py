"""Methods that learn by gradients: one optimiser, one schedule, one way to forget dead atoms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed._support.settings import NEUTRAL
from reseed.dice import Die
from reseed.methods import _adam
from reseed.methods._base import BatchOutcome, Method, Resamples, Schedule, StartPoint, State

__all__ = ["GradientMethod"]


class GradientMethod(Method, ABC):
    """A method whose update is a step of Adam along gradients of its own, and a projection after it.

    Its leaves say where they begin, what they train, the gradients and the constraints. A leaf that can replace dead
    atoms has a method `resample` as well, and zeroes the moments that belonged to them.
    """

    learning_rate: PositiveFloat
    """Peak rate of Adam."""
    beta1: Annotated[float, Field(ge=0, lt=1), NEUTRAL] = _adam.BETA1
    """Adam's memory of gradients: its running mean of them keeps this share at each step."""
    resample_every: PositiveInt | None = Field(default=None, le=10_000_000)
    """Steps between replacements of dead atoms by activations; None: never."""

    @model_validator(mode="after")
    def _can_resample(self) -> "GradientMethod":
        if self.resample_every is not None and not isinstance(self, Resamples):
            raise ValueError(f"resample_every is not allowed: {self.kind} has no way to replace dead atoms")
        return self

    @property
    @abstractmethod
    def trained(self) -> tuple[str, ...]:
        """Names of the entries that Adam updates."""

    @abstractmethod
    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1, without moments."""

    @abstractmethod
    def project(self, state: State) -> None:
        """Put the constraints back, in place."""

    @abstractmethod
    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Exact gradients of the loss for the `trained` entries, and the batch's outcome.

        The next call from the same thread may write over them.
        """

    def follow(self, state: State, schedule: Schedule) -> None:
        """Note in the state what the loss takes from the schedule, in place: nothing by default."""

    def observe(self, state: State, outcome: BatchOutcome) -> None:
        """Keep what a batch says of the state beside its gradients, in place, after the update: nothing by default."""

    @property
    def dice(self) -> frozenset[Die]:
        """The order of the data, and which rows replace dead atoms where some do."""
        own: set[Die] = {"resample"} if self.resample_every is not None else set()
        return super().dice | own

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """The first state, projected, and moments of zero."""
        first = self.first_state(point, rolled_encoder).items()
        state = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in first}
        del first  # what is trained is in memory of its own, row after row: the start's may be a view
        self.project(state)
        return state | _adam.moments(state, self.trained)

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """One step of Adam, in place. The projection is outside the gradient, and the moments do not notice it."""
        self.follow(state, schedule)
        gradients, outcome = self.gradients(state, x)
        rate = _adam.learning_rate_at(schedule, self.learning_rate)
        _adam.update(state, gradients, step=schedule.step, learning_rate=rate, beta1=self.beta1)
        self.project(state)
        self.observe(state, outcome)
        return outcome
