"""TopK: a sparse autoencoder that keeps the k strongest atoms of each token (@gao2024scaling).

One published form pays for its codes as well (@song2025position).
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed.methods import _autoencoder as autoencoder
from reseed.methods._autoencoder import EncoderStart
from reseed.methods._base import Method, StartPoint, State, Step

__all__ = ["TopK"]


class TopK(Method):
    """TopK sparse autoencoder. The state has `atoms`, `encoder`, `encoder_bias`, `decoder_bias` and `scale`."""

    mixes_points: ClassVar[bool] = False

    kind: Literal["topk"] = "topk"
    learning_rate: PositiveFloat = 1e-3
    k: PositiveInt
    """active atoms per token"""
    l1: NonNegativeFloat = 0.0
    """penalty on active codes, as that of relu; 0: none"""
    norm: Literal["unit", "free"] = "unit"
    """unit: atoms are divided by their norm after each update; free: they keep the norm that training gives them"""
    parallel: Literal["removed", "kept"] = "removed"
    """whether unit atoms drop the part of their gradient that would only change their norm"""
    encoder_start: EncoderStart = "tied"
    """tied: encoder directions start as the dictionary's; independent: random directions from the encoder die"""
    encoder_bias: bool = True
    """whether the encoder's bias, 0 at the start, is trained"""
    decoder_bias: bool = True
    """whether a bias, the mean activation at the start, is trained; False: there is none (published form)"""
    rescale: bool = True
    """whether activations are divided by their scale first; False: published form"""

    @model_validator(mode="after")
    def _k_fits(self) -> "TopK":
        autoencoder.check_k(self.k, self.n_atoms)
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the entries that Adam updates."""
        biases = {"encoder_bias": self.encoder_bias, "decoder_bias": self.decoder_bias}
        return ("atoms", "encoder", *(name for name, wanted in biases.items() if wanted))

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1; free atoms start with a root mean square norm of 1."""
        atoms = self._normed(point.atoms.float())
        parts = autoencoder.encoder_parts(
            point,
            atoms,
            rolled_encoder,
            k=self.k,
            start=self.encoder_start,
            decoder_bias=self.decoder_bias,
            rescale=self.rescale,
        )
        return {"atoms": atoms.unsqueeze(0), **parts}

    def _normed(self, atoms: Float[Tensor, "atoms d_model"]) -> Float[Tensor, "atoms d_model"]:
        if self.norm == "unit":
            return autoencoder.unit_rows(atoms)
        mean_square_norm = atoms.square().sum(1).mean()
        return atoms / mean_square_norm.sqrt() if self.rescale and mean_square_norm > 0 else atoms

    def project(self, state: State) -> None:
        """Divide unit atoms by their norm, in place."""
        if self.norm == "unit":
            state["atoms"].copy_(autoencoder.unit_rows(state["atoms"]))

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""
        return state["atoms"]

    def encode(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes in the units of the activations, dense, at most k positive per token."""
        return autoencoder.encode_dense(state, x, k=self.k)

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], Step]:
        """Gradients for the `trained` entries, those of unit atoms at the unit atoms, and the batch's figures."""
        parts, step = autoencoder.topk_step(state, state["atoms"], x, k=self.k, l1=self.l1)
        for_atoms = parts.dictionary
        if self.norm == "unit" and self.parallel == "removed":
            for_atoms = autoencoder.without_parallel(for_atoms, state["atoms"])
        every = {**parts._asdict(), "atoms": for_atoms}
        return {name: every[name] for name in self.trained}, step

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
        """Point dead atoms at activations that are badly reconstructed, with a weak encoder, in place."""
        changed = autoencoder.replace_atoms(state, dead, rows)
        return tuple(name for name in changed if name in self.trained)
