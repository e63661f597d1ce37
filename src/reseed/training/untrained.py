"""Dictionaries of activations, as the references draw them (docs/mathematics.md, section 3 and eq. 25)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reseed.dice import roll
from reseed.starts.lloyd import drawn_rows
from reseed.starts.nearby import nearby

if TYPE_CHECKING:
    from reseed.activations import Preprocessed

__all__ = ["Sampled", "Untrained", "data_atoms", "kmeans_atoms", "kmeans_tokens", "kmeans_visits"]

_FEW, _MANY = 32, 128  # activations per centroid, to begin with and at most
_MOST_BYTES = 2**31  # of them in memory at once, unless that were too few to begin with
_SETTLED = 0.005  # share of the inertia: an iteration that lowers it by less is the last one


@runtime_checkable
class Sampled(Protocol):
    """Rows that can be drawn: activations as some preprocessing, or some dictionary, sees them."""

    @property
    def d_model(self) -> int:
        """Dimensions of a row."""
        ...

    @property
    def n_tokens(self) -> int:
        """Rows that there are."""
        ...

    def sample(self, count: int, *, rolled: int) -> Float[Tensor, "count d_model"]:
        """Rows drawn at random with one roll, without replacement."""
        ...


@dataclass(frozen=True)
class Untrained:
    """Activations after one preprocessing, as a `reseed.floors.Source`: it rolls dice that no run rolls."""

    activations: "Preprocessed"
    replicate: int
    """Another number is another roll of all dice."""
    tokens_per_run: int
    """Activations that one training reads, repeated ones counted."""
    kmeans_steps: int

    @property
    def recipe(self) -> dict[str, int | float]:
        """The settings that decide what is drawn."""
        return {
            "replicate": self.replicate,
            "tokens_per_run": self.tokens_per_run,
            "kmeans_steps": self.kmeans_steps,
            "settled": _SETTLED,
        }

    def sample(self, count: int, *name: int | str) -> Float[Tensor, "count d_model"]:
        """Training activations drawn at random, without replacement."""
        return data_atoms(self.activations, count, points=roll("points", self.replicate, "floor", *name))

    def centroids(self, count: int, draw: int) -> Float[Tensor, "count d_model"]:
        """K-means centroids of `tokens_for(count)` activations."""
        return kmeans_atoms(
            self.activations,
            count,
            tokens=self.tokens_for(count),
            steps=self.kmeans_steps,
            points=roll("points", self.replicate, "floor", "kmeans", draw),
            start=roll("kmeans", self.replicate, "floor", draw),
        )

    def tokens_for(self, count: int) -> int:
        """How many activations so many centroids are made of."""
        return kmeans_tokens(self.activations.n_tokens, self.activations.d_model, count, seen=self.tokens_per_run)


def data_atoms(seen: Sampled, n_atoms: int, *, points: int) -> Float[Tensor, "atoms d_model"]:
    """Activations drawn at random with the roll `points`."""
    return seen.sample(n_atoms, rolled=points)


def kmeans_tokens(n_tokens: int, d_model: int, n_atoms: int, *, seen: int | None = None) -> int:
    """How many of `n_tokens` activations each draw of the k-means reference looks at.

    As many as a training run sees (`seen`), within limits, for centroids of more activations agree more: .753, .774,
    .785 and .793 at 32, 64, 122 and 244 for each of 512 centroids, after five passes on layer 10 of SmolLM2-135M. A
    reference decides nothing, so it is not worth more than a part of what training takes: no more than 128 per
    centroid, nor than half of what there is, so that two draws share about half of theirs at most, nor than 2 GiB; and
    no fewer than 32 per centroid, or all there are.
    """
    most = min(n_tokens // 2, _MANY * n_atoms, _MOST_BYTES // (4 * d_model))
    enough = most if seen is None else min(most, seen)
    return max(enough, min(n_tokens, _FEW * n_atoms))


def kmeans_visits(tokens: int, n_atoms: int) -> int:
    """How often `kmeans_atoms` of so many activations takes one of them to all centroids."""
    few = min(tokens, _FEW * n_atoms)
    return few + (tokens if tokens > few else 0)


def kmeans_atoms(
    seen: Sampled, n_atoms: int, *, tokens: int, steps: int, points: int, start: int
) -> Float[Tensor, "atoms d_model"]:
    """Centroids of `tokens` activations drawn with the roll `points`, from a start drawn with the roll `start`.

    At most `steps` iterations on 32 activations per centroid are followed by at most as many on all of them, each time
    until they settle. ValueError for fewer activations than centroids.
    """
    rows = seen.sample(tokens, rolled=points).float()
    few = rows[: _FEW * n_atoms]
    begun = nearby(few, drawn_rows(few, n_atoms, rolled=start), steps=steps, settled=_SETTLED).points
    return begun if len(few) == len(rows) else nearby(rows, begun, steps=steps, settled=_SETTLED).points
