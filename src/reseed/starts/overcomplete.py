"""The `overcomplete` start: what the top-k models of overcomplete 0.3.0 begin with.

The normalisation over a batch that its encoder has by default is part of the method there, and not of the start.
"""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.starts._kind import Rolls, StartKind, no_bias
from reseed.starts._uniform import uniform_rows

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["OVERCOMPLETE"]


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return uniform_rows(n_atoms, seen.d_model, rolls["init"]) * seen.scale


def _encoder(n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return uniform_rows(n_atoms, seen.d_model, rolls["encoder"], "overcomplete")


OVERCOMPLETE = StartKind(
    name="overcomplete",
    title="overcomplete's default",
    meaning="random directions, and a random encoder of its own as torch draws it",
    dice=("init", "encoder"),
    atoms=_atoms,
    encoder=_encoder,
    bias=no_bias,
)
