"""Agreement of the atoms that fire: matched without the dead ones (docs/mathematics.md, eq. 21)."""

from jaxtyping import Bool, Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import match
from reseed.measures._base import Dictionary, Matchings, Measure

__all__ = ["ALIVE", "alive_only"]


@guarded()
def alive_only(
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    alive_a: Bool[Tensor, " a_atoms"],
    alive_b: Bool[Tensor, " b_atoms"],
) -> tuple[Float[Tensor, "a_alive d_model"], Float[Tensor, "b_alive d_model"]]:
    """The two dictionaries (or encoders) without their dead atoms, to be matched and measured like any others."""
    for name, atoms, alive in (("first", a, alive_a), ("second", b, alive_b)):
        if len(alive) != len(atoms):
            raise ValueError(f"the {name} dictionary has {len(atoms)} atoms, but {len(alive)} are marked alive or dead")
    return a[alive_a], b[alive_b]


def _itself(of: Dictionary) -> Dictionary:
    return of


def _of_the_alive(matchings: Matchings, a: Dictionary, b: Dictionary) -> float:
    """The matched agreement itself where no atom is dead, as in untrained dictionaries."""
    if a.alive is None or b.alive is None or (a.alive.all() and b.alive.all()):
        return matchings.now.agreement
    alive = alive_only(a.atoms, b.atoms, a.alive, b.alive)
    return match(*alive, sign=matchings.now.sign).agreement


ALIVE = Measure(
    name="alive",
    title="agreement of alive atoms",
    meaning="matched agreement of the atoms that fire on the held-out tokens; mind how many these are",
    low=-1.0,
    high=1.0,
    prepare=_itself,
    compare=_of_the_alive,
    needs=("held-out codes",),
    untrained=True,
    contradicts=True,
)
