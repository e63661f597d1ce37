"""Learners that alternate: the codes of a batch, and the dictionary that fits what batches have said so far.

    codes        z of u = x / scale, in the dictionary D as it is
    statistics   A <- memory A + z' z,  B <- memory B + z' u, summed over tokens     (docs/mathematics.md, eq. 145)
    dictionary   D that fits A and B under the method's constraints

A and B are all that a least-squares dictionary needs of the tokens behind it (@mairal2010online): what a run keeps does
not grow with what it has read. With `memory` 0 a step is an iteration of the method as published for a whole data set,
on the batch; with 1 every token read so far counts alike, by the code that it had when it was read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reseed.methods._autoencoder import unit_of
from reseed.methods._base import BatchOutcome, Method, Parameters, Schedule, StartPoint, State

__all__ = ["Alternating", "Iterating"]


class Iterating(Method, ABC):
    """A learner whose atoms are their own encoder: its leaves say how tokens are coded, and what an iteration does.

    The state has `atoms` in the method's units, `scale`, and the method's statistics of what it has read. There is no
    bias: what is to be centred is centred by preprocessing.
    """

    per_atom: ClassVar[tuple[str, ...]] = ("atoms",)
    for_all_atoms: ClassVar[tuple[str, ...]] = ("decoder_bias", "scale")

    coded_in: ClassVar[str] = "atoms"
    """The parameter, with a row per atom, that tokens are coded in."""

    @abstractmethod
    def codes(
        self, u: Float[Tensor, "runs batch columns"], atoms: Float[Tensor, "runs atoms columns"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """The codes of activations in the method's units, dense."""

    @abstractmethod
    def statistics(self, atoms: Float[Tensor, "runs atoms columns"]) -> State:
        """What the state has beside atoms and scale, of no token."""

    def seen(self, u: Float[Tensor, "runs batch d_model"]) -> Float[Tensor, "runs batch columns"]:
        """What codes and statistics see of activations in the method's units: themselves by default."""
        return u

    def written(self, atoms: Float[Tensor, "runs atoms columns"]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms among activations, where tokens are coded in something else: as they are by default."""
        return atoms

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms columns"]:
        """The start's atoms as the method may have them: as they are by default."""
        return atoms

    def check(self, point: StartPoint) -> None:
        """Raise SpecError where activations are none that the method can have: by default it can have any."""
        del point

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's atoms, and statistics of no token; SpecError for activations that the method cannot have."""
        del rolled_encoder  # there is no encoder
        self.check(point)
        scale = unit_of(point, rescale=True)
        atoms = self.constrained(point.atoms.float().unsqueeze(0) / scale).clone(memory_format=torch.contiguous_format)
        return {"atoms": atoms, "scale": torch.tensor([scale]), **self.statistics(atoms)}

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """`atoms` in the units of the activations, their own `encoder`, no bias, and `scale`."""
        columns = state["atoms"] * state["scale"].view(-1, 1, 1)
        atoms = self.written(columns)
        biases = {"encoder_bias": atoms.new_zeros(atoms.shape[:2]), "decoder_bias": torch.zeros_like(atoms[:, 0])}
        return {
            self.coded_in: columns,
            "atoms": atoms,
            "encoder": atoms.clone(),
            **biases,
            "scale": state["scale"].clone(),
        }

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """The codes as in training: activations and atoms are divided by the scale, which leaves codes as they are."""
        scale = parameters["scale"].view(-1, 1, 1)
        return self.codes(self.seen(x / scale), parameters[self.coded_in] / scale)


class Alternating(Iterating, ABC):
    """A learner of the form above: its leaves say how tokens are coded, and which dictionary fits.

    The statistics of its state are `products` (A) and `sums` (B).
    """

    memory: Annotated[float, Field(ge=0, le=1)]
    """Share of what earlier batches said that is kept when one more is read. 0: an iteration sees its batch alone."""

    def code_penalty(self, z: Float[Tensor, "runs batch atoms"], d_model: int) -> Float[Tensor, " runs"]:
        """What the loss adds for codes: nothing by default."""
        del d_model
        return z.new_zeros(len(z))

    def kept(self, schedule: Schedule, batch: int) -> float:
        """The share of A and B that is kept when a batch of so many tokens is read: `memory` by default."""
        del schedule, batch
        return self.memory

    @abstractmethod
    def fit(self, state: State) -> None:
        """Put the dictionary in the place of `atoms` that fits the statistics, in place."""

    def statistics(self, atoms: Float[Tensor, "runs atoms columns"]) -> State:
        """A and B of no token."""
        runs, n_atoms, _ = atoms.shape
        return {"products": atoms.new_zeros(runs, n_atoms, n_atoms), "sums": torch.zeros_like(atoms)}

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Codes, statistics, dictionary, in place."""
        kept = self.kept(schedule, x.shape[1])
        u = self.seen(x / state["scale"].view(-1, 1, 1))
        z = self.codes(u, state["atoms"])
        error = (u - z @ state["atoms"]).square().sum((1, 2)) / x[0].numel()
        loss = error + self.code_penalty(z, x.shape[2])
        state["products"].mul_(kept).baddbmm_(z.mT, z)
        state["sums"].mul_(kept).baddbmm_(z.mT, u)
        self.fit(state)
        return BatchOutcome(loss=loss, fired=(z != 0).any(1))
