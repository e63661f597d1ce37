"""Looks at the words of a study that gets more starts: when they are, and the error that each of them spends.

Whoever looks several times finds something sooner or later. The errors of all looks add up, whatever they show: what is
claimed falsely at any of them is claimed no more often than that sum (Bonferroni). So looks are planned before the
first, each with a share of the error; one that nobody planned spends the whole error again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed.errors import SpecError
from reseed.spec import Study
from reseed.thresholds import Look
from reseed.verdict.advice import MOST_STARTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.thresholds import Thresholds

__all__ = ["looked", "looks_between", "planned_looks", "spent_equally"]

_FEWEST = 3  # starts: of two none can be left out
_GROWTH = 1.5
_DIGITS = 12  # of an error: enough, and 1 - .95 is .05 with them


def planned_looks(study: Study, out: Path, max_starts: int | None) -> tuple[Look, ...]:
    """The looks at a study in this folder: those that are planned already, there or in the study, or new ones.

    Where the study was judged already with all the starts it has, and no further look is planned, new ones follow.

    Raises:
        SpecError: fewer than three starts, a last look before the first, or other looks than those planned already.
    """
    before, judged = _before(out)
    most = MOST_STARTS if max_starts is None else max_starts
    if before is None or not judged:
        planned = before or study
        if planned.thresholds.looks:
            return _kept(planned, study, max_starts)
        return spent_equally(looks_between(study.starts, most), _whole_error(study.thresholds))
    spent = _spent(before)
    if before.thresholds.looks and (study.starts != before.starts or before.starts != spent[-1].starts):
        return _kept(before, study, max_starts)
    if _without_looks(study.thresholds) != _without_looks(before.thresholds) or study.starts != before.starts:
        raise SpecError(
            f"{out} was judged at {before.starts} starts already, under its own thresholds: go on with these, or "
            "choose another --out"
        )
    further = looks_between(before.starts, most)[1:]
    return (*spent, *spent_equally(further, _whole_error(study.thresholds)))


def looked(study: Study, out: Path) -> Study:
    """The study with the looks that were taken at fewer starts, and this one, among its thresholds.

    Starts that are added by hand after the words were read are one more look, which no plan had: it spends as much as
    each look before it, and the report says the sum.

    Raises:
        SpecError: so many looks were taken that their errors together are 1 or more.
    """
    before, judged = _before(out)
    if before is None or not judged or study.thresholds.looks:
        return study
    looks = before.thresholds.looks
    if study.starts > before.starts and study.starts not in {look.starts for look in looks}:
        taken = (look for look in _spent(before) if look.starts <= before.starts)
        looks = (*taken, *spent_equally([study.starts], _whole_error(study.thresholds)))
    if sum(look.error for look in looks) >= 1:
        raise SpecError(
            f"{out} was judged at {', '.join(str(look.starts) for look in looks[:-1])} starts, each time with a chance "
            "to be wrong: one look more says nothing; choose another --out"
        )
    return study.model_copy(update={"thresholds": study.thresholds.model_copy(update={"looks": looks})})


def looks_between(first: int, most: int) -> tuple[int, ...]:
    """How many starts there are at each look: from one to the next half as many more, and at last the most.

    Raises:
        SpecError: fewer than three, or the most are no more than the first.
    """
    if first < _FEWEST or most <= first:
        raise SpecError(
            f"looks from {first} to {most} starts: the first needs at least {_FEWEST}, of which one can be left out, "
            f"and --max-starts has to be larger than the starts of the study, {first}"
        )
    planned = [first]
    while math.ceil(_GROWTH * planned[-1]) < most:
        planned.append(math.ceil(_GROWTH * planned[-1]))
    return (*planned, most)


def spent_equally(starts: Sequence[int], error: float) -> tuple[Look, ...]:
    """Looks at so many starts, each of which spends the same share of an error."""
    return tuple(Look(starts=each, error=round(error / len(starts), _DIGITS)) for each in starts)


def _kept(before: Study, study: Study, max_starts: int | None) -> tuple[Look, ...]:
    """The looks that were planned, which no later wish changes."""
    looks = before.thresholds.looks
    at = [look.starts for look in looks]
    same = _without_looks(study.thresholds) == _without_looks(before.thresholds)
    if not same or study.starts not in at or max_starts not in {None, at[-1]}:
        raise SpecError(
            f"looks at {', '.join(map(str, at))} starts are planned for this study, with its thresholds: what a look "
            "has shown must not change the plan; go on with that one (leave out --max-starts), or choose another --out"
        )
    return looks


def _before(out: Path) -> tuple[Study | None, bool]:
    """The study in a folder, if there is one, and whether it has been judged."""
    path = out / "study.toml"
    return (Study.read(path) if path.exists() else None), (out / "findings.json").exists()


def _spent(judged: Study) -> tuple[Look, ...]:
    """The looks at a study that was judged: those that were planned, or the only one."""
    return judged.thresholds.looks or spent_equally([judged.starts], _whole_error(judged.thresholds))


def _whole_error(thresholds: Thresholds) -> float:
    """What a single look spends."""
    return 1 - thresholds.level


def _without_looks(thresholds: Thresholds) -> Thresholds:
    return thresholds.model_copy(update={"looks": ()})
