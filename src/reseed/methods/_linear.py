"""Learners whose codes are linear: no atom is left out, and mean and covariance are most of what they know.

    codes        z = (u - m) D⁺, least squares on all atoms at once     (docs/mathematics.md, eq. 160)
    statistics   mean m and covariance C of what was read               (eq. 161)
    dictionary   what the method makes of m and C, and of the batch

At step 0 the dictionary is the start's, whatever its atoms are, and m the mean activation. Codes are signed and a
solution has no sign of its own: an atom and its negative are one. Sums are in float64 and do not grow with what was
read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from torch import Tensor

from reseed._support.products import product
from reseed.errors import SpecError
from reseed.methods._autoencoder import unit_of
from reseed.methods._base import BatchOutcome, Method, Parameters, Schedule, StartPoint, State

__all__ = ["Linear", "covariance", "least_squares", "orthonormal", "principal_axes"]

_ROWS = 4096  # of a batch that are in memory in double precision


class Linear(Method, ABC):
    """A dictionary of at most `d_model` atoms, and codes by least squares on all of them."""

    sign: ClassVar[Literal["signed", "abs"]] = "abs"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder")
    negated: ClassVar[tuple[str, ...]] = ("atoms", "encoder")
    all_active: ClassVar[bool] = True
    code_rule: ClassVar[str] = "least squares on all atoms, signed"

    memory: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of what earlier batches said of mean and covariance that is kept when one more is read. 1: every token read
    counts alike; 0: an iteration knows its batch alone."""

    @abstractmethod
    def fit(self, state: State, u: Float[Tensor, "runs batch d_model"]) -> None:
        """Put the next `atoms` and their `encoder` in place, in place; the statistics hold the batch `u` already."""

    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """The start's atoms, and statistics of no token."""
        del rolled_encoder  # there is none to draw: codes are least squares
        if (mistake := self.misfit(point.atoms.shape[1])) is not None:
            raise SpecError(mistake)
        scale = unit_of(point, rescale=True)
        atoms, mean = (point.atoms.double() / scale).unsqueeze(0), (point.mean.double() / scale).unsqueeze(0)
        return {
            "atoms": atoms,
            "encoder": least_squares(atoms),
            "mean": mean,
            "centre": mean.clone(),
            "scale": torch.tensor([scale]),
            "tokens": torch.zeros(1, dtype=torch.float64),
            "sums": torch.zeros_like(mean),
            "products": torch.zeros_like(mean).diag_embed(),
            **self.also(atoms),
        }

    def also(self, atoms: Float64[Tensor, "runs atoms d_model"]) -> State:
        """What else a state has at step 0, from the start's atoms: nothing by default."""
        del atoms
        return {}

    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Codes, statistics, dictionary, in place."""
        del schedule  # an iteration has no rate
        u = x / state["scale"].view(-1, 1, 1)
        z = _codes(u, state["mean"], state["encoder"])
        loss = (u - state["mean"].unsqueeze(1).to(u) - product(z, state["atoms"].to(u))).square().mean((1, 2))
        self._read(state, u)
        self.fit(state, u)
        return BatchOutcome(loss=loss, fired=(z != 0).any(1))

    def _read(self, state: State, u: Float[Tensor, "runs batch d_model"]) -> None:
        """Eq. 161: sums about a centre that stays, so that a large mean costs no digits."""
        for name in ("tokens", "sums", "products"):
            state[name].mul_(self.memory)
        for rows in u.split(_ROWS, dim=1):
            moved = rows.double() - state["centre"].unsqueeze(1)
            state["tokens"] += moved.shape[1]
            state["sums"] += moved.sum(1)
            state["products"].baddbmm_(moved.mT, moved)
        state["mean"] = state["centre"] + state["sums"] / state["tokens"].unsqueeze(1)

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """`atoms`, `encoder` and `decoder_bias`, the mean of what was read; codes have the units of the activations'.

        The encoder needs no bias: what it sees is what the decoder's bias leaves.
        """
        scale = state["scale"].double()
        encoder = state["encoder"].float()
        return {
            "atoms": (state["atoms"] * scale.view(-1, 1, 1)).float(),
            "encoder": (state["encoder"] / scale.view(-1, 1, 1)).float(),
            "encoder_bias": torch.zeros_like(encoder[..., 0]),
            "decoder_bias": (state["mean"] * scale.unsqueeze(1)).float(),
        }

    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """The encoder's rows times what the decoder's bias leaves of an activation."""
        return _codes(x, parameters["decoder_bias"], parameters["encoder"])

    def misfit(self, d_model: int) -> str | None:
        """More atoms than dimensions, whose codes by least squares would not be unique."""
        if self.n_atoms <= d_model:
            return None
        return (
            f"{self.kind} with n_atoms = {self.n_atoms:,} of d_model = {d_model:,}: it finds at most as many atoms as "
            f"there are dimensions; use n_atoms <= {d_model}, or another method"
        )

    def mistake_for(self, tokens: int) -> str | None:
        """Fewer tokens than a covariance of so many directions needs."""
        if tokens > self.n_atoms:
            return None
        return f"{self.n_atoms} directions cannot be told apart: read more tokens than n_atoms"

    @property
    def removes_mean(self) -> bool:
        """Always: the atoms are directions of deviations from the mean."""
        return True


def _codes(
    x: Float[Tensor, "runs batch d_model"],
    mean: Float[Tensor, "runs d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
) -> Float[Tensor, "runs batch atoms"]:
    return product(x - mean.unsqueeze(1).to(x), encoder.mT.to(x))


def covariance(state: Mapping[str, Tensor]) -> Float64[Tensor, "runs d_model d_model"]:
    """C of eq. 161, of what was read: divided by the number of tokens."""
    offset = state["mean"] - state["centre"]
    found = state["products"] / state["tokens"].view(-1, 1, 1) - offset.unsqueeze(2) * offset.unsqueeze(1)
    return (found + found.mT) / 2


def least_squares(atoms: Float64[Tensor, "runs atoms d_model"]) -> Float64[Tensor, "runs atoms d_model"]:
    """D⁺ transposed, the encoder whose codes are those of least squares; an atom of zero has a row of zero."""
    return torch.linalg.pinv(atoms).mT.contiguous()


def orthonormal(rows: Float64[Tensor, "runs rows columns"]) -> Float64[Tensor, "runs rows columns"]:
    """(R R')^-1/2 R, the orthonormal rows that are nearest to these; where they are dependent, one choice of them."""
    left, _, right = torch.linalg.svd(rows, full_matrices=False)
    return left @ right


def principal_axes(
    symmetric: Float64[Tensor, "*runs d_model d_model"], count: int
) -> tuple[Float64[Tensor, "*runs count"], Float64[Tensor, "*runs count d_model"]]:
    """The largest eigenvalues of a covariance and their directions as unit rows, the largest first.

    An eigenvector has no sign of its own: here its largest entry is positive. Of equal eigenvalues the space that their
    directions span is determined, and not the directions.
    """
    variances, axes = torch.linalg.eigh(symmetric)
    variances, axes = variances.flip(-1)[..., :count], axes.mT.flip(-2)[..., :count, :]
    largest = axes.gather(-1, axes.abs().argmax(-1, keepdim=True))
    return variances, axes * largest.sign()
