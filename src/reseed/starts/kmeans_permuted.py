"""The `kmeans-permuted` start: a control for the matching."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import Die, generator
from reseed.starts._kind import Rolls, StartKind
from reseed.starts.kmeans import CENTROIDS, enough_tokens

if TYPE_CHECKING:
    from reseed.starts.start import Start

__all__ = ["KMEANS_PERMUTED"]


def _arrange(points: Float[Tensor, "points d_model"], rolls: Rolls) -> Float[Tensor, "points d_model"]:
    return points[torch.randperm(len(points), generator=generator(rolls["init"], "order"))]


def _deciding(start: "Start", n_atoms: int, _: int) -> tuple[Die, ...]:
    """Of more points than atoms the order says which are taken."""
    points_and_kmeans: tuple[Die, ...] = ("points", "kmeans")
    return points_and_kmeans if (start.n_points or n_atoms) == n_atoms else (*points_and_kmeans, "init")


KMEANS_PERMUTED = StartKind(
    name="kmeans-permuted",
    title="k-means centroids in another order",
    meaning="one set of k-means centroids, in another order for every start: a control whose distance at step 0 is 0",
    dice=("points", "kmeans", "init"),
    points=CENTROIDS,
    arrange=_arrange,
    check=enough_tokens,
    same_in_all_runs=("points", "kmeans"),
    shared_when_published=True,
    deciding=_deciding,
)
