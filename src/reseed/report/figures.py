"""The report's figures, interactive and one condition each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.guard import guarded
from reseed.report._plotly import literal
from reseed.report.against_fit import against_fit
from reseed.report.bars import attribution
from reseed.report.panels import companion_panels, fit_panels, mechanism_panels
from reseed.report.paths import memory, retention, trajectory
from reseed.report.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.findings import ConditionFindings, Findings
    from reseed.report._plotly import go

__all__ = ["KINDS", "FigureKind", "figure"]


@dataclass(frozen=True)
class FigureKind:
    """One entry of `KINDS`: what a figure shows of one condition, and what draws it."""

    meaning: str
    draw: Callable[[Findings, ConditionFindings], go.Figure]


def _attribution(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """The comparisons that the condition takes part in."""
    here = [each for each in findings.comparisons if each.preprocess == condition.preprocess]
    return attribution([each for each in here if condition.arm in {each.first, each.second}])


KINDS: dict[str, FigureKind] = {
    "trajectory": FigureKind("W(t) and B(t) with bands, single pairs and floors, from step 0", trajectory),
    "memory": FigureKind("init memory M(t): how much of the difference between starts is still there", memory),
    "retention": FigureKind(
        "how much of its step 0 each atom keeps, and the agreement that this alone explains", retention
    ),
    "spawn": FigureKind("how far children that left at step s agree with their parents at the last step", spawn),
    "companions": FigureKind("the companion measures within and between starts, with their floors", companion_panels),
    "fit": FigureKind("held-out R², fraction of alive atoms and L0 of every run", fit_panels),
    "against-fit": FigureKind(
        "W and B over held-out R², beside the other arms under the same preprocessing", against_fit
    ),
    "mechanisms": FigureKind(
        "agreement beyond retention, match persistence, and what the method says about itself", mechanism_panels
    ),
    "attribution": FigureKind("the gaps between this arm and others, split into born and earned", _attribution),
}
"""What `figure` can draw, by name, in the order of the page."""


@guarded()
def figure(findings: Findings, condition: str, *, kind: str = "trajectory") -> go.Figure:
    """One figure of one condition, in light colours; `figure.layout.meta["alt"]` says in words what it shows.

    A figure without traces means that there is nothing to draw, such as the init memory of runs born identical.

    Args:
        findings: the study.
        condition: `arm@preprocessing`.
        kind: one of `KINDS`.

    Raises:
        KeyError: there is no such condition.
        ValueError: there is no such kind.
        MissingExtraError: plotly is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: choose from {', '.join(KINDS)}")
    place = findings.conditions.index(findings.condition(condition))
    shown = literal(findings)
    return KINDS[kind].draw(shown, shown.conditions[place])
