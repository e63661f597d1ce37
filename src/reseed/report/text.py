"""Findings as text: question, answer, a line for each condition, and as many of the sentences as fit a screen.

`full` adds all that the page has. Colour only repeats what the words say.
"""

from __future__ import annotations

import io
import math
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
    counted,
    estimated,
    factor,
    false_words,
    levelled,
    mechanisms,
    nested,
    notes,
    of_the_alive,
    ordered,
    spawned,
    surrogate,
    title,
    tuned,
    turned,
    up_to_sign,
    verdict_row,
    versus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from reseed.findings import AcrossArms, Comparison, ConditionFindings, Findings, SharedDice

__all__ = ["plain_table", "printed", "render"]

ONE_LINE = 120  # columns from which intervals stand beside their estimates
ALL_COLUMNS = 160  # and from which gain, runs born identical and living atoms have columns of their own
LINES = 40  # of the short report, unless the conditions alone are more
MOST_ROWS = 150  # conditions that have a line in the short report
NAME = 27  # columns of a condition's name where there are few
MINUS = "\N{MINUS SIGN}"
STYLES = {"together": "green", "born": "yellow", "apart": "red", "open": "cyan"}


def render(findings: Findings, *, width: int, colour: bool, full: bool = False) -> str:
    """The report as text that is at most `width` columns wide.

    Args:
        findings: what to say.
        width: of the terminal, in columns; made for 80 and wider.
        colour: whether to add ANSI colours.
        full: say all of it; else at most 40 lines, or as many as a line for each condition takes, up to 200.
    """
    findings = visible_document(findings)
    if full:
        return printed(_all(findings, width), width=width, colour=colour)
    return _short(findings, width=width, colour=colour)


def plain_table(called: str, columns: Iterable[str], rows: Mapping[str, Sequence[str]]) -> Padding:
    """A table of numbers under a line, with room above it: what its rows are called, then columns to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(called, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row, cells in rows.items():
        table.add_row(row, *cells)
    return Padding(table, (1, 0, 0, 0))


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


def _short(findings: Findings, *, width: int, colour: bool) -> str:
    """The head, and sentences as long as there is room for them."""
    text = printed(_head(findings, findings.conditions[:MOST_ROWS], width), width=width, colour=colour)
    closing = 3 + bool(findings.warnings)
    left = list(ordered(findings.conditions))
    while left:
        sentence = printed(_sentence(left[0]), width=width, colour=colour)
        if text.count("\n") + sentence.count("\n") + closing > LINES:
            break
        text += sentence
        left.pop(0)
    return text + printed(_closing(findings, len(left)), width=width, colour=colour)


def _head(findings: Findings, conditions: Sequence[ConditionFindings], width: int) -> Iterator[RenderableType]:
    yield Text(title(findings), style="bold")
    if findings.question:
        yield Text(findings.question)
    yield Text(findings.answer or findings.headline, style="bold")
    yield Text()
    yield _verdict_table(findings, conditions, width)
    if more := len(findings.conditions) - len(conditions):
        yield Text(f"and {counted(more, 'condition')} more")
    yield Text(_key(findings), style="dim")
    yield Text()


def _closing(findings: Findings, unsaid: int) -> Iterator[RenderableType]:
    yield Text()
    if findings.warnings:
        yield Text(f"{counted(len(findings.warnings), 'warning')} to read before believing the numbers")
    sentences = f"{counted(unsaid, 'more sentence')}, " if unsaid else ""
    yield Text(f"{sentences}comparisons, mechanisms, warnings: reseed report STUDY --full", style="dim")


def _sentence(condition: ConditionFindings) -> Iterator[RenderableType]:
    yield Text.assemble((condition.name, "bold"), f"  {condition.verdict.sentence}")


def _all(findings: Findings, width: int) -> Iterator[RenderableType]:
    yield from _head(findings, findings.conditions, width)
    yield Text(findings.headline, style="bold")
    for condition in ordered(findings.conditions):
        yield from _sentences(condition)
    if findings.comparisons:
        yield from _attribution(findings, wide=width >= ONE_LINE)
    if findings.same_ends:
        yield _heading("Same end from other starts?")
        yield from (_indented(f"@{each.preprocess}  {each.sentence}") for each in findings.same_ends)
    for across in findings.across:
        yield from _across(across)
    for family in findings.shared_dice:
        yield from _shared_dice(family)
    if tuned(findings):
        yield _heading("Learning rates and penalties")
        yield from map(_indented, tuned(findings))
    if findings.warnings:
        yield _heading("Warnings")
        yield from (Padding(f"! {warning}", (0, 0, 0, 2)) for warning in findings.warnings)


def _key(findings: Findings) -> str:
    """The columns in words."""
    replicated = " replicated: share of atoms with a partner beyond the null's." if _replicated(findings) else ""
    key = (
        "started apart: agreement of runs that started apart, at step 0 → at the end (1: one dictionary). null: what "
        f"it would be without common structure.{replicated} R²: held-out."
    )
    return " ".join(filter(None, (key, up_to_sign(findings), false_words(findings))))


def _replicated(findings: Findings) -> bool:
    return any("replicated" in condition.measures for condition in findings.conditions)


def _verdict_table(findings: Findings, conditions: Sequence[ConditionFindings], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("condition", overflow="fold", max_width=NAME if width < ONE_LINE else None)
    table.add_column("verdict", no_wrap=True)
    replicated = ("replicated",) if _replicated(findings) else ()
    more = ("gain", "born identical", "alive") if width >= ALL_COLUMNS else ()
    for name in ("started apart", "null", *replicated, *more, "R²"):
        table.add_column(name, justify="right", no_wrap=True)
    for condition in ordered(conditions):
        cells = _wide_cells(condition, everything=bool(more)) if width >= ONE_LINE else _cells(condition)
        table.add_row(*(cell for i, cell in enumerate(cells) if replicated or i != REPLICATED))
    return table


REPLICATED = 4  # which cell of a row is the replicated share


def _cells(condition: ConditionFindings) -> tuple[str | Text, ...]:
    row = verdict_row(condition)
    return (row.condition, _word(condition), row.path, row.null, row.replicated.partition(" [")[0], row.r2)


def _wide_cells(condition: ConditionFindings, *, everything: bool) -> tuple[str | Text, ...]:
    """The same with intervals and the name of the null."""
    row = verdict_row(condition)
    return (
        row.condition,
        _word(condition),
        f"{row.path} {row.between_interval}".strip(),
        f"{row.null} {row.null_name}".strip(),
        row.replicated,
        *((f"{row.gain} {row.gain_interval}".strip(), row.within, row.alive) if everything else ()),
        row.r2,
    )


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
    told = (each(condition) for each in (turned, levelled, nested, surrogate, barriers, spawned))
    yield from (_indented(words) for words in told if words)
    if condition.births is not None:
        yield _indented(condition.births.sentence)
    if done := mechanisms(condition):
        yield _indented(f"Mechanisms (W: born identical, B: started apart): {' · '.join(done)}")
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


def _across(across: AcrossArms) -> Iterator[RenderableType]:
    yield _heading(f"Agreement of runs of different arms, @{across.preprocess} (of an arm with itself: started apart)")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=True)
    table.add_column("", overflow="fold")
    for i, _ in enumerate(across.arms):
        table.add_column(str(i + 1), justify="right", no_wrap=True)
    for arm, row in zip(across.rows, across.agreement, strict=True):
        table.add_row(
            f"{across.arms.index(arm) + 1} {arm}", *("" if math.isnan(value) else rounded(value) for value in row)
        )
    yield Padding(table, (0, 0, 0, 2))


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
