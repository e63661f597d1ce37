"""What a dictionary reads: the activations as they are, or something that is made of each of them first.

Cosines are compared within one space. A factor that is the same for all tokens changes no direction; taking a mean
off, layer norm and whitening do.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr

__all__ = ["ConstantNorm", "LayerNorm", "Raw", "Space", "Whitened"]

Rows = Float[Tensor, "tokens d_model"]


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
    """Every token brought to the norm √d."""

    @property
    def kind(self) -> str:
        """`constant norm`."""
        return "constant norm"

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """Each x √d / ‖x‖."""
        factor = x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)
        return x * factor, lambda there: there / factor


@dataclass(frozen=True, repr=False)
class Whitened(Space):
    """The activations less a mean, times a matrix."""

    mean: Float[Tensor, " d_model"]
    matrix: Float[Tensor, "d_model d_model"]
    inverse: Float[Tensor, "d_model d_model"]

    @property
    def kind(self) -> str:
        """`whitened`: by whatever matrix, so that two of them are compared at their own risk."""
        return "whitened"

    def enter(self, x: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
        """(x - mean) matrix."""
        return (x - self.mean.to(x)) @ self.matrix.to(x), lambda there: there @ self.inverse.to(x) + self.mean.to(x)
