"""Agreement of the pairs in which both atoms fire, all atoms being matched (docs/mathematics.md, eq. 66)."""

from jaxtyping import Bool, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Dictionary, Matchings, Measure

__all__ = ["ALIVE", "alive_cosines"]


@guarded()
def alive_cosines(
    matching: Matching, alive_a: Bool[Tensor, " a_atoms"], alive_b: Bool[Tensor, " b_atoms"]
) -> Float64[Tensor, " pairs"]:
    """The cosines of the matched pairs in which both atoms are alive; the dead ones take part in the matching.

    Raises ValueError for other numbers of atoms than the matched ones.
    """
    if (len(alive_a), len(alive_b)) != (matching.n_rows, matching.n_cols):
        raise ValueError(
            f"the matching is of {matching.n_rows} with {matching.n_cols} atoms, "
            f"but {len(alive_a)} and {len(alive_b)} are marked alive or dead"
        )
    return matching.cosines[alive_a[matching.rows] & alive_b[matching.cols]]


def _alive(of: Dictionary) -> Bool[Tensor, " atoms"] | None:
    return of.alive


def _of_the_alive(matchings: Matchings, a: Tensor | None, b: Tensor | None) -> float:
    """The matched agreement itself in untrained dictionaries, in which no atom is dead; nan where no pair is alive."""
    if a is None or b is None:
        return matchings.now.agreement
    return alive_cosines(matchings.now, a, b).mean().item()


ALIVE = Measure(
    name="alive",
    title="agreement of alive pairs",
    meaning="mean cosine of the matched pairs in which both atoms fire on the held-out tokens; mind how many these are",
    low=-1.0,
    high=1.0,
    prepare=_alive,
    compare=_of_the_alive,
    needs=("held-out codes",),
    untrained=True,
    contradicts=True,
)
