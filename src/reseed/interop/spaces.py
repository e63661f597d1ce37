"""What a dictionary reads: the activations as they are, or something that is made of each of them first.

Cosines are compared within one space. A factor that is the same for all tokens changes no direction; taking a mean
off, layer norm and whitening do.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed.errors import DictionaryError

__all__ = ["Affine", "ConstantNorm", "LayerNorm", "Raw", "Space", "Unmapped", "times"]

Rows = Float[Tensor, "tokens d_model"]
Linear = Float[Tensor, "*maps"]
"""A factor, a factor for each dimension, or a matrix that rows are multiplied by."""


def times(rows: Float[Tensor, "rows d_model"], linear: Linear) -> Float[Tensor, "rows d_model"]:
    """Rows after a linear map, in the type of the rows."""
    linear = linear.to(rows)
    return rows @ linear if linear.ndim == 2 else rows * linear  # noqa: PLR2004 (a matrix)


class Space(ABC):
    """A space that atoms live in."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Dictionaries of one kind may be compared."""

    @abstractmethod
    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """The activations there, and the way back for what is reconstructed of them."""

    __repr__ = brief_repr


@dataclass(frozen=True, repr=False)
class Raw(Space):
    """The activations, times one factor for all."""

    scale: float = 1.0
    out: float | None = None
    """The factor of what is reconstructed, where it is another one: a transcoder's."""

    @property
    def kind(self) -> str:
        """`raw`, whatever the factor."""
        return "raw"

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """The activations times the scale; what is reconstructed is divided by its own factor."""
        factor = self.scale if self.out is None else self.out
        return x * self.scale, lambda there: there / factor


@dataclass(frozen=True, repr=False)
class LayerNorm(Space):
    """Every token less its own mean, over its own standard deviation (of d - 1 degrees)."""

    epsilon: float = 1e-5

    @property
    def kind(self) -> str:
        """`layer norm`."""
        return "layer norm"

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """(x - mean(x)) / (std(x) + epsilon)."""
        mean = x.mean(dim=-1, keepdim=True)
        centred = x - mean
        spread = centred.std(dim=-1, keepdim=True)
        return centred / (spread + self.epsilon), lambda there: there * spread + mean


@dataclass(frozen=True, repr=False)
class ConstantNorm(Space):
    """Every token brought to one norm; a zero token stays zero."""

    norm: float | None = None
    """None: √d."""

    @property
    def kind(self) -> str:
        """`constant norm`, whatever the norm."""
        return "constant norm"

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """Each x norm / ‖x‖."""
        norm = x.shape[-1] ** 0.5 if self.norm is None else self.norm
        norms = x.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
        return x / norms * norm, lambda there: there * norms / norm


@dataclass(frozen=True, repr=False)
class Affine(Space):
    """The activations less a mean, times a factor, a factor for each dimension, or a matrix."""

    mean: Float[Tensor, " d_model"]
    linear: Linear
    inverse: Linear
    """The way back; 0 where the map gives 0."""
    name: str
    """`centred`, `standardised` or `whitened`."""

    @property
    def kind(self) -> str:
        """Its name: by whatever mean and matrix, so that two of them are compared at their own risk."""
        return self.name

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """(x - mean) linear."""
        mean = self.mean.to(x)
        return times(x - mean, self.linear), lambda there: times(there, self.inverse) + mean


@dataclass(frozen=True, repr=False)
class Unmapped(Space):
    """A space whose name is known, and not the map into it."""

    name: str
    why: str
    """What is missing, and what to do, one sentence that ends an error."""

    @property
    def kind(self) -> str:
        """Its name."""
        return self.name

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """Nobody can. Raises DictionaryError."""
        del x
        raise DictionaryError(f"it reads {self.name} activations, and makes nothing of others: {self.why}")
