"""Free dictionaries: autoencoders that train their atoms themselves.

dictionary   D, with d_i <- d_i / ||d_i|| after each update where atoms are unit     (docs/mathematics.md, eq. 4)
gradient     g_i <- g_i - (g_i . d_i) d_i before it, unless parallel = "kept"
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat
from torch import Tensor

from reseed import kernels
from reseed.methods import _adam
from reseed.methods._autoencoder import Autoencoder, encoder_parts, inputs, outcome, penalty_per_code, unit_rows
from reseed.methods._base import BatchOutcome, StartPoint, State

__all__ = ["FreeDictionary", "replace_atoms"]


class FreeDictionary(Autoencoder, ABC):
    """An autoencoder whose state has `atoms`; its leaves say whether they are unit, and how a batch is encoded."""

    parallel: Literal["removed", "kept"] = "removed"
    """Whether unit atoms drop the part of their gradient that would only change their norm."""
    decoder_bias: bool = True
    """Whether a bias, the mean activation at the start, is trained; False: there is none."""
    l1: NonNegativeFloat
    """Penalty: the loss is mean squared error + l1 (sum of a token's codes) / sqrt(d_model), in the method's units."""

    @property
    @abstractmethod
    def unit(self) -> bool:
        """Whether atoms are divided by their norm after each update."""

    @property
    @abstractmethod
    def most_active(self) -> int:
        """The most atoms that a token can have, or has on average: for so many the encoder's size is fitted."""

    @abstractmethod
    def forward_backward(
        self, state: Mapping[str, Tensor], u: Float[Tensor, "runs batch d_model"], *, penalty: float
    ) -> kernels.Pass:
        """A batch's codes, what they leave, and the exact gradients; `penalty` is that per code."""

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """What else a state has at step 0, from the rest of it: nothing by default."""
        del state, point
        return {}

    @property
    def trained(self) -> tuple[str, ...]:
        """Atoms, encoder, and the biases that the settings ask for."""
        biases = {"encoder_bias": self.encoder_bias, "decoder_bias": self.decoder_bias}
        return ("atoms", "encoder", *(name for name, wanted in biases.items() if wanted))

    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's atoms, unit, or with a root mean square norm of 1; unscaled ones keep their norms."""
        atoms = point.atoms.float()
        if self.unit:
            atoms = unit_rows(atoms)
        elif self.rescale and (mean_square_norm := atoms.square().sum(1).mean()) > 0:
            atoms = atoms / mean_square_norm.sqrt()
        parts = encoder_parts(
            point,
            atoms,
            rolled_encoder,
            k=self.most_active,
            start=self.encoder_start,
            decoder_bias=self.decoder_bias,
            rescale=self.rescale,
        )
        state = {"atoms": atoms.unsqueeze(0), **parts}
        return state | self.also(state, point)

    def project(self, state: State) -> None:
        """Divide unit atoms by their norm, in place."""
        if self.unit:
            kernels.normalise(state["atoms"])

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""
        return state["atoms"]

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Gradients for the `trained` entries, those of unit atoms at the unit atoms, and the batch's outcome."""
        u = inputs(state, x)
        penalty = penalty_per_code(u, self.l1)
        passed = self.forward_backward(state, u, penalty=penalty)
        for_atoms = passed.gradients.dictionary
        if self.unit and self.parallel == "removed":
            for_atoms = kernels.without_parallel(for_atoms, state["atoms"])
        every = {**passed.gradients._asdict(), "atoms": for_atoms}
        return {name: every[name] for name in self.trained}, outcome(passed, penalty=penalty)

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> None:
        """Point dead atoms at activations, with a weak encoder and no momentum, in place."""
        changed = replace_atoms(state, dead, rows)
        _adam.forget(state, tuple(name for name in changed if name in self.trained), dead)


def replace_atoms(
    state: State, chosen: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
) -> tuple[str, ...]:
    """Point the chosen atoms at rows of activations, in place; returns the entries that changed.

    A new atom gets the mean norm of the others and a fifth of their mean encoder norm, so that it does not win every
    token at once (@bricken2023monosemanticity).
    """
    directions = unit_rows(inputs(state, rows))
    for name, share in (("atoms", 1.0), ("encoder", 0.2)):
        norms = state[name].norm(dim=-1).masked_fill(chosen, 0.0)  # of a stack: no run can be indexed by its own mask
        size = norms.sum(1) / (~chosen).sum(1).clamp(min=1)
        new = directions * (share * size.where(size > 0, 1.0)).view(-1, 1, 1)
        state[name].copy_(new.where(chosen.unsqueeze(-1), state[name]))
    state["encoder_bias"].masked_fill_(chosen, 0.0)
    return ("atoms", "encoder", "encoder_bias")
