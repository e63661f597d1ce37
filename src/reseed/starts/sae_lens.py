"""The `sae-lens` start: what SAELens 6.54 begins with, its "heuristic" decoder norm of .1 included."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.methods import unit_rows
from reseed.starts._kind import Rolls, StartKind, no_bias
from reseed.starts._uniform import uniform_rows

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["SAE_LENS"]

_NORM = 0.1


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return uniform_rows(n_atoms, seen.d_model, rolls["init"]) * seen.scale


def _encoder(n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return _NORM * unit_rows(uniform_rows(n_atoms, seen.d_model, rolls["init"]))


SAE_LENS = StartKind(
    name="sae-lens",
    title="SAELens's default",
    meaning="random directions, with an encoder of the same directions and norm .1, and no decoder bias yet",
    dice=("init",),
    atoms=_atoms,
    encoder=_encoder,
    bias=no_bias,
)
