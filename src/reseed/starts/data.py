"""The `data` start."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.starts._kind import Points, Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["DATA"]


def _identity(_: "Start", n_points: int, rolls: Rolls) -> tuple[object, ...]:
    return ("data", n_points, rolls["points"])


def _draw(
    _: "Start", n_points: int, seen: "Preprocessed", rolls: Rolls, _device: torch.device | str
) -> Float[Tensor, "points d_model"]:
    """Different training rows."""
    return seen.sample(n_points, rolled=rolls["points"])


DATA = StartKind(
    name="data",
    title="Activations",
    meaning="different activations",
    dice=("points",),
    points=Points(identity=_identity, draw=_draw),
)
