"""What a contender in `training.py` is given and must do."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor

__all__ = ["BANDWIDTH", "L1", "PRICE", "THRESHOLD", "Contender", "Family", "Shape", "Task"]

Family = Literal["topk", "batchtopk", "matryoshka", "jumprelu", "gated", "mp", "ra-topk", "ra-jumprelu", "transcoder"]


class Shape(NamedTuple):
    """Sizes that are measured."""

    d_model: int
    n_atoms: int
    k: int
    batch_size: int
    n_points: int


THRESHOLD, BANDWIDTH = 0.5, 0.1
"""Of JumpReLU at the start, in units of an activation's root mean square deviation per dimension."""
PRICE = 10.0
"""What JumpReLU pays for the distance of its active atoms from k; see `l0` of reseed's."""
L1 = 0.7
"""What Gated pays for open gates: so much that few are open after 30 steps, and then codes explain next to nothing.
With less, all of a short training is as its first steps are."""


@dataclass(frozen=True)
class Task:
    """The same for all: activations at a root mean square distance of 1 to their mean, sizes and a constant rate."""

    rows: Float[Tensor, "tokens d_model"]
    """training activations"""
    points: Float[Tensor, "points d_model"]
    """what archetypal dictionaries mix their atoms from: training activations, at least as many as atoms"""
    n_atoms: int
    k: int
    batch_size: int
    steps: int
    """updates in all"""
    learning_rate: dict[Family, float]
    """of Adam, from the first step to the last"""

    @property
    def d_model(self) -> int:
        """Dimensions of an activation."""
        return self.rows.shape[1]

    @property
    def reads(self) -> int:
        """Columns that a transcoder reads, the first of a row; it writes the others, as many."""
        return self.d_model // 2


class Contender(Protocol):
    """A library's own way to train one dictionary, or several side by side."""

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One update per batch, from where the last call ended."""

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """Activations as the trained dictionary says them, or what a transcoder writes; of several runs the first."""
