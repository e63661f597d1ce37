"""A study that grows until its words are settled: starts are added between planned looks (docs/commands/run.md).

The looks and the error that each of them spends are planned before the first, and written into the thresholds of the
study. The errors add up, whatever the looks show: a condition in which nothing is to be found gets a word that claims
something at any of them no more often than that sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.guard import guarded
from reseed.pipeline.looks import planned_looks
from reseed.pipeline.run import run
from reseed.spec import Study
from reseed.verdict import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.findings import Findings
    from reseed.thresholds import Look

__all__ = ["At", "run_until_settled"]


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
    goes on at the look where it was. One that was judged at numbers of starts that no plan had has spent its error at
    each of them: further looks spend as much again, and the report says the sum.

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


def _starts_of(out: Path) -> int:
    """How many starts the study in a folder has; 0 where there is none."""
    path = out / "study.toml"
    return Study.read(path).starts if path.exists() else 0
