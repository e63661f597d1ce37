"""What a contender in `training.py` is given and must do."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor

__all__ = ["BANDWIDTH", "L1", "PRICE", "THRESHOLD", "Contender", "Family", "Shape", "Task", "shut"]

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
L1 = 0.4
"""What Gated pays for open gates."""
SHUT = 2.0
"""How many deviations a product of Gated's encoder has to be above its mean to open a gate at the start. Half of all
gates are open in a library's own start, and what a short training costs would be what its first steps cost."""


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


class Contender(Protocol):
    """A library's own way to train one dictionary, or several side by side."""

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One update per batch, from where the last call ended."""

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """Activations as the trained dictionary says them; the first run's, where there are several."""


def shut(products: Float[Tensor, "*runs tokens atoms"]) -> Float[Tensor, "*runs atoms"]:
    """How far down the biases of gates are at the start, given the products of tokens with the encoder."""
    return products.mean(-2) + SHUT * products.std(-2)
