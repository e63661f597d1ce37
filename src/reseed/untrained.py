"""Untrained dictionaries of activations: what the `data` and `kmeans` floors are measured on (science §4)."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.kmeans import kmeans

if TYPE_CHECKING:
    from reseed.activations import View

__all__ = ["KMEANS_TOKENS", "data_atoms", "kmeans_atoms"]

KMEANS_TOKENS = 32
"""Activations per centroid, of which each draw has a sample of its own."""


def data_atoms(view: "View", n_atoms: int, *, points: int) -> Float[Tensor, "atoms d_model"]:
    """Activations drawn at random with the roll `points`."""
    return view.sample(n_atoms, rolled=points)


def kmeans_atoms(view: "View", n_atoms: int, *, steps: int, points: int, start: int) -> Float[Tensor, "atoms d_model"]:
    """Centroids of a sample drawn with the roll `points`, from a start drawn with the roll `start`.

    The sample has 32 activations per centroid, or all there are. ValueError where these are fewer than the centroids.
    """
    rows = view.sample(KMEANS_TOKENS * n_atoms, rolled=points)
    return kmeans(rows, n_atoms, steps=steps, rolled=start).points
