"""A study that grows until its words are settled: starts are added between planned looks (docs/commands/run.md).

The looks and the error that each of them spends are planned before the first, and written into the thresholds of the
study. The errors add up, whatever the looks show: a condition in which nothing is to be found gets a word that claims
something at any of them no more often than that sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.guard import guarded
from reseed.errors import SpecError
from reseed.pipeline.run import run
from reseed.spec import Study
from reseed.thresholds import Look
from reseed.verdict import settled
from reseed.verdict.advice import MOST_STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reseed.findings import Findings

__all__ = ["At", "looks_between", "planned_looks", "run_until_settled", "spent_equally"]

_FEWEST = 3  # starts: of two none can be left out
_GROWTH = 1.5
_DIGITS = 12  # of an error: enough, and 1 - .95 is .05 with them


@dataclass(frozen=True)
class At:
    """One look at a study that grows."""

    number: int
    """From 1 on."""
    looks: tuple[Look, ...]
    """All that are planned."""
    findings: Findings

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The conditions whose words more starts may settle, each with why."""
        verdicts = ((each.name, each.verdict) for each in self.findings.conditions)
        return tuple(f"{name} ({said.because})" for name, said in verdicts if not settled(said.outcome, said.because))


@guarded()
def run_until_settled(
    study: Study,
    out: str | Path,
    *,
    max_starts: int | None = None,
    quiet: bool = False,
    told: Callable[[At], object] = lambda _: None,
) -> Findings:
    """Run a study at its planned looks, with more starts at each, until no word is open that more starts may settle.

    All conditions grow together, those on the surrogate as well, so that they stay comparable. A study that was stopped
    goes on at the look where it was. One that was judged at a fixed number of starts before has spent its error there:
    further looks spend as much again, and the report says the sum.

    Args:
        study: with the starts of the first look.
        out: the study folder.
        max_starts: of the last look; 12 if it is not said.
        quiet: print nothing.
        told: called after every look.

    Raises:
        SpecError: the looks cannot be planned so, or other ones are planned already; and whatever `reseed.run` raises.
    """
    looks = planned_looks(study, Path(out), max_starts)
    grown = study.model_copy(update={"thresholds": study.thresholds.model_copy(update={"looks": looks})})
    begun = _starts_of(Path(out))
    number = next((number for number, look in enumerate(looks, 1) if look.starts >= begun), len(looks))
    while True:
        findings = run(grown.grown(looks[number - 1].starts), out, quiet=quiet)
        at = At(number, looks, findings)
        told(at)
        if number == len(looks) or not at.unsettled:
            return findings
        number += 1


def planned_looks(study: Study, out: Path, max_starts: int | None) -> tuple[Look, ...]:
    """The looks at a study in this folder: those that are planned already, there or in the study, or new ones.

    Raises:
        SpecError: fewer than three starts, a last look before the first, or other looks than those planned already.
    """
    before = Study.read(out / "study.toml") if (out / "study.toml").exists() else None
    planned = study if before is None else before
    if planned.thresholds.looks:
        return _kept(planned, study, max_starts)
    most = MOST_STARTS if max_starts is None else max_starts
    error = study.thresholds.error
    if before is None or not (out / "findings.json").exists():
        return spent_equally(looks_between(study.starts, most), error)
    if study.thresholds != before.thresholds or study.starts != before.starts:
        raise SpecError(
            f"{out} was judged at {before.starts} starts already, under its own thresholds: go on with these, or "
            "choose another --out"
        )
    further = looks_between(before.starts, most)[1:]
    return (*spent_equally([before.starts], error), *spent_equally(further, error))


def _kept(before: Study, study: Study, max_starts: int | None) -> tuple[Look, ...]:
    """The looks that were planned, which no later wish changes."""
    looks = before.thresholds.looks
    as_asked = study.thresholds.model_copy(update={"looks": looks})
    planned = looks[0].starts, looks[-1].starts
    if (study.starts, max_starts or planned[1]) != planned or as_asked != before.thresholds:
        raise SpecError(
            f"looks at {', '.join(str(look.starts) for look in looks)} starts are planned for this study, with its "
            "thresholds: what a look has shown must not change the plan; go on with that one (leave out --max-starts), "
            "or choose another --out"
        )
    return looks


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


def _starts_of(out: Path) -> int:
    """How many starts the study in a folder has; 0 where there is none."""
    path = out / "study.toml"
    return Study.read(path).starts if path.exists() else 0
