"""Identity: how many atoms still go with the partner that they were born with (docs/mathematics.md, eq. 60)."""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Dictionary, Matchings, Measure
from reseed.measures._fits import check_fits

__all__ = ["IDENTITY", "identity"]


@guarded()
def identity(
    born: Matching,
    now: Matching,
    *,
    alive_a: Bool[Tensor, " a_atoms"] | None = None,
    alive_b: Bool[Tensor, " b_atoms"] | None = None,
) -> float:
    """The share of living atoms whose partner is their birth partner, the one of step 0, beyond chance: at most 1.

    (f - s/m) / (s - s/m), f being how many of the s pairs that were born together and live on both sides are still
    together, m the atoms of the larger dictionary: a matching without memory keeps s/m of them. With all atoms alive it
    is (fixed points - 1) / (n - 1). Below 0 by chance alone; nan where at most one atom lives, or could be told apart.
    Init memory says whether the start decides which dictionary comes out; this says whether it decides who is who.

    Raises ValueError for matchings of dictionaries of different sizes, or lives of others.
    """
    if (born.n_rows, born.n_cols) != (now.n_rows, now.n_cols):
        raise ValueError(
            f"one matching is of {born.n_rows} with {born.n_cols} atoms, the other of {now.n_rows} with {now.n_cols}"
        )
    lives_a = torch.ones(now.n_rows, dtype=torch.bool) if alive_a is None else alive_a.cpu()
    lives_b = torch.ones(now.n_cols, dtype=torch.bool) if alive_b is None else alive_b.cpu()
    check_fits(now, lives_a, lives_b)
    partner = torch.full((now.n_rows,), -1)
    partner[now.rows] = now.cols
    living = lives_a[born.rows] & lives_b[born.cols]
    together = int((partner[born.rows] == born.cols)[living].sum())
    by_chance = int(living.sum()) / max(now.n_rows, now.n_cols, 1)
    beyond = int(living.sum()) - by_chance
    return (together - by_chance) / beyond if beyond > 0 else math.nan


def _alive(of: Dictionary) -> Bool[Tensor, " atoms"] | None:
    return of.alive


def _since_step_0(
    matchings: Matchings, a: Bool[Tensor, " a_atoms"] | None, b: Bool[Tensor, " b_atoms"] | None
) -> float:
    return math.nan if matchings.born is None else identity(matchings.born, matchings.now, alive_a=a, alive_b=b)


IDENTITY = Measure(
    name="identity",
    title="identity",
    meaning="share of living atoms whose partner is the one that they were born with, beyond chance",
    low=-1.0,
    high=1.0,
    prepare=_alive,
    compare=_since_step_0,
    needs=("step 0",),
    role="mechanism",
)
