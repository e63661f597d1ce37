"""Preprocessing that is applied when rows are read, from the stored moments; the store itself is never rewritten.

none          x
centre        x - mu
centre-scale  (x - mu) / scale          one scalar, so that E||x||^2 = d
standardise   (x - mu) / sqrt(diag S)   every dimension has variance 1 (a constant one becomes 0)
whiten        S_shrunk^(-1/2) (x - mu)  symmetric, so that dimensions keep their meaning
unit-norm     x / ||x||                 (a zero row stays zero)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.guard import guarded
from reseed.activations.moments import Moments, moments_of
from reseed.activations.store import Activations, HeldOut
from reseed.dice import generator
from reseed.errors import ActivationsError

__all__ = [
    "KEEP_SIGNS",
    "MIX_COLUMNS",
    "PREPROCESSINGS",
    "WHITEN_SHRINKAGE",
    "Preprocess",
    "Preprocessed",
    "Preprocessing",
    "check_trainable",
    "check_varied",
    "preprocessed",
]

Preprocessing = Literal["none", "centre", "centre-scale", "standardise", "whiten", "unit-norm"]
PREPROCESSINGS: tuple[Preprocessing, ...] = get_args(Preprocessing)

MIX_COLUMNS = frozenset({"centre-scale", "whiten", "unit-norm"})
"""The preprocessings after which a column depends on the others."""

KEEP_SIGNS: tuple[Preprocessing, ...] = ("none", "unit-norm")
"""The preprocessings after which an entry has the sign that it had; the others take the mean off."""

WHITEN_SHRINKAGE = 0.01
"""The weight of (tr S / d) I in the covariance that is inverted: directions with less than about a hundredth of the
average variance are not blown up to full size, for they hold rounding and sampling noise."""

_EQUAL = 1e-24  # a variance below this share of the energy is rounding of float64
_SHORTEST, _LONGEST = 1e-12, 1e12
_CONSTANT = 1e-12  # a dimension whose variance is below this share of the average is constant up to rounding


@dataclass(frozen=True)
class Preprocess:
    """x -> (x - shift) linear, then, with `unit_norm`, divided by its norm."""

    shift: Float[Tensor, "d_model"]
    linear: Float[Tensor, "*maps"]
    """A scalar, one factor per dimension, or a symmetric matrix."""
    unit_norm: bool = False

    __repr__ = brief_repr

    def __call__(self, rows: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_model"]:
        """Rows as methods see them."""
        moved = self._linear(rows - self.shift.to(rows))
        return moved / _norms(moved) if self.unit_norm else moved

    def over(self, rows: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_model"]:
        """The same numbers, where they can be in the memory of the rows: many rows are not there twice."""
        linear = self.linear.to(rows)
        moved = rows.sub_(self.shift.to(rows))
        moved = moved @ linear if linear.ndim == 2 else moved.mul_(linear)  # noqa: PLR2004 (a matrix)
        return moved.div_(_norms(moved)) if self.unit_norm else moved

    def _linear(self, rows: Tensor) -> Tensor:
        linear = self.linear.to(rows)
        return rows @ linear if linear.ndim == 2 else rows * linear  # noqa: PLR2004 (a matrix)

    @property
    def keeps_shapes(self) -> bool:
        """Whether all distances change by one factor: then k-means finds the same clusters before and afterwards."""
        return self.linear.ndim == 0 and not self.unit_norm

    def moments(self, before: Moments) -> Moments:
        """Moments of the rows afterwards, exactly, from those before; unit norms are another matter (ValueError)."""
        if self.unit_norm:
            raise ValueError("dividing by norms is not linear: the moments afterwards do not follow from those before")
        mean = self._linear(before.mean - self.shift.double())
        covariance = self._linear(self._linear(before.covariance).T)
        return Moments(before.n_tokens, mean, covariance)

    def to_tensors(self) -> dict[str, Tensor]:
        """For a file: "shift", "linear" and "unit_norm" (0 or 1)."""
        return {"shift": self.shift, "linear": self.linear, "unit_norm": torch.tensor(int(self.unit_norm))}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Preprocess":
        """What `to_tensors` gave."""
        return cls(tensors["shift"], tensors["linear"], bool(tensors["unit_norm"]))


@dataclass(frozen=True)
class Preprocessed:
    """Activations seen through one preprocessing: what training and evaluation read."""

    name: str
    activations: Activations
    preprocess: Preprocess
    moments: Moments
    """Of the training rows after preprocessing."""
    heldout: HeldOut
    """With rows after preprocessing."""

    __repr__ = brief_repr

    @property
    def d_model(self) -> int:
        """Dimensions of a row."""
        return self.activations.d_model

    @property
    def n_tokens(self) -> int:
        """Training rows."""
        return self.activations.n_tokens

    @property
    def scale(self) -> float:
        """Root mean square distance to the mean, per dimension; 1 after centre-scale and standardise."""
        return self.moments.scale

    @property
    def fingerprint(self) -> str:
        """Equal for equal activations under the same preprocessing; 64 hexadecimal digits."""
        return sha256(f"{self.activations.fingerprint} {self.name}".encode()).hexdigest()

    def rows(self, index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape d_model"]:
        """The training rows at `index` after preprocessing, in float32."""
        return self.preprocess.over(self.activations.rows(index))

    def batches(self, index: Int[Tensor, "batches batch"]) -> list[Float[Tensor, "batch d_model"]]:
        """The training rows of several batches, read at once: each has the bits of `rows` of it alone."""
        return [self.preprocess.over(rows) for rows in self.activations.rows(index)]

    def sample(self, count: int, *, rolled: int) -> Float[Tensor, "tokens d_model"]:
        """`count` different training rows in random order, or all of them if there are fewer."""
        return self.rows(self.places(count, rolled=rolled))

    def places(self, count: int, *, rolled: int) -> Int[Tensor, " tokens"]:
        """Where the rows of such a `sample` are."""
        return torch.randperm(self.n_tokens, generator=generator(rolled))[:count]

    def written(self, reads: int | None) -> "Preprocessed":
        """The columns behind the first `reads`, which a method writes that reads these; all of them for None.

        For preprocessings that treat columns one by one: ValueError for another.
        """
        if reads is None:
            return self
        if self.name in MIX_COLUMNS:
            raise ValueError(f"{self.name} mixes what is read with what is written")
        return preprocessed(self.activations.written(reads), self.name)

    def part(self, index: int, of: int) -> "Preprocessed":
        """One of `of` disjoint parts of the training rows; what the preprocessing knows is still that of all rows."""
        return replace(self, activations=self.activations.part(index, of))

    def to(self, device: torch.device | str) -> "Preprocessed":
        """The same view with all rows in a device's memory; moments stay where they are."""
        shift, linear = self.preprocess.shift.to(device), self.preprocess.linear.to(device)
        return replace(
            self,
            activations=self.activations.to(device),
            preprocess=replace(self.preprocess, shift=shift, linear=linear),
            heldout=replace(self.heldout, rows=self.heldout.rows.to(device)),
        )


def _norms(rows: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape 1"]:
    """At least the smallest number that a row can be divided by."""
    return rows.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)


@guarded()
def preprocessed(activations: Activations, name: Preprocessing | str) -> Preprocessed:
    """See activations through a preprocessing. ValueError unless `name` is one of PREPROCESSINGS.

    Moments afterwards follow exactly from the stored ones; only unit-norm reads all training rows once.

    Raises:
        ActivationsError: all activations are equal, and the preprocessing divides by their spread.
    """
    if name not in PREPROCESSINGS:
        raise ValueError(f"preprocessing {name!r} is not one of {', '.join(PREPROCESSINGS)}")
    preprocess = _preprocess(activations.moments, name)
    heldout = replace(activations.heldout, rows=preprocess(activations.heldout.rows))
    moments = _measured(activations, preprocess) if preprocess.unit_norm else preprocess.moments(activations.moments)
    return Preprocessed(name, activations, preprocess, moments, heldout)


def check_trainable(seen: Preprocessed) -> None:
    """Refuse before training what no method can fit.

    Raises:
        ActivationsError: one dimension, equal rows, or rows so long or short that float32 cannot hold their squares.
    """
    check_varied(seen.activations)
    name, moments = seen.activations.name, seen.activations.moments
    length = math.sqrt((moments if seen.preprocess.unit_norm else seen.moments).mean_squared_norm)
    if not _SHORTEST < length < _LONGEST:
        raise ActivationsError(
            f"{name}: its rows have length {length:.1e} @{seen.name}, whose square float32 cannot hold well: divide "
            f"all rows by one number, to lengths from {_SHORTEST:g} to {_LONGEST:g}, or preprocess by centre-scale"
        )


def check_varied(activations: Activations) -> None:
    """Raise ActivationsError where activations have one dimension, or all rows are equal."""
    name, moments = activations.name, activations.moments
    if activations.d_model == 1:
        raise ActivationsError(f"{name} has one column: in one dimension there are no directions to learn")
    if moments.total_variance <= _EQUAL * moments.mean_squared_norm:
        raise ActivationsError(
            f"{name}: all rows are equal, there is nothing to learn: look at how they were collected"
        )


def _measured(activations: Activations, preprocess: Preprocess) -> Moments:
    return moments_of(preprocess(block) for block in activations.blocks())


def _preprocess(moments: Moments, name: Preprocessing | str) -> Preprocess:
    if name in {"centre-scale", "standardise", "whiten"} and moments.total_variance == 0:
        raise ActivationsError(f"all activations are equal, which {name} cannot scale: look at how they were collected")
    shift = torch.zeros_like(moments.mean) if name in {"none", "unit-norm"} else moments.mean
    return Preprocess(shift.float(), _linear(moments, name).float(), unit_norm=name == "unit-norm")


def _linear(moments: Moments, name: Preprocessing | str) -> Float64[Tensor, "*maps"]:
    if name == "centre-scale":
        return torch.tensor(1 / moments.scale, dtype=torch.float64)
    if name == "standardise":
        variance = moments.covariance.diagonal()
        return torch.where(variance > _CONSTANT * variance.mean(), variance.rsqrt(), 0.0)
    if name == "whiten":
        return _whitening(moments)
    return torch.ones((), dtype=torch.float64)


def _whitening(moments: Moments) -> Float64[Tensor, "d_model d_model"]:
    """S_shrunk^(-1/2), where S_shrunk = (1 - a) S + a (tr S / d) I and a = WHITEN_SHRINKAGE."""
    variances, axes = torch.linalg.eigh(moments.covariance)
    shrunk = (1 - WHITEN_SHRINKAGE) * variances + WHITEN_SHRINKAGE * variances.mean()
    return (axes * shrunk.rsqrt()) @ axes.T
