"""The `kmeans-permuted` start: a control for the matching."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator
from reseed.starts._kind import Rolls, StartKind
from reseed.starts.kmeans import CENTROIDS, enough_tokens

__all__ = ["KMEANS_PERMUTED"]


def _arrange(points: Float[Tensor, "points d_model"], rolls: Rolls) -> Float[Tensor, "points d_model"]:
    return points[torch.randperm(len(points), generator=generator(rolls["init"], "order"))]


KMEANS_PERMUTED = StartKind(
    name="kmeans-permuted",
    title="k-means centroids in another order",
    meaning="the same, rows in another order: a control whose distance at step 0 must read 0",
    dice=("points", "kmeans", "init"),
    points=CENTROIDS,
    arrange=_arrange,
    check=enough_tokens,
    same_in_all_runs=("points", "kmeans"),
    shared_when_published=True,
)
