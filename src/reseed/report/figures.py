"""The report's figures, interactive and one condition each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.guard import guarded
from reseed.report.against_fit import against_fit
from reseed.report.bars import attribution
from reseed.report.drawing import Drawing, literal
from reseed.report.panels import companion_panels, fit_panels, mechanism_panels
from reseed.report.paths import memory, retention, trajectory
from reseed.report.quantiles import cosines
from reseed.report.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.findings import ConditionFindings, Findings
    from reseed.report._plotly import go

__all__ = ["KINDS", "FigureKind", "figure"]

TITLE = 26  # pixels of a line above a figure


@dataclass(frozen=True)
class FigureKind:
    """One entry of `KINDS`: what a figure shows of one condition, and what draws it."""

    title: str
    meaning: str
    draw: Callable[[Findings, ConditionFindings], Drawing]


def _attribution(findings: Findings, condition: ConditionFindings) -> Drawing:
    """The comparisons that the condition takes part in."""
    here = [each for each in findings.comparisons if each.preprocess == condition.preprocess]
    return attribution([each for each in here if condition.arm in {each.first, each.second}])


KINDS: dict[str, FigureKind] = {
    "trajectory": FigureKind(
        "Agreement from step 0 to the end",
        "W(t) and B(t) with bands, single pairs, nulls and references, from step 0",
        trajectory,
    ),
    "cosines": FigureKind(
        "Cosines of matched atoms", "quantiles of the matched cosines, against those of the null", cosines
    ),
    "memory": FigureKind(
        "Init memory and identity",
        "M(t), how much of the difference between starts is still there, and I(t), who is still where it was born",
        memory,
    ),
    "retention": FigureKind(
        "Retention, and the agreement it explains",
        "how much of its step 0 each atom keeps, and the agreement that this alone explains",
        retention,
    ),
    "spawn": FigureKind(
        "Children and parents", "how far children that left at step s agree with their parents at the last step", spawn
    ),
    "companions": FigureKind(
        "Companion measures",
        "the companion measures within and between starts, with nulls and references",
        companion_panels,
    ),
    "fit": FigureKind("Fit", "held-out R², fraction of alive atoms and L0 of every run", fit_panels),
    "against-fit": FigureKind(
        "Agreement against fit",
        "W and B over held-out R², beside the other arms under the same preprocessing",
        against_fit,
    ),
    "mechanisms": FigureKind(
        "What the atoms did",
        "agreement beyond retention, match persistence, and what the method says about itself",
        mechanism_panels,
    ),
    "attribution": FigureKind(
        "Gaps between arms: born and earned",
        "the gaps between this arm and others, split into born and earned",
        _attribution,
    ),
}
"""What `figure` can draw, by name, in the order of the page."""


@guarded()
def figure(findings: Findings, condition: str, *, kind: str = "trajectory") -> go.Figure:
    """One figure of one condition, titled, in light colours; `figure.layout.meta["alt"]` says in words what it shows.

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
    from reseed.report._plotly import go  # noqa: PLC0415 (a page is written without it)

    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: choose from {', '.join(KINDS)}")
    place = findings.conditions.index(findings.condition(condition))
    shown = literal(findings)
    condition_shown = shown.conditions[place]
    drawn = KINDS[kind].draw(shown, condition_shown)
    whole = _titled(drawn, f"{KINDS[kind].title}: {condition_shown.name}")
    return go.Figure(whole.update_layout(template="none").to_dict())


def _titled(drawn: Drawing, title: str) -> Drawing:
    """The figure with a title above it, so that it is still known in a paper."""
    return drawn.update_layout(
        title={"text": title, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 10}, "font": {"size": 13}},
        margin={"t": drawn.layout["margin"]["t"] + TITLE},
        height=drawn.layout["height"] + TITLE,
    )
