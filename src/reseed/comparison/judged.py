"""The verdict on runs that others trained, by the rules of a study: where all is on disk that a study records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed.analysis.evidence import measured, weigh
from reseed.analysis.tables import Pairs, exact_floor, floor_between
from reseed.findings import Verdict
from reseed.floors import FLOORS, Sizes
from reseed.measures import MEASURES
from reseed.thresholds import LEVEL, Limits
from reseed.verdict import judge
from reseed.verdict.disagreements import disagreements
from reseed.verdict.errors import claim_error

if TYPE_CHECKING:
    from reseed.comparison.trajectories import Course
    from reseed.floors import Floor

__all__ = ["judged"]


def judged(of: Course, null: Course | None, sizes: Sizes) -> Verdict | None:
    """The verdict; None where it is not known how the runs began, how well they fit, or what their null is.

    Args:
        of: runs of one recipe.
        null: its runs on rows without structure.
        sizes: what formulas of nulls depend on.
    """
    if not of.from_start or math.isnan(of.r2) or not _fits(of, null):
        return None
    pairs, surrogate = _pairs(of), _pairs(null) if null else None
    floors = {name: _floors(name, pairs, surrogate, sizes) for name in of.measures}
    said = {name: measured(name, pairs, floors[name], surrogate, LEVEL) for name in of.measures}
    evidence, limits = weigh(said, pairs, floors, r2=of.r2, retention=of.retention), Limits()
    companions = {name: each for name, each in said.items() if MEASURES[name].contradicts}
    return Verdict(
        **vars(judge(evidence, limits)),
        error=claim_error(evidence, limits, most=1 - LEVEL),
        disagreements=disagreements(said["agreement"], companions, margin=limits.margin),
    )


def _fits(of: Course, null: Course | None) -> bool:
    """Whether the null began at step 0, from several starts, and ended where the runs do."""
    return null is not None and null.from_start and null.apart and null.steps[-1] == of.steps[-1]


def _pairs(of: Course) -> Pairs:
    return Pairs(steps=of.steps, ids=of.labels, groups=of.groups, measures=dict(of.measures))


def _floors(name: str, pairs: Pairs, surrogate: Pairs | None, sizes: Sizes) -> tuple[Floor, ...]:
    """The nulls of one measure, and where the runs began."""
    found: list[Floor] = []
    for kind in FLOORS.values():
        exact = kind.exact(name, sizes) if kind.exact is not None else None
        if exact is not None:
            found.append(exact_floor(kind, exact))
        elif kind.trained and surrogate is not None and name in surrogate.measures:
            found.append(floor_between(kind, surrogate, name, -1))
        elif kind.role == "origin" and pairs.apart.any():
            found.append(floor_between(kind, pairs, name, 0))
    return tuple(found)
