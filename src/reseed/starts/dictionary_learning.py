"""The `dictionary-learning` start: what the top-k trainers of dictionary_learning 0.1.0 begin with."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.methods import unit_rows
from reseed.starts._kind import Rolls, StartKind
from reseed.starts._uniform import uniform_rows

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["DICTIONARY_LEARNING"]

_STEPS, _SETTLED = 100, 1e-5


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return uniform_rows(n_atoms, seen.d_model, rolls["init"]) * seen.scale


def _encoder(n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return unit_rows(uniform_rows(n_atoms, seen.d_model, rolls["init"]))


def geometric_median(rows: Float[Tensor, "tokens d_model"]) -> Float[Tensor, " d_model"]:
    """The point with the least sum of distances to the rows, found by Weiszfeld's iteration."""
    rows = rows.double()
    median = rows.mean(0)
    for _ in range(_STEPS):
        weights = 1 / (rows - median).norm(dim=1).clamp(min=1e-12)
        nearer = weights @ rows / weights.sum()
        moved, median = (nearer - median).norm(), nearer
        if moved < _SETTLED:
            break
    return median.float()


DICTIONARY_LEARNING = StartKind(
    name="dictionary-learning",
    title="dictionary_learning's default",
    meaning="random directions, a unit encoder of the same, and the geometric median of a sample as decoder bias",
    dice=("init",),
    atoms=_atoms,
    encoder=_encoder,
    bias=geometric_median,
)
