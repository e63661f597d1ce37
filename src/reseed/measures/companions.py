"""What stands beside the matched agreement of two dictionaries, trained or not, measured by one code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float, Float64
from torch import Tensor

from reseed import measures

if TYPE_CHECKING:
    from reseed.matching import Matching

__all__ = ["COMPANIONS", "Dictionary", "Space", "dictionary_measures", "prepared", "space"]

COMPANIONS = {
    "code": "correlation of matched atoms' codes on the held-out tokens, in [-1, 1]",
    "mmcs": "mean best cosine, the mean of both directions, in [-1, 1]",
    "shared": "fraction of matched pairs with cosine above .7 in decoder and encoder, in [0, 1]",
    "projection": "correlation of matched atoms' projections of the activations, in [-1, 1]",
    "whitened": "cosine of matched atoms where the activations vary alike in all directions, in [-1, 1]",
    "subspace": "overlap of the subspaces that the atoms mostly lie in, in [0, 1]",
    "alive": "matched agreement of the atoms that fire on the held-out tokens, in [-1, 1]",
    "mass": "cosine of matched atoms, weighted by what they carry of the held-out reconstructions, in [-1, 1]",
}
"""The measures that travel with the matched agreement."""


@dataclass(frozen=True)
class Space:
    """Where the dictionaries of a condition lie: what the activations say about directions."""

    covariance: Float[Tensor, "d_model d_model"]
    whitening: Float64[Tensor, "d_model d_model"]
    """Its shrunk inverse."""
    rank: int
    """Dimensions of the subspaces that are compared."""


@dataclass(frozen=True)
class Dictionary:
    """A dictionary with what its measures need, prepared once for all pairs that it is part of."""

    atoms: Float[Tensor, "atoms d_model"]
    encoder: Float[Tensor, "atoms d_model"]
    projections: measures.Projections
    whitened: measures.Projections
    subspace: Float64[Tensor, "d_model some"]
    """Its leading directions, as many of `rank` as it spans."""
    rank: int


def space(covariance: Float[Tensor, "d_model d_model"], n_atoms: int) -> Space:
    """What activations of this covariance give to compare dictionaries of `n_atoms` by."""
    rank = measures.carrying_rank(covariance, n_atoms)
    return Space(covariance, measures.shrunk_inverse(covariance), rank)


def prepared(
    atoms: Float[Tensor, "atoms d_model"], encoder: Float[Tensor, "atoms d_model"], seen_in: Space
) -> Dictionary:
    """A dictionary, ready to be compared with others."""
    projections = measures.projections(atoms, seen_in.covariance)
    return Dictionary(
        atoms=atoms,
        encoder=encoder,
        projections=projections,
        whitened=measures.projections_along(projections.directions, seen_in.whitening),
        subspace=measures.leading_directions(projections.directions, seen_in.rank),
        rank=seen_in.rank,
    )


def dictionary_measures(matching: Matching, a: Dictionary, b: Dictionary) -> dict[str, float]:
    """The companions that need no codes; an untrained dictionary is its own encoder."""
    best = measures.mmcs(matching)
    return {
        "mmcs": (best.forward + best.backward) / 2,
        "mmcs_ab": best.forward,
        "mmcs_ba": best.backward,
        "shared": measures.shared_fraction(matching, a.encoder, b.encoder),
        "projection": measures.projection_correlations(matching, a.projections, b.projections).mean().item(),
        "whitened": measures.projection_correlations(matching, a.whitened, b.whitened).mean().item(),
        "subspace": measures.overlap(a.subspace, b.subspace, rank=a.rank).value,
    }
