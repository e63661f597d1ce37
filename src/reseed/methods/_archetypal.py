"""Archetypal dictionaries: atoms are mixtures of fixed points.

    dictionary    D = (V C + Lambda) exp(m), without b_dec                                 (docs/mathematics.md, eq. 5)
    constraints   V row-stochastic, rows of Lambda in a ball; put back after each update   (eq. 6)
    codes, loss   z = the k largest of relu(E u + b_enc), mean((u - z D)^2)                (eq. 2 and 3), or others

Source: @fel2025archetypal, eq. 4. C are points (activations or k-means centroids), V the mixing weights, and m is one
learned number. The constraints are put back outside the gradient, as in overcomplete 0.3.0: the gradient is that at the
projected point, and Adam's moments do not notice.

One step of Adam moves every weight of a row by the learning rate, so an atom moves in proportion to the number of
points. A rate too high for it shows as single batches with an error as large as the variance: all atoms swing together.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed._support.products import product
from reseed._support.scratch import scratch
from reseed.errors import SpecError
from reseed.methods._autoencoder import CodedAutoencoder, check_k, encode_topk, encoder_parts, inputs, outcome, unit_of
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State

__all__ = ["Archetypal", "ArchetypalTopK", "Relaxed"]


class Archetypal(CodedAutoencoder, ABC):
    """An archetypal dictionary; its leaves say how far atoms may leave the hull of the points, and how codes are made.

    The state has `points` (C), `weights` (V), `relaxation` (Lambda), `multiplier` (m) and the encoder's entries; the
    decoder bias is zero. Dead atoms cannot be replaced: an activation is no mixture of the points.
    """

    mixes_points: ClassVar[bool] = True
    published_start: ClassVar[str] = "kmeans"

    multiplier: bool = True
    """Whether m is trained; False: it keeps its start."""
    multiplier_start: Literal["unit", "reference"] = "unit"
    """`unit`: such that the root mean square norm of the first atoms is 1; `reference`: m = 0."""

    @property
    @abstractmethod
    def radius(self) -> float:
        """Largest norm of a row of the relaxation, in the method's units."""

    @property
    def trained(self) -> tuple[str, ...]:
        """Mixing weights and encoder, and what else the settings ask for."""
        optional = {
            "relaxation": self.radius > 0,
            "multiplier": self.multiplier,
            "encoder_bias": self.encoder_bias,
        }
        return ("weights", "encoder", *(name for name, wanted in optional.items() if wanted), *self.also_trained)

    def first_state(self, point: StartPoint, rolled_encoder: int) -> State:
        """Mixing weights from the start, no relaxation."""
        if point.points is None or point.weights is None:
            raise SpecError(f"{self.kind} mixes points, and this start has none: use a start that is made from points")
        scale = unit_of(point, rescale=self.rescale)
        state = {
            "points": point.points.float().unsqueeze(0) / scale,
            "weights": point.weights.float().unsqueeze(0).clone(),
            "relaxation": torch.zeros(1, *point.atoms.shape),
            "multiplier": torch.zeros(1),
        }
        _project(state, self.radius)
        if self.multiplier_start == "unit":
            state["multiplier"] -= _root_mean_square_norm(self.dictionary(state)).log()
        parts = encoder_parts(
            point,
            self.dictionary(state)[0],
            rolled_encoder,
            k=self.most_active,
            start=self.encoder_start,
            decoder_bias=False,
            rescale=self.rescale,
        )
        state = {**state, **parts}
        return state | self.also(state, point)

    def project(self, state: State) -> None:
        """V to row-stochastic, Lambda into its ball, in place (eq. 6), and what binds the codes.

        A row of V without a positive entry is zero.
        """
        _project(state, self.radius)
        self.project_codes(state)

    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """(V C + Lambda) exp(m), as the entries stand (eq. 5)."""
        mixtures = kernels.mix(state["weights"], state["points"]) + state["relaxation"]
        return mixtures * state["multiplier"].exp().view(-1, 1, 1)

    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Gradients for the `trained` entries by the chain rule through eq. 5, and the batch's outcome (eq. 7)."""
        dictionary = self.dictionary(state)
        found, outcome = self.through_codes(state, inputs(state, x), dictionary)
        for_dictionary = found["dictionary"]
        for_mixtures = for_dictionary * state["multiplier"].exp().view(-1, 1, 1)
        # as large as atoms x points: paging in new memory at every step would cost more than the product
        into = scratch("gradient for weights", *state["weights"].shape, like=for_mixtures)
        every = {
            **found,
            "weights": product(for_mixtures, state["points"].mT, out=into),
            "relaxation": for_mixtures,
            "multiplier": (for_dictionary * dictionary).sum((1, 2)),  # exp(m) is its own derivative: dD / dm = D
        }
        return {name: every[name] for name in self.trained}, outcome

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """How the mixtures look (eq. 8).

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

    def beside(self, state: Mapping[str, Tensor]) -> Parameters:
        """`weights`, `relaxation` and `multiplier`, with C in the units of the activations."""
        return {
            "weights": state["weights"].clone(),
            "relaxation": state["relaxation"] * state["scale"].view(-1, 1, 1),
            "multiplier": state["multiplier"] - state["scale"].log(),
        }


class ArchetypalTopK(Archetypal, ABC):
    """An archetypal dictionary with the k strongest atoms of each token."""

    k: PositiveInt
    """Active atoms per token."""

    @model_validator(mode="after")
    def _k_fits(self) -> "ArchetypalTopK":
        check_k(self.k, self.n_atoms)
        return self

    @property
    def most_active(self) -> int:
        """The setting `k`."""
        return self.k

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """At most k positive codes per token."""
        return encode_topk(parameters, x, k=self.k)

    def through_codes(
        self,
        state: Mapping[str, Tensor],
        u: Float[Tensor, "runs batch d_model"],
        dictionary: Float[Tensor, "runs atoms d_model"],
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Through the k active atoms of each token only."""
        passed = kernels.topk_pass(u, state["encoder"], state["encoder_bias"], dictionary, k=self.k)
        return passed.gradients._asdict(), outcome(passed)


class Relaxed(Archetypal, ABC):
    """An archetypal dictionary whose atoms may leave the hull of the points a little."""

    delta: NonNegativeFloat = 1.0
    """How far an atom may leave the hull of the points."""
    delta_norm: Literal["reference", "paper"] = "reference"
    """`reference`: rows of the relaxation have norm <= delta (overcomplete); `paper`: squared norm <= delta."""

    @property
    def radius(self) -> float:
        """Largest norm of a row of the relaxation: delta, or its root by the paper's convention."""
        return self.delta if self.delta_norm == "reference" else self.delta**0.5


def _project(state: State, radius: float) -> None:
    weights, relaxation = state["weights"], state["relaxation"]
    # a row that loses all its weight stays zero: 1e-8, as the reference has it, instead of a division by zero
    weights.relu_().div_(weights.sum(-1, keepdim=True) + 1e-8)
    norms = relaxation.norm(dim=-1, keepdim=True)
    outside = norms > radius
    relaxation.mul_(torch.where(outside, radius / norms.where(outside, 1.0), 1.0))


def _root_mean_square_norm(atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, " runs"]:
    """Root mean square norm of each run's atoms; 1 where all of them are zero."""
    mean_square = atoms.square().sum(-1).mean(-1)
    return mean_square.sqrt().where(mean_square > 0, 1.0)
