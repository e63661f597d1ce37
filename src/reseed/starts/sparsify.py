"""The `sparsify` start: what sparsify 1.3.3 begins with, a decoder that is copied from the encoder."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.starts._kind import Rolls, StartKind, no_bias
from reseed.starts._uniform import uniform_rows

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["SPARSIFY"]


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return _encoder(n_atoms, seen, rolls) * seen.scale


def _encoder(n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    return uniform_rows(n_atoms, seen.d_model, rolls["init"])


SPARSIFY = StartKind(
    name="sparsify",
    title="sparsify's default",
    meaning="a random encoder as torch draws it, its directions as atoms, and no decoder bias yet",
    dice=("init",),
    atoms=_atoms,
    encoder=_encoder,
    bias=no_bias,
)
