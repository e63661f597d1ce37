"""Transcoder: a sparse autoencoder that reads one activation and writes another, as an MLP does.

    codes        z = the k largest of relu(E u + b_enc), u what is read           (docs/mathematics.md, eq. 124)
    dictionary   D, unit atoms in the space that is written                       (eq. 4)
    loss         mean((v - b_dec - z D)^2), v what is written                     (eq. 125)

Source: @dunefsky2024transcoders, with the codes of TopK as sparsify has them. A row of activations holds what is read,
the first `reads` columns, and then what is written. Both are in units of their own spread. The encoder has no
counterpart among the atoms: it starts with the directions whose products say best, of all linear maps, how much of an
atom is written. Random ones, as published, are there as well; but random atoms give them at
first nothing to learn but to be silent, and where training is short that is what they are. There is no skip connection.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed.dice import Die, generator
from reseed.methods._autoencoder import (
    best_factor,
    check_k,
    encode_topk,
    first_bias,
    no_larger_factor,
    reconstruction,
    unit_rows,
)
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State
from reseed.methods._gradient import GradientMethod

__all__ = ["Transcoder"]


class Transcoder(GradientMethod):
    """TopK sparse autoencoder that reads some columns of a row and writes the others."""

    title: ClassVar[str] = "Transcoder"

    kind: Literal["transcoder"] = "transcoder"
    learning_rate: PositiveFloat = 1e-3
    k: PositiveInt
    """Active atoms per token."""
    reads: PositiveInt
    """Columns that are read, the first of a row; the others are written. `reseed collect --at mlp` says how many."""
    encoder_start: Literal["fitted", "independent"] = "fitted"
    """`fitted`: directions that say best, by a linear map, how much of an atom is written; `independent`: random ones
    from the encoder die."""
    parallel: Literal["removed", "kept"] = "removed"
    """Whether unit atoms drop the part of their gradient that would only change their norm."""
    encoder_bias: bool = True
    """Whether the encoder's bias is trained; it starts where it takes off what the mean of what is read gives. False:
    there is none."""
    decoder_bias: bool = True
    """Whether a bias, the mean of what is written at the start, is trained; False: there is none."""
    rescale: bool = True
    """Whether what is read and what is written are divided by their scales first; False: published form."""

    @model_validator(mode="after")
    def _k_fits(self) -> "Transcoder":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """Atoms, encoder, and the biases that the settings ask for."""
        biases = {"encoder_bias": self.encoder_bias, "decoder_bias": self.decoder_bias}
        return ("atoms", "encoder", *(name for name, wanted in biases.items() if wanted))

    @property
    def dice(self) -> frozenset[Die]:
        """Those of any method that learns by gradients, and the encoder's where that starts independently."""
        own: set[Die] = {"encoder"} if self.encoder_start == "independent" else set()
        return super().dice | own

    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's atoms, unit, and directions that read, with a bias that takes off what the mean gives."""
        reading = point.reading
        if reading is None:
            raise ValueError("a transcoder starts from what is read as well: StartPoint.reading is missing")
        written, read = (scale if self.rescale and scale > 0 else 1.0 for scale in (point.scale, reading.scale))
        atoms = unit_rows(point.atoms.float())
        bias = first_bias(point, written) if self.decoder_bias else torch.zeros_like(point.mean, dtype=torch.float32)
        mean = reading.mean / read if self.encoder_bias else torch.zeros_like(reading.mean)
        u = point.sample[:, : self.reads] / read - mean
        v = point.sample[:, self.reads :] / written - bias
        fitted = self.encoder_start == "fitted"
        random = torch.randn(self.n_atoms, self.reads, generator=generator(rolled_encoder))
        encoder = unit_rows(atoms @ reading.to_written.T if fitted else random)
        x_hat = reconstruction(u, encoder, atoms, k=self.k)
        encoder *= best_factor(v, x_hat) if fitted else no_larger_factor(v, x_hat)
        return {
            "atoms": atoms.unsqueeze(0),
            "encoder": encoder.unsqueeze(0),
            "encoder_bias": (encoder @ -mean).unsqueeze(0),
            "decoder_bias": bias.unsqueeze(0),
            "scale": torch.tensor([written]),
            "read_scale": torch.tensor([read]),
        }

    def project(self, state: State) -> None:
        """Divide atoms by their norm, in place."""
        kernels.normalise(state["atoms"])

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_written"]:
        """The atoms, as they stand."""
        return state["atoms"]

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch columns"]
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Gradients for the `trained` entries, and the batch's outcome."""
        u = x[..., : self.reads] / state["read_scale"].view(-1, 1, 1)
        v = x[..., self.reads :] / state["scale"].view(-1, 1, 1) - state["decoder_bias"].unsqueeze(1)
        codes = kernels.encode_topk(u, state["encoder"], state["encoder_bias"], k=self.k)
        passed = kernels.codes_pass(codes, u, state["encoder"], state["atoms"], target=v)
        factor = 2 / v[0].numel()
        for_atoms = passed.gradients.dictionary
        if self.parallel == "removed":
            for_atoms = kernels.without_parallel(for_atoms, state["atoms"])
        every = {
            "atoms": for_atoms,
            "encoder": passed.gradients.encoder,
            "encoder_bias": passed.gradients.encoder_bias,
            "decoder_bias": factor * passed.residual.sum(1),
        }
        loss = passed.residual.square().sum((1, 2)) / passed.residual[0].numel()
        return {name: every[name] for name in self.trained}, BatchOutcome(loss=loss, fired=passed.fired)

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """The four parts: codes are the largest of relu(encoder x + encoder_bias), x what is read, in its own units."""
        written = state["scale"].unsqueeze(1)
        return {
            "atoms": state["atoms"].clone(),
            "encoder": state["encoder"] * (state["scale"] / state["read_scale"]).view(-1, 1, 1),
            "encoder_bias": state["encoder_bias"] * written,
            "decoder_bias": state["decoder_bias"] * written,
        }

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch columns"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """At most k positive codes per token, from what is read."""
        return encode_topk(parameters, x[..., : self.reads], k=self.k)
