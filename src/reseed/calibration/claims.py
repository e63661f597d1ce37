"""How often a study claims what is not so, and how often it finds what is: on built studies, and on pure noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from reseed.calibration.built import Chosen, write_study
from reseed.calibration.folders import passing_folder
from reseed.calibration.matrices import Spread, drawn, starts_of
from reseed.calibration.results import Rate
from reseed.spec import Thresholds
from reseed.study import rejudge
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings

__all__ = ["NULLS", "SPREADS", "Truth", "false_claims", "gaining", "judged", "power"]

MARGIN, CONVERGENT = Thresholds().margin, Thresholds().convergent
DRAWS = 5
APART = 0.02  # how much closer runs of one start end than runs of two

SPREADS = {
    "as measured": Spread(start=0.0025, pair=0.004, run=0.001, noise=0.002),
    "starts only": Spread(start=0.004, run=0.001, noise=0.001),
}
"""Of B(T), so that the means of pairs of starts spread by .0055, as on stored activations of two language models
(.001 to .008, archetypal ones to .015)."""
FLOOR_SPREAD = Spread(start=0.0036, noise=0.0059)
"""Of k-means floors of 512 atoms on centred activations of a language model, from 8 draws."""
BORN_SPREADS = {True: Spread(start=0.004, pair=0.0065), False: Spread(noise=0.0002)}
"""Of B(0), for starts that are alike (k-means) or random."""


@dataclass(frozen=True)
class Truth:
    """What is so on average over studies."""

    name: str
    floor: float
    first: float
    """B(0)"""
    last: float
    """B(T)"""
    claims: frozenset[Outcome] = frozenset({Outcome.CONVERGENT, Outcome.STABILIZING})
    """What would be claimed: falsely in a null study."""
    born_alike: bool = False
    """Whether starts are like those from k-means, which differ in how alike they are, or random."""


def _at_the_threshold(floor: float) -> float:
    return floor + CONVERGENT * (1 - floor)


NULLS = (
    Truth("never together", floor=0.75, first=0.15, last=0.15),
    Truth("born beyond the floor, no gain", floor=0.75, first=0.8, last=0.8, born_alike=True),
    Truth("at the strictest floor, after a large gain", floor=0.75, first=0.15, last=0.75),
    Truth("gained exactly the margin", 0.75, first=0.8, last=0.8 + MARGIN * (1 - 0.8), born_alike=True),
    Truth("exactly at the convergent threshold", 0.75, 0.15, _at_the_threshold(0.75), frozenset({Outcome.CONVERGENT})),
)
"""Truths of which nothing in `claims` may be said."""


def gaining(margins: float, *, floor: float, born_alike: bool) -> Truth:
    """Starts that begin just beyond the floor and gain this many margins."""
    first = floor + 0.01 * (1 - floor)
    last = first + margins * MARGIN * (1 - first)
    return Truth(f"a gain of {margins:g} margins over {floor:.2f}", floor, first, last, born_alike=born_alike)


def false_claims(truth: Truth, spread: str, n_starts: int, repeats: int) -> tuple[Rate, Rate]:
    """How often the claims of a null are made; and how often they would be, were its floor known without error."""
    counts = Counter()
    for condition in judged(truth, SPREADS[spread], n_starts, repeats):
        counts["made"] += condition.verdict.outcome in truth.claims
        counts["floor known"] += _claimed_with_the_floor_known(condition, truth)
    name = f"{truth.name}, {n_starts} starts, {spread}"
    return (
        Rate(f"{name}: false claims", counts["made"] / repeats, repeats, most=0.05),
        Rate(f"{name}: with the floor taken as known", counts["floor known"] / repeats, repeats),
    )


def power(truth: Truth, spread: str, n_starts: int, repeats: int) -> Rate:
    """How often what is so is claimed."""
    found = sum(
        condition.verdict.outcome in truth.claims for condition in judged(truth, SPREADS[spread], n_starts, repeats)
    )
    return Rate(f"{truth.name}, {n_starts} starts, {spread}: found", found / repeats, repeats)


def judged(truth: Truth, spread: Spread, n_starts: int, repeats: int) -> list[ConditionFindings]:
    """What the real analysis says of so many studies with this truth, two runs from each start."""
    starts = starts_of(n_starts, 2)
    name = (truth.name, n_starts, repr(spread))
    first = _between(truth.first, BORN_SPREADS[truth.born_alike], starts, repeats, *name, "first", within=1.0)
    last = _between(truth.last, spread, starts, repeats, *name, "last", within=truth.last + APART * (1 - truth.last))
    floors = truth.floor + drawn(FLOOR_SPREAD, torch.arange(DRAWS), repeats, *name, "floor")
    data = torch.full((DRAWS, DRAWS), truth.floor / 2, dtype=torch.float64)
    return [
        _judge(Chosen(starts, first[number], last[number], {"data": data, "kmeans": floors[number]}))
        for number in range(repeats)
    ]


def _between(
    mean: float, spread: Spread, starts: Int[Tensor, " runs"], repeats: int, *name: int | str, within: float
) -> Float64[Tensor, "n r r"]:
    """Matrices of agreement with this mean between starts; those of runs born identical have one row for each start."""
    same = starts[:, None] == starts[None, :]
    if within == 1.0:
        alone = drawn(spread, torch.arange(int(starts.max()) + 1), repeats, *name)
        return torch.where(same, 1.0, mean + alone[:, starts][:, :, starts])
    return torch.where(same, within, mean) + drawn(spread, starts, repeats, *name)


def _judge(chosen: Chosen) -> ConditionFindings:
    with passing_folder() as folder:
        write_study(folder, chosen)
        return rejudge(folder, quiet=True).conditions[0]


def _claimed_with_the_floor_known(condition: ConditionFindings, truth: Truth) -> bool:
    """The rules of convergent and stabilizing, with the interval of B alone."""
    floor = next(floor.value for floor in condition.floors if floor.name == condition.strictest)
    lowest = (condition.estimates["between"].low - floor) / (1 - floor)
    gained = condition.estimates["gain adjusted"].low
    rules: dict[Outcome, Callable[[], bool]] = {
        Outcome.CONVERGENT: lambda: lowest >= CONVERGENT and gained > 0,
        Outcome.STABILIZING: lambda: lowest > 0 and gained > MARGIN,
    }
    return any(rules[outcome]() for outcome in truth.claims)
