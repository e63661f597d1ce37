"""The `blend` start: atoms as p (x - mean) + (1 - p) noise, published with p = .8.

Source: @saev2025datapoint.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator
from reseed.errors import SpecError
from reseed.starts._kind import Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["BLEND"]


def _atoms(start: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    if n_atoms > seen.n_tokens:
        raise SpecError(f"{n_atoms} atoms from {seen.n_tokens} activations: use fewer atoms, or more activations")
    rows = seen.sample(n_atoms, rolled=rolls["points"]) - seen.moments.mean.float()
    noise = torch.randn(rows.shape, generator=generator(rolls["init"])) * seen.scale
    return start.blend * rows + (1 - start.blend) * noise


BLEND = StartKind(
    name="blend",
    title="Activations blended with noise",
    meaning="different activations less their mean, blended with isotropic directions of the same size",
    dice=("points", "init"),
    atoms=_atoms,
)
