"""ReLU: a sparse autoencoder that pays for its codes (@bricken2023monosemanticity)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from reseed import kernels
from reseed.methods import _autoencoder as autoencoder
from reseed.methods._autoencoder import EncoderStart
from reseed.methods._base import Method, StartPoint, State, Step

__all__ = ["ReLU"]


class ReLU(Method):
    """ReLU sparse autoencoder with unit atoms and an L1 penalty.

    The state has `atoms`, `encoder`, `encoder_bias`, `decoder_bias` and `scale`.
    """

    mixes_points: ClassVar[bool] = False

    kind: Literal["relu"] = "relu"
    learning_rate: PositiveFloat = 1e-3
    l1: NonNegativeFloat = 0.1
    """penalty: the loss is mean squared error + l1 (sum of a token's codes) / sqrt(d_model), in the method's units"""
    parallel: Literal["removed", "kept"] = "removed"
    """whether atoms drop the part of their gradient that would only change their norm"""
    encoder_start: EncoderStart = "tied"
    """tied: encoder directions start as the dictionary's; independent: random directions from the encoder die"""
    encoder_bias: bool = True
    """whether the encoder's bias, 0 at the start, is trained"""
    decoder_bias: bool = True
    """whether a bias, the mean activation at the start, is trained; False: there is none"""
    rescale: bool = True
    """whether activations are divided by their scale first, so that l1 means the same on all of them"""

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the entries that Adam updates."""
        biases = {"encoder_bias": self.encoder_bias, "decoder_bias": self.decoder_bias}
        return ("atoms", "encoder", *(name for name, wanted in biases.items() if wanted))

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1."""
        atoms = autoencoder.unit_rows(point.atoms.float())
        parts = autoencoder.encoder_parts(
            point,
            atoms,
            rolled_encoder,
            k=self.n_atoms,
            start=self.encoder_start,
            decoder_bias=self.decoder_bias,
            rescale=self.rescale,
        )
        return {"atoms": atoms.unsqueeze(0), **parts}

    def project(self, state: State) -> None:
        """Divide atoms by their norm, in place."""
        state["atoms"].copy_(autoencoder.unit_rows(state["atoms"]))

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""
        return state["atoms"]

    def encode(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes in the units of the activations, non-negative."""
        codes = kernels.encode_relu(autoencoder.inputs(state, x), state["encoder"], state["encoder_bias"])
        return codes * state["scale"].view(-1, 1, 1)

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], Step]:
        """Gradients for the `trained` entries, those of unit atoms at the unit atoms, and the batch's figures."""
        u = autoencoder.inputs(state, x)
        penalty = autoencoder.price(u, self.l1)
        there_and_back = kernels.relu_pass(u, state["encoder"], state["encoder_bias"], state["atoms"], penalty=penalty)
        parts = there_and_back.gradients
        for_atoms = parts.dictionary
        if self.parallel == "removed":
            for_atoms = autoencoder.without_parallel(for_atoms, state["atoms"])
        every = {**parts._asdict(), "atoms": for_atoms}
        return {name: every[name] for name in self.trained}, autoencoder.figures(state, there_and_back, penalty=penalty)

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """Nothing beyond what every method has."""
        del state
        return {}

    def snapshot(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The four parts that every reader needs."""
        return autoencoder.snapshot(state, state["atoms"])

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> tuple[str, ...] | None:
        """Point dead atoms at activations, with a weak encoder, in place."""
        changed = autoencoder.replace_atoms(state, dead, rows)
        return tuple(name for name in changed if name in self.trained)
