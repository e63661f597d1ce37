"""The `random` start."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator
from reseed.starts._kind import Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["RANDOM"]


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    """Independent normal numbers, as large as an activation's deviation from the mean."""
    return torch.randn(n_atoms, seen.d_model, generator=generator(rolls["init"])) * seen.scale


RANDOM = StartKind(
    name="random",
    title="Random directions",
    meaning="isotropic directions",
    dice=("init",),
    atoms=_atoms,
)
