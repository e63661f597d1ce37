"""How often a study claims what is not so, and how often it finds what is: studies with a chosen truth."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.evidence import weigh
from reseed.analysis.tables import Pairs
from reseed.calibration.built import LAST_STEP, Chosen, write_study
from reseed.calibration.folders import passing_folder
from reseed.calibration.matrices import Spread, drawn, starts_of
from reseed.calibration.results import Rate
from reseed.floors import Floor
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Thresholds
from reseed.verdict import Limits, Outcome, judge

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings
    from reseed.statistics import Estimate
    from reseed.verdict import Evidence

__all__ = [
    "DRAWS",
    "LIMITS",
    "NULLS",
    "SPREADS",
    "Truth",
    "false_claims",
    "gaining",
    "power",
    "read",
    "studies",
    "weighed",
]

MARGIN, CONVERGENT, LEVEL = Thresholds().margin, Thresholds().convergent, Thresholds().level
LIMITS = Limits(**Thresholds().model_dump(exclude={"level"}))
DRAWS = 5
APART = 0.02  # how much closer runs of one start end than runs of two

SPREADS = {
    "as measured": Spread(start=0.0025, pair=0.004, run=0.001, noise=0.002),
    "starts only": Spread(start=0.004, run=0.001, noise=0.001),
    "small": Spread(start=0.001, pair=0.0016, run=0.0004, noise=0.0008),
}
"""Of B(T), so that the means of pairs of starts spread by .0055, as on stored activations of two language models
(.001 to .008, archetypal ones to .015)."""
FLOOR_SPREAD = Spread(start=0.004, noise=0.0057)
"""Of k-means floors of 512 atoms on activations of two language models, from 8 draws on each of four layers."""
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
    counts: Counter[str] = Counter()
    for chosen in studies(truth, SPREADS[spread], n_starts, repeats):
        evidence = weighed(chosen)
        counts["made"] += judge(evidence, LIMITS).outcome in truth.claims
        counts["floor known"] += judge(_with_the_floor_known(evidence), LIMITS).outcome in truth.claims
    name = f"{truth.name}, {n_starts} starts, {spread}"
    return (
        Rate(f"{name}: false claims", counts["made"] / repeats, repeats, most=0.05),
        Rate(f"{name}: with the floor taken as known", counts["floor known"] / repeats, repeats),
    )


def power(truth: Truth, spread: str, n_starts: int, repeats: int, *, draws: int = DRAWS) -> Rate:
    """How often what is so is claimed, with so many draws of the floor."""
    chosen = studies(truth, SPREADS[spread], n_starts, repeats, draws=draws)
    found = sum(judge(weighed(each), LIMITS).outcome in truth.claims for each in chosen)
    return Rate(f"{truth.name}, {n_starts} starts, {draws} draws, {spread}: found", found / repeats, repeats)


def studies(truth: Truth, spread: Spread, n_starts: int, repeats: int, *, draws: int = DRAWS) -> list[Chosen]:
    """So many studies with this truth, two runs from each start."""
    starts = starts_of(n_starts, 2)
    name = (truth.name, n_starts, repr(spread))
    first = _between(truth.first, BORN_SPREADS[truth.born_alike], starts, repeats, *name, "first", within=1.0)
    last = _between(truth.last, spread, starts, repeats, *name, "last", within=truth.last + APART * (1 - truth.last))
    floors = truth.floor + drawn(FLOOR_SPREAD, torch.arange(draws), repeats, *name, "floor")
    data = torch.full((draws, draws), truth.floor / 2, dtype=torch.float64)
    return [
        Chosen(starts, first[number], last[number], {"data": data, "kmeans": floors[number]})
        for number in range(repeats)
    ]


def read(chosen: Chosen) -> ConditionFindings:
    """What the whole analysis says of a study, from its files."""
    with passing_folder() as folder:
        write_study(folder, chosen)
        return rejudge(folder, quiet=True).conditions[0]


def weighed(chosen: Chosen) -> Evidence:
    """The evidence that the analysis comes to, without the files: thousands of studies in the time of some dozens."""
    stack = torch.stack([chosen.first, chosen.last])
    ids = tuple(f"run{number}" for number in range(len(chosen.starts)))
    pairs = Pairs((0, LAST_STEP), ids, chosen.starts, {"agreement": stack})
    floors = [
        _floor(kind, statistics.between(draws[None], torch.arange(len(draws)))[0])
        for kind, draws in chosen.floors.items()
    ]
    floors.append(_floor("step 0", statistics.between(stack[:1], chosen.starts)[0]))
    strictest = max(floors, key=lambda floor: floor.value)
    return weigh(pairs, strictest, r2=chosen.r2, retention=chosen.retention, level=LEVEL)


def _floor(name: Any, estimate: Estimate) -> Floor:  # noqa: ANN401 (one of the names of floors)
    return Floor(
        name=name,
        value=estimate.value,
        spread=math.nan,
        standard_error=estimate.standard_error,
        n=estimate.n_units,
        policy="chosen",
    )


def _with_the_floor_known(evidence: Evidence) -> Evidence:
    """The same, with the interval of B(T) alone on the floor-adjusted scale."""
    room = 1 - evidence.floor
    error = evidence.between.standard_error / room
    adjusted = replace(evidence.between, value=evidence.adjusted.value, standard_error=error)
    return replace(evidence, adjusted=adjusted, floor_error=0.0)


def _between(
    mean: float, spread: Spread, starts: Int[Tensor, " runs"], repeats: int, *name: int | str, within: float
) -> Float64[Tensor, "n r r"]:
    """Matrices of agreement with this mean between starts; those of runs born identical have one row for each start."""
    same = starts[:, None] == starts[None, :]
    if within == 1.0:
        alone = drawn(spread, torch.arange(int(starts.max()) + 1), repeats, *name)
        return torch.where(same, 1.0, mean + alone[:, starts][:, :, starts])
    return torch.where(same, within, mean) + drawn(spread, starts, repeats, *name)
