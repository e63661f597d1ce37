"""The `kmeans` start (@lloyd1982least)."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.errors import SpecError
from reseed.starts._kind import Points, Rolls, StartKind
from reseed.starts.lloyd import kmeans

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["CENTROIDS", "KMEANS", "enough_tokens"]


def _identity(start: "Start", n_points: int, rolls: Rolls) -> tuple[object, ...]:
    return ("kmeans", n_points, start.points_tokens, start.kmeans_steps, rolls["points"], rolls["kmeans"])


def _draw(
    start: "Start", n_points: int, seen: "Preprocessed", rolls: Rolls, device: torch.device | str
) -> Float[Tensor, "points d_model"]:
    """Centroids of the activations that the points die drew."""
    rows = seen.sample(start.tokens_for(n_points, seen.n_tokens), rolled=rolls["points"]).to(device)
    return kmeans(rows, n_points, steps=start.kmeans_steps, rolled=rolls["kmeans"]).points.cpu()


def enough_tokens(start: "Start", n_points: int) -> None:
    """Raise SpecError unless k-means sees at least as many activations as it is to find points."""
    n_tokens = start.points_tokens
    if n_tokens is not None and n_tokens < n_points:
        raise SpecError(f"points_tokens = {n_tokens} for {n_points} points: k-means needs a token for each point")


CENTROIDS = Points(identity=_identity, draw=_draw)
"""What both kinds of k-means start are made from: one set of centroids where they share the rolls."""

KMEANS = StartKind(
    name="kmeans",
    title="k-means centroids",
    meaning="k-means centroids of activations",
    dice=("points", "kmeans"),
    points=CENTROIDS,
    check=enough_tokens,
    shared_when_published=True,
)
