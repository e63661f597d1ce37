"""Archetypal dictionaries: atoms are mixtures of fixed points, D = (W C + Lambda) exp(m) (@fel2025archetypal, eq. 4).

C are points (activations or k-means centroids), W is row-stochastic, each row of Lambda stays in a ball, and m is one
learned number. The constraints are put back outside the gradient, as in overcomplete 0.3.0: the gradient is that at the
projected point, and Adam's moments do not notice.

One step of Adam moves every weight of a row by the learning rate, so an atom moves in proportion to the number of
points. A rate too high for it shows as single batches with an error as large as the variance: all atoms swing together.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed._support.products import product
from reseed._support.scratch import scratch
from reseed.errors import SpecError
from reseed.methods import _autoencoder as autoencoder
from reseed.methods._autoencoder import EncoderStart
from reseed.methods._base import Method, StartPoint, State, Step

__all__ = ["Archetypal"]


class Archetypal(Method, ABC):
    """A top-k autoencoder with an archetypal dictionary; its leaves say how far atoms may leave the hull of the points.

    The state has `points` (C), `weights` (W), `relaxation` (Lambda), `multiplier` (m) and the encoder's entries, and no
    decoder bias. Abstract, between `Method` and two leaves that differ in one number only.
    """

    mixes_points: ClassVar[bool] = True

    k: PositiveInt
    """active atoms per token"""
    multiplier: bool = True
    """whether m is trained; False: it keeps its start"""
    multiplier_start: Literal["unit", "reference"] = "unit"
    """unit: such that the root mean square norm of the first atoms is 1; reference: m = 0"""
    encoder_start: EncoderStart = "tied"
    """tied: encoder directions start as the dictionary's; independent: random directions from the encoder die"""
    encoder_bias: bool = True
    """whether the encoder's bias, 0 at the start, is trained"""
    rescale: bool = True
    """whether activations and points are divided by the scale of the activations first; False: published form"""

    @model_validator(mode="after")
    def _fits(self) -> "Archetypal":
        autoencoder.check_k(self.k, self.n_atoms)
        if self.resample_every is not None:
            raise ValueError("resample_every is not allowed: an activation is no mixture of the points")
        return self

    @property
    @abstractmethod
    def radius(self) -> float:
        """Largest norm of a row of the relaxation, in the method's units."""

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the entries that Adam updates."""
        optional = {
            "relaxation": self.radius > 0,
            "multiplier": self.multiplier,
            "encoder_bias": self.encoder_bias,
        }
        return ("weights", "encoder", *(name for name, wanted in optional.items() if wanted))

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1: W from the start, no relaxation."""
        if point.points is None or point.weights is None:
            raise SpecError(f"{self.kind} mixes points, and this start has none: use data, kmeans or kmeans-permuted")
        scale = autoencoder.unit_of(point, rescale=self.rescale)
        state = {
            "points": point.points.float().unsqueeze(0) / scale,
            "weights": point.weights.float().unsqueeze(0).clone(),
            "relaxation": torch.zeros(1, *point.atoms.shape),
            "multiplier": torch.zeros(1),
        }
        self.project(state)
        if self.multiplier_start == "unit":
            state["multiplier"] -= _root_mean_square_norm(self.dictionary(state)).log()
        parts = autoencoder.encoder_parts(
            point,
            self.dictionary(state)[0],
            rolled_encoder,
            k=self.k,
            start=self.encoder_start,
            decoder_bias=False,
            rescale=self.rescale,
        )
        return {**state, **parts}

    def project(self, state: State) -> None:
        """W to row-stochastic, Lambda into its ball, in place. A row of W without a positive entry becomes zero."""
        weights, relaxation = state["weights"], state["relaxation"]
        weights.relu_().div_(weights.sum(-1, keepdim=True) + 1e-8)
        norms = relaxation.norm(dim=-1, keepdim=True)
        outside = norms > self.radius
        relaxation.mul_(torch.where(outside, self.radius / norms.where(outside, 1.0), 1.0))

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """(W C + Lambda) exp(m), as the entries stand."""
        mixtures = kernels.mix(state["weights"], state["points"]) + state["relaxation"]
        return mixtures * state["multiplier"].exp().view(-1, 1, 1)

    def encode(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes in the units of the activations, dense, at most k positive per token."""
        return autoencoder.encode_dense(state, x, k=self.k)

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], Step]:
        """Gradients for the `trained` entries, and the batch's figures."""
        dictionary = self.dictionary(state)
        parts, step = autoencoder.topk_step(state, dictionary, x, k=self.k)
        for_mixtures = parts.dictionary * state["multiplier"].exp().view(-1, 1, 1)
        into = scratch("gradient for weights", *state["weights"].shape, like=for_mixtures)
        every = {
            **parts._asdict(),
            "weights": product(for_mixtures, state["points"].mT, out=into),
            "relaxation": for_mixtures,
            "multiplier": (parts.dictionary * dictionary).sum((1, 2)),
        }
        return {name: every[name] for name in self.trained}, step

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """How the mixtures look.

        `frozen_rows`: fraction of atoms whose weight is all on one point. `weight_entropy`: mean over atoms, in nats.
        `relaxation_saturation`: mean norm of the relaxation over its radius, in [0, 1]; nan where the radius is 0.
        `multiplier`: exp(m), in the method's units.
        """
        weights = state["weights"]
        norms = state["relaxation"].norm(dim=-1)
        return {
            "frozen_rows": (weights.amax(-1) >= 1 - 1e-6).float().mean(1),
            "weight_entropy": torch.special.entr(weights).sum(-1).mean(1),
            "relaxation_saturation": norms.mean(1) / self.radius if self.radius > 0 else norms.mean(1) * torch.nan,
            "multiplier": state["multiplier"].exp(),
        }

    def snapshot(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The four common parts, and `weights`, `relaxation`, `multiplier` with C in the units of the activations."""
        return {
            **autoencoder.snapshot(state, self.dictionary(state)),
            "weights": state["weights"].clone(),
            "relaxation": state["relaxation"] * state["scale"].view(-1, 1, 1),
            "multiplier": state["multiplier"] - state["scale"].log(),
        }

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> tuple[str, ...] | None:
        """None: an activation is no mixture of the points."""
        del state, dead, rows


def _root_mean_square_norm(atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, " runs"]:
    """Root mean square norm of each run's atoms; 1 where all of them are zero."""
    mean_square = atoms.square().sum(-1).mean(-1)
    return mean_square.sqrt().where(mean_square > 0, 1.0)
