"""The kinds of start, by name."""

from reseed.starts._kind import StartKind
from reseed.starts.data import DATA
from reseed.starts.kmeans import KMEANS
from reseed.starts.kmeans_permuted import KMEANS_PERMUTED
from reseed.starts.random import RANDOM

__all__ = ["STARTS"]

STARTS: dict[str, StartKind] = {kind.name: kind for kind in (RANDOM, DATA, KMEANS, KMEANS_PERMUTED)}
