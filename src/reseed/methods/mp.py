"""Matching pursuit: a sparse autoencoder without an encoder, whose tokens take one atom after another.

    codes        k times the atom that fits what is left of u best     (docs/mathematics.md, eq. 120 and 121)
    dictionary   D, unit atoms                                         (eq. 4)
    loss         mean((u - z D)^2)                                     (eq. 3)

Source: @costa2025flat. The gradient goes through all rounds, with the choice of atoms as it is. A token that no atom
fits any more takes none, where overcomplete 0.3.0 goes on with the largest product even if it is below 0.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed.methods import _adam
from reseed.methods._autoencoder import check_k, first_bias, inputs, unit_of, unit_rows
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State
from reseed.methods._gradient import GradientMethod

__all__ = ["MatchingPursuit"]


class MatchingPursuit(GradientMethod):
    """Sparse autoencoder whose codes are those of matching pursuit in its own dictionary."""

    title: ClassVar[str] = "Matching pursuit"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms",)

    kind: Literal["mp"] = "mp"
    learning_rate: PositiveFloat = 1e-3
    k: PositiveInt
    """Rounds: the most active atoms per token; an atom may be taken again."""
    parallel: Literal["removed", "kept"] = "removed"
    """Whether unit atoms drop the part of their gradient that would only change their norm."""
    decoder_bias: bool = True
    """Whether a bias, the mean activation at the start, is trained; False: there is none."""
    rescale: bool = True
    """Whether activations are divided by their scale first; False: published form."""

    @model_validator(mode="after")
    def _k_fits(self) -> "MatchingPursuit":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """Atoms, and the bias if the settings ask for it."""
        return ("atoms", "decoder_bias") if self.decoder_bias else ("atoms",)

    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's atoms, unit."""
        del rolled_encoder  # there is no encoder
        scale = unit_of(point, rescale=self.rescale)
        bias = first_bias(point, scale) if self.decoder_bias else torch.zeros_like(point.mean, dtype=torch.float32)
        return {
            "atoms": point.atoms.float().unsqueeze(0),
            "decoder_bias": bias.unsqueeze(0),
            "scale": torch.tensor([scale]),
        }

    def project(self, state: State) -> None:
        """Divide atoms by their norm, in place."""
        kernels.normalise(state["atoms"])

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""
        return state["atoms"]

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Gradients for the `trained` entries through all rounds, and the batch's outcome."""
        u = inputs(state, x)
        passed = kernels.pursuit_pass(u, state["atoms"], k=self.k)
        for_atoms = passed.for_dictionary
        if self.parallel == "removed":
            for_atoms = kernels.without_parallel(for_atoms, state["atoms"])
        every = {"atoms": for_atoms, "decoder_bias": -passed.for_input}
        loss = passed.left.square().sum((1, 2)) / passed.left[0].numel()
        fired = kernels.fired(passed.codes, n_atoms=self.n_atoms)
        return {name: every[name] for name in self.trained}, BatchOutcome(loss=loss, fired=fired)

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """`atoms` and `decoder_bias`; the atoms are their own encoder."""
        atoms = state["atoms"]
        biases = {
            "encoder_bias": atoms.new_zeros(atoms.shape[:2]),
            "decoder_bias": state["decoder_bias"] * state["scale"].unsqueeze(1),
        }
        return {"atoms": atoms.clone(), "encoder": atoms.clone(), **biases}

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """At most k positive codes per token; what an atom took in several rounds is added."""
        codes, _ = kernels.pursue(x - parameters["decoder_bias"].unsqueeze(1), parameters["atoms"], k=self.k)
        return kernels.densify(codes, n_atoms=self.n_atoms)

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> None:
        """Point dead atoms at activations, without momentum, in place."""
        state["atoms"].copy_(unit_rows(inputs(state, rows)).where(dead.unsqueeze(-1), state["atoms"]))
        _adam.forget(state, ("atoms",), dead)
