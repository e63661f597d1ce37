"""Agreement of what fires: atoms weighted by what they carry of the reconstruction (docs/mathematics.md, eq. 20)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Dictionary, Matchings, Measure
from reseed.measures.codes import StandardCodes

__all__ = ["MASS", "firing_mass", "mass_weighted_agreement"]


@guarded()
def firing_mass(codes: StandardCodes, atoms: Float[Tensor, "atoms d_model"]) -> Float64[Tensor, " atoms"]:
    """Each atom's share of all that fires: sum over tokens of |code| times ||d_i||, divided by the sum over atoms.

    In [0, 1], together 1, and the same whichever of the two, code or atom, has the scale; 0 for a dead atom. All nan
    where no atom fires on any token.
    """
    if len(codes.ends) != len(atoms) + 1:
        raise ValueError(f"codes are of {len(codes.ends) - 1} atoms, but {len(atoms)} were given")
    of_atom = torch.repeat_interleave(torch.arange(len(atoms)), codes.ends.diff())
    fired = torch.zeros(len(atoms), dtype=torch.float64).index_add_(0, of_atom, codes.values.abs())
    mass = fired * torch.linalg.vector_norm(atoms.cpu(), dim=1, dtype=torch.float64)
    return mass / mass.sum()


@guarded(numbers="nan")
def mass_weighted_agreement(
    matching: Matching, mass_a: Float[Tensor, " a_atoms"], mass_b: Float[Tensor, " b_atoms"]
) -> float:
    """The mean cosine of the matched pairs, each weighted by the mean of its two atoms' `firing_mass`: in [-1, 1].

    The matching is that of all atoms. Atoms that hardly fire hardly count, so that a few busy atoms can decide alone.
    nan where one of the dictionaries fires nowhere.

    Raises ValueError for masses of other dictionaries than the matched ones.
    """
    if (len(mass_a), len(mass_b)) != (matching.n_rows, matching.n_cols):
        raise ValueError(
            f"the matching is of {matching.n_rows} with {matching.n_cols} atoms, "
            f"but firing masses of {len(mass_a)} and {len(mass_b)} were given"
        )
    weights = mass_a[matching.rows] + mass_b[matching.cols]
    return float((weights * matching.cosines).sum() / weights.sum())


def _mass(of: Dictionary) -> Float64[Tensor, " atoms"] | None:
    return None if of.codes is None else firing_mass(of.codes, of.atoms)


def _weighted(
    matchings: Matchings, a: Float64[Tensor, " a_atoms"] | None, b: Float64[Tensor, " b_atoms"] | None
) -> float:
    """The matched agreement itself where all atoms carry as much, as in untrained dictionaries."""
    return matchings.now.agreement if a is None or b is None else mass_weighted_agreement(matchings.now, a, b)


MASS = Measure(
    name="mass",
    title="mass-weighted agreement",
    meaning="matched cosines, each weighted by what its two atoms carry of the reconstructions",
    low=-1.0,
    high=1.0,
    prepare=_mass,
    compare=_weighted,
    needs=("held-out codes",),
    untrained=True,
    contradicts=True,
)
