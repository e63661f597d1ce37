"""The report's figures, interactive and one condition each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.report.against_fit import against_fit
from reseed.report.bars import attribution
from reseed.report.panels import companion_panels, fit_panels, mechanism_panels
from reseed.report.paths import memory, retention, trajectory
from reseed.report.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.findings import ConditionFindings, Findings
    from reseed.report._plotly import go

__all__ = ["KINDS", "figure"]

KINDS = {
    "trajectory": "W(t) and B(t) with bands, single pairs and floors, from step 0",
    "memory": "init memory M(t): how much of the difference between starts is still there",
    "retention": "how much of its step 0 each atom keeps, and the agreement that this alone explains",
    "spawn": "how far children that left at step s agree with their parents at the last step",
    "companions": "the companion measures within and between starts, with their floors",
    "fit": "held-out R², fraction of alive atoms and L0 of every run",
    "against-fit": "W and B over held-out R², beside the other arms under the same preprocessing",
    "mechanisms": "agreement beyond retention, match persistence, and what the method says about itself",
    "attribution": "the gaps between this arm and others, split into born and earned",
}
"""What `figure` can draw."""


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
    return _MAKERS[kind](findings, findings.condition(condition))


def _attribution(findings: Findings, condition: ConditionFindings) -> go.Figure:
    """The comparisons that the condition takes part in."""
    here = [each for each in findings.comparisons if each.preprocess == condition.preprocess]
    return attribution([each for each in here if condition.arm in {each.first, each.second}])


_MAKERS: dict[str, Callable[[Findings, ConditionFindings], go.Figure]] = {
    "trajectory": trajectory,
    "memory": memory,
    "retention": retention,
    "spawn": spawn,
    "companions": companion_panels,
    "fit": fit_panels,
    "against-fit": against_fit,
    "mechanisms": mechanism_panels,
    "attribution": _attribution,
}
