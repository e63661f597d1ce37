"""How often a study claims what is not so, and how often it finds what is: studies with a chosen truth."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.evidence import measured, weigh
from reseed.analysis.tables import Pairs
from reseed.calibration.built import LAST_STEP, N_ATOMS, Chosen, width_of, write_study
from reseed.calibration.folders import passing_folder
from reseed.calibration.matrices import Spread, drawn, starts_of
from reseed.calibration.results import Rate
from reseed.floors import Floor, isotropic
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Thresholds
from reseed.verdict import CLAIMS, Outcome, judge, settled
from reseed.verdict.errors import at_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.findings import ConditionFindings
    from reseed.thresholds import Look
    from reseed.verdict import Evidence, Judgement, MeasureEvidence, Null

__all__ = [
    "LIMITS",
    "NULLS",
    "SPREADS",
    "SURROGATE_STARTS",
    "Truth",
    "false_claims",
    "gaining",
    "looked_at",
    "power",
    "read",
    "studies",
    "weighed",
]

MARGIN, CONVERGENT, LEVEL = Thresholds().margin, Thresholds().convergent, Thresholds().level
LIMITS = Thresholds().limits
SURROGATE_STARTS = 3
DRAWS = 3
APART = 0.02  # how much closer runs of one start end than runs of two

SPREADS = {
    "as measured": Spread(start=0.0025, pair=0.004, run=0.001, noise=0.002),
    "starts only": Spread(start=0.004, run=0.001, noise=0.001),
    "small": Spread(start=0.001, pair=0.0016, run=0.0004, noise=0.0008),
}
"""Of B(T), so that the means of pairs of starts spread by .0055, as on stored activations of two language models
(.001 to .008, archetypal ones to .015)."""
BORN_SPREADS = {True: Spread(start=0.004, pair=0.0065), False: Spread(noise=0.0002)}
"""Of B(0), for starts that are alike (k-means) or random."""


@dataclass(frozen=True)
class Truth:
    """What is so on average over studies."""

    name: str
    first: float
    """B(0)"""
    last: float
    """B(T)"""
    null: tuple[float, float] = (0.15, 0.25)
    """B(0) and B(T) of the runs on the surrogate."""
    claims: tuple[Outcome, ...] = CLAIMS
    """What would be claimed: falsely in a null study."""
    born_alike: bool = False
    """Whether starts are like those from k-means, which differ in how alike they are, or random."""


ONE = (Outcome.CONVERGENT,)
FARTHER = 0.75  # where the runs on the surrogate end, in most of what follows

NULLS = (
    Truth("never together", first=0.15, last=0.15),
    Truth("born beyond the null, no gain", first=0.8, last=0.8, null=(0.7, FARTHER), born_alike=True),
    Truth("as far as the surrogate, after a large gain", first=0.15, last=FARTHER, null=(0.5, FARTHER)),
    Truth("no faster than the surrogate, from further on", first=0.6, last=0.7, null=(0.4, 0.55), born_alike=True),
    Truth("gained exactly the margin", first=0.6, last=0.6 + MARGIN, null=(0.5, 0.5), born_alike=True),
    Truth(
        "exactly at the convergent threshold", 0.15, FARTHER + CONVERGENT * (1 - FARTHER), (0.15, FARTHER), claims=ONE
    ),
)
"""Truths of which nothing in `claims` may be said."""


def gaining(margins: float, *, null: float, born_alike: bool) -> Truth:
    """Starts that begin just beyond the surrogate, whose runs do not come together, and gain this many margins."""
    first = null + 0.01
    last = first + margins * MARGIN
    return Truth(f"a gain of {margins:g} margins over {null:.2f}", first, last, (null, null), born_alike=born_alike)


def false_claims(truth: Truth, spread: str, n_starts: int, repeats: int) -> tuple[Rate, Rate]:
    """How often the claims of a null are made; and how often they would be, were the surrogate known without error."""
    counts: Counter[str] = Counter()
    for chosen in studies(truth, SPREADS[spread], n_starts, repeats):
        evidence = weighed(chosen)
        counts["made"] += judge(evidence, LIMITS).outcome in truth.claims
        counts["null known"] += judge(_with_the_null_known(evidence), LIMITS).outcome in truth.claims
    name = f"{truth.name}, {n_starts} starts, {spread}"
    return (
        Rate(f"{name}: false claims", counts["made"] / repeats, repeats, most=0.05),
        Rate(f"{name}: with the surrogate taken as known", counts["null known"] / repeats, repeats),
    )


def power(truth: Truth, spread: str, n_starts: int, repeats: int, *, beside: int = SURROGATE_STARTS) -> Rate:
    """How often what is so is claimed, with so many starts of the surrogate."""
    chosen = studies(truth, SPREADS[spread], n_starts, repeats, beside=beside)
    found = sum(judge(weighed(each), LIMITS).outcome in truth.claims for each in chosen)
    return Rate(
        f"{truth.name}, {n_starts} starts, {beside} of the surrogate, {spread}: found", found / repeats, repeats
    )


def looked_at(truth: Truth, spread: str, looks: Sequence[Look], repeats: int) -> tuple[Rate, float]:
    """How often something in `claims` is said where a study grows until its word is settled.

    Beside it the median number of starts at which it is, or at which none are left. Every path is one study with as
    many starts as the last look, and as many on the surrogate, of which each look sees the first.
    """
    most = looks[-1].starts
    found = 0
    needed: list[int] = []
    for chosen in studies(truth, SPREADS[spread], most, repeats, beside=most):
        at = ((look.starts, _seen_at(chosen, look)) for look in looks)
        starts, judged = next(
            ((starts, judged) for starts, judged in at if starts == most or settled(judged.outcome, judged.because))
        )
        found += judged.outcome in truth.claims
        needed.append(starts)
    name = f"{truth.name}, looks at {', '.join(str(look.starts) for look in looks)} starts, {spread}"
    return Rate(name, found / repeats, repeats), median(needed)


def _seen_at(chosen: Chosen, look: Look) -> Judgement:
    """What is said of the first starts alone."""
    there = chosen.starts < look.starts
    first, last = (matrix[there][:, there] for matrix in (chosen.first, chosen.last))
    beside = None if chosen.surrogate is None else chosen.surrogate[:, : look.starts, : look.starts]
    seen = replace(chosen, starts=chosen.starts[there], first=first, last=last, surrogate=beside)
    return judge(at_level(weighed(seen), 1 - look.error), LIMITS)


def studies(
    truth: Truth, spread: Spread, n_starts: int, repeats: int, *, beside: int = SURROGATE_STARTS
) -> list[Chosen]:
    """So many studies with this truth, two runs from each start, and one from each start of the surrogate."""
    starts = starts_of(n_starts, 2)
    name = (truth.name, n_starts, repr(spread))
    first = _between(truth.first, BORN_SPREADS[truth.born_alike], starts, repeats, *name, "first", within=1.0)
    last = _between(truth.last, spread, starts, repeats, *name, "last", within=truth.last + APART * (1 - truth.last))
    alone = starts_of(beside, 1)
    ends = (
        mean + drawn(spread_of, alone, repeats, *name, "surrogate", place)
        for place, mean, spread_of in zip((0, 1), truth.null, (BORN_SPREADS[truth.born_alike], spread), strict=True)
    )
    surrogate = torch.stack(tuple(ends), dim=1)
    draws = torch.full((DRAWS, DRAWS), 0.3, dtype=torch.float64)
    return [
        Chosen(starts, first[number], last[number], {"data": draws, "kmeans": draws}, surrogate[number])
        for number in range(repeats)
    ]


def read(chosen: Chosen) -> ConditionFindings:
    """What the whole analysis says of a study, from its files."""
    with passing_folder() as folder:
        write_study(folder, chosen)
        return rejudge(folder, quiet=True).conditions[0]


def weighed(chosen: Chosen) -> Evidence:
    """The evidence that the analysis comes to, without the files: thousands of studies in the time of some dozens.

    All atoms are alive, and fire alike; codes are left out.
    """
    pairs = _pairs(torch.stack([chosen.first, chosen.last]), chosen.starts)
    random = isotropic(width_of(chosen) * N_ATOMS, N_ATOMS)
    floors = [
        Floor(name="isotropic", role="null", value=random, spread=0.0, standard_error=0.0, n=0, policy="exact"),
        _floor("kmeans", "reference", chosen.floors["kmeans"]),
    ]
    surrogate = None
    if chosen.surrogate is not None:
        surrogate = _pairs(chosen.surrogate, torch.arange(chosen.surrogate.shape[-1]))
        floors.append(_floor("surrogate", "null", chosen.surrogate[-1]))
    said = {"agreement": measured("agreement", pairs, floors, surrogate, LEVEL)}
    return weigh(said, pairs, {"agreement": floors}, r2=chosen.r2, retention=chosen.retention)


def _pairs(stack: Float64[Tensor, "two runs runs"], starts: Int[Tensor, " runs"]) -> Pairs:
    ids = tuple(f"run{number}" for number in range(len(starts)))
    return Pairs((0, LAST_STEP), ids, starts, {"agreement": stack})


def _floor(name: str, role: str, agreements: Float64[Tensor, "draws draws"]) -> Floor:
    estimate = statistics.between(agreements[None], torch.arange(len(agreements)))[0]
    return Floor(
        name=name,
        role=role,
        value=estimate.value,
        spread=math.nan,
        standard_error=estimate.standard_error,
        n=estimate.n_units,
        policy="chosen",
    )


def _with_the_null_known(evidence: Evidence) -> Evidence:
    """The same, with the errors of the runs alone."""
    m = evidence.agreement
    nulls = tuple(_known(null, m) for null in m.nulls)
    return replace(evidence, agreement=replace(m, nulls=nulls))


def _known(null: Null, m: MeasureEvidence) -> Null:
    error = m.between.standard_error / (1 - null.value)
    adjusted = replace(m.between, value=null.adjusted.value, standard_error=error)
    slower = null.slower and replace(m.contraction, value=null.slower.value)
    return replace(null, standard_error=0.0, adjusted=adjusted, slower=slower)


def _between(
    mean: float, spread: Spread, starts: Int[Tensor, " runs"], repeats: int, *name: int | str, within: float
) -> Float64[Tensor, "n r r"]:
    """Matrices of agreement with this mean between starts; those of runs born identical have one row for each start."""
    same = starts[:, None] == starts[None, :]
    if within == 1.0:
        alone = drawn(spread, torch.arange(int(starts.max()) + 1), repeats, *name)
        return torch.where(same, 1.0, mean + alone[:, starts][:, :, starts])
    return torch.where(same, within, mean) + drawn(spread, starts, repeats, *name)
