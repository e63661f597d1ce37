"""Findings as text: the verdict table first, then the sentences behind it. Colour only repeats what the words say."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reseed._support.numbers import rounded
from reseed._support.visible import visible_document
from reseed.report.words import (
    CLASSES,
    barriers,
    beside,
    estimated,
    factor,
    mechanisms,
    notes,
    of_the_alive,
    spawned,
    title,
    tuned,
    verdict_row,
    versus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from reseed.findings import Comparison, ConditionFindings, Findings, SharedDice

__all__ = ["printed", "render"]

ONE_LINE = 120  # columns from which a condition's evidence fits on one line
MINUS = "\N{MINUS SIGN}"
NAME = 12  # columns of a condition's name where it does not
STYLES = {"together": "green", "born": "yellow", "apart": "red", "open": "cyan"}


def render(findings: Findings, *, width: int, colour: bool) -> str:
    """The whole report as text that is at most `width` columns wide.

    Args:
        findings: what to say.
        width: of the terminal, in columns; made for 80 and wider.
        colour: whether to add ANSI colours.
    """
    return printed(_parts(visible_document(findings), width), width=width, colour=colour)


def printed(parts: Iterable[RenderableType], *, width: int, colour: bool) -> str:
    """Parts as text that is at most `width` columns wide, without space at the ends of lines."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,  # [red] in a name is a name
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _parts(findings: Findings, width: int) -> Iterator[RenderableType]:
    yield Text(title(findings), style="bold")
    yield _verdict_table(findings, wide=width >= ONE_LINE)
    yield Text(_KEY, style="dim")
    yield Text()
    yield Text(findings.headline, style="bold")
    for condition in findings.conditions:
        yield from _sentences(condition)
    if findings.comparisons:
        yield from _attribution(findings, wide=width >= ONE_LINE)
    for family in findings.shared_dice:
        yield from _shared_dice(family)
    if tuned(findings):
        yield _heading("Learning rates")
        yield from map(_indented, tuned(findings))
    if findings.warnings:
        yield _heading("Warnings")
        yield from (Padding(f"! {warning}", (0, 0, 0, 2)) for warning in findings.warnings)


_KEY = (
    "W: agreement of runs born identical. B: of runs that started apart. T: the last step, [confidence interval]. "
    "floor: the strictest, what agreement would be without shared learning. adjusted: B(T) where that floor is 0 and "
    "full agreement 1. gain: B(T) less B(0)."
)


def _verdict_table(findings: Findings, *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("condition", overflow="fold", ratio=None)
    table.add_column("verdict", no_wrap=True)
    for name in ("R²", "alive", "W(T)", "B(0) → B(T)", "floor", *(("adjusted",) if wide else ()), "gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for condition in findings.conditions:
        table.add_row(*_cells(condition, wide=wide))
    return table


def _cells(condition: ConditionFindings, *, wide: bool) -> tuple[str | Text, ...]:
    row = verdict_row(condition)
    apart = " " if wide else "\n"
    name = row.condition if wide else _broken(condition)
    return (
        name,
        _word(condition),
        row.r2,
        row.alive,
        row.within,
        f"{row.path}{apart}{row.between_interval}".strip() + ("" if wide else f"\nadj. {row.adjusted}"),
        f"{row.floor}{apart}{row.floor_name}".strip(),
        *((row.adjusted,) if wide else ()),
        f"{row.gain}{apart}{row.gain_interval}".strip(),
    )


def _broken(condition: ConditionFindings) -> str:
    """The condition's name on lines of few columns, broken after hyphens."""
    return "\n".join([*textwrap.wrap(condition.arm, NAME), f"@{condition.preprocess}"])


def _word(condition: ConditionFindings) -> Text:
    outcome = condition.verdict.outcome
    return Text(str(outcome), style=f"bold {STYLES[CLASSES[outcome]]}")


def _sentences(condition: ConditionFindings) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble((condition.name, "bold"), "  ", _word(condition))
    yield _indented(condition.verdict.sentence)
    yield from (_indented(sentence) for sentence in condition.verdict.disagreements)
    yield _indented(f"What would change this: {condition.verdict.would_change}")
    yield _indented(" · ".join(beside(condition)))
    yield from (_indented(words) for words in (barriers(condition), spawned(condition)) if words)
    if done := mechanisms(condition):
        yield _indented(f"Mechanisms: {' · '.join(done)}")
    if alive := of_the_alive(condition):
        yield _indented(f"Note: {alive}")
    yield from (_indented(f"Note: {note}") for note in notes(condition))


def _attribution(findings: Findings, *, wide: bool) -> Iterator[RenderableType]:
    yield _heading("Attribution: the gap at the end = born with it + earned in training")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("arms", overflow="fold")
    for name in ("gap", "born", "earned"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gains differ", overflow="fold")
    if wide:  # elsewhere the sentences below say it
        table.add_column("up to a common R²", overflow="fold")
    for comparison in findings.comparisons:
        table.add_row(*_comparison_cells(comparison, wide=wide))
    yield table
    for comparison in findings.comparisons:
        yield Text()
        yield Text(f"{versus(comparison)} @{comparison.preprocess}", style="bold")
        yield _indented(comparison.sentence)


def _shared_dice(family: SharedDice) -> Iterator[RenderableType]:
    yield _heading(f"What sharing a die contributes: {family.kind}, {family.start_kind} starts, @{family.preprocess}")
    effects = [("", "at step 0", "at the end")]
    effects += [
        (f"effect of sharing {factor(each.dice)}", estimated(each.born, sign=True), estimated(each.last, sign=True))
        for each in family.effects
    ]
    cells = [
        (f"agreement of runs that share {factor(cell.shared)}", estimated(cell.born), estimated(cell.last))
        for cell in family.cells
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    for _ in ("at step 0", "at the end"):
        table.add_column(justify="right", no_wrap=True)
    for row in (*effects, *cells):
        table.add_row(*row)
    yield Padding(table, (0, 0, 0, 2))


def _comparison_cells(comparison: Comparison, *, wide: bool) -> tuple[str, ...]:
    apart = " " if wide else "\n"
    gaps = (estimated(part, sign=True) for part in (comparison.gap, comparison.born, comparison.earned))
    needed = f" ({comparison.would_decide} would decide)" if comparison.would_decide else ""
    fitted = f"{estimated(comparison.gain_difference_at_common_r2, sign=True)}: {comparison.outcome_at_common_r2}"
    alike = f" ({comparison.unlike})" if comparison.unlike else ""
    return (
        versus(comparison).replace(f"{MINUS} ", f"{MINUS}{apart}") + f"{apart}@{comparison.preprocess}",
        *(gap.replace(" [", f"{apart}[") for gap in gaps),
        f"{estimated(comparison.gain_difference, sign=True)}: {comparison.outcome}{needed}{alike}",
        *([f"{fitted} (R² {rounded(comparison.common_r2)})"] if wide else []),
    )


def _heading(words: str) -> RenderableType:
    return Padding(Text(words, style="bold underline"), (1, 0, 0, 0))


def _indented(words: str) -> Padding:
    return Padding(Text(words), (0, 0, 0, 2))
