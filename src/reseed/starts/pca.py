"""The `pca` start: principal directions, which all runs share.

Up to d_model atoms there is no chance in it: runs are born identical.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator
from reseed.methods import principal_axes
from reseed.starts._kind import Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["PCA"]


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    variances, axes = principal_axes(seen.moments.covariance, seen.d_model)
    spreads = variances.clamp(min=0.0).sqrt()
    beyond = max(0, n_atoms - len(axes))
    mixed = torch.randn(beyond, len(axes), generator=generator(rolls["init"]), dtype=torch.float64) * spreads
    return torch.cat([axes[:n_atoms] * seen.scale, mixed @ axes]).float()


PCA = StartKind(
    name="pca",
    title="Principal directions",
    meaning="principal directions, the strongest first; beyond d_model, random ones with the activations' covariance",
    dice=("init",),
    atoms=_atoms,
    shared_when_published=True,
    deciding=lambda _, n_atoms, d_model: ("init",) if n_atoms > d_model else (),
)
