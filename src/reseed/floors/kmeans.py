"""K-means centroids of as many activations as a run sees (docs/mathematics.md, eq. 25)."""

from jaxtyping import Float
from torch import Tensor

from reseed.floors._base import FloorKind, Source

__all__ = ["KMEANS"]


def _clustered(source: Source, n_atoms: int, draw: int) -> Float[Tensor, "atoms d_model"]:
    return source.centroids(n_atoms, draw)


def _told(source: Source, n_atoms: int) -> str:
    return f"; of {source.tokens_for(n_atoms):,} activations"


KMEANS = FloorKind(
    name="kmeans",
    title="k-means",
    gives="k-means dictionaries",
    meaning="what k-means, another learner, agrees on the same activations",
    policy="n_atoms k-means centroids, each dictionary from activations and a start of its own",
    role="reference",
    draw=_clustered,
    commutes=True,
    told=_told,
)
