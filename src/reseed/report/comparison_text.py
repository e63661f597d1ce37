"""A comparison of dictionaries as text: what is said first, then the distributions, then all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reseed._support.visible import visible_document
from reseed.report import comparison_steps as stepwise
from reseed.report import comparison_words as words
from reseed.report.text import printed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from reseed.comparison.document import DictionaryComparison

__all__ = ["render"]

MOST_PAIRS = 28
"""Pairs that have lines of their own: those of eight dictionaries."""
_SHORT = 6  # such as A-B1
_FOLDED = {"", "format", "norms", "codes"}
"""Columns about dictionaries that may be broken where there is too little room."""


def render(found: DictionaryComparison, *, width: int, colour: bool) -> str:
    """The whole comparison as text that is at most `width` columns wide.

    Args:
        found: what to say.
        width: of the terminal, in columns; made for 80 and wider.
        colour: whether to add ANSI colours.
    """
    return printed(_parts(visible_document(found)), width=width, colour=colour)


def _parts(found: DictionaryComparison) -> Iterator[RenderableType]:
    yield Text(words.name(found), style="bold")
    yield Text(", ".join(words.sizes(found)), style="dim")
    yield Text()
    yield from (Text(sentence, style="" if i else "bold") for i, sentence in enumerate(found.sentences))
    yield _table("", words.dictionary_columns(found), words.dictionary_rows(found), folded=_FOLDED)
    shown = found.model_copy(update={"pairs": found.pairs[:MOST_PAIRS]})
    yield _table("pair", words.pair_columns(shown), words.pair_rows(shown))
    yield _table("matched cosines", words.quantile_columns(), words.quantile_rows(shown))
    yield _table("born alike?", words.BORN, words.born_rows(shown))
    if len(found.pairs) > MOST_PAIRS:
        yield Text(f"{len(found.pairs) - MOST_PAIRS:,} more pairs: --json has them all", style="dim")
    for group in words.held_against(found):
        yield _table(group.name, ("agreement", "codes"), words.group_rows(group))
    for along in found.trajectories:
        yield Padding(Text(f"{along.name}, along training", style="bold"), (1, 0, 0, 0))
        yield _table("step", stepwise.step_columns(along), stepwise.step_rows(along))
        if along.verdict is not None:
            yield Text(f"What would change the word: {along.verdict.would_change}", style="dim")
    for each in found.published:
        yield _table(f"published definitions: {each.name}", words.PUBLISHED, words.published_rows(each))
        yield from (Text(reason, style="dim") for reason in words.published_reasons(each))
    yield Padding(Text(_key(words.gaps(found)), style="dim"), (1, 0, 0, 0))
    yield from (Text(sentence) for sentence in words.missing(found))
    yield from (Padding(f"! {warning}", (1, 0, 0, 0)) for warning in found.warnings)


def _key(gaps: str) -> str:
    """What the columns of pairs mean, in a few lines; the page says all."""
    return (
        "Norms: least, median and most. Replicated: share of the matched pairs beyond c, the 99th percentile of the "
        "null's cosines; ratio: how far apart they are over how far apart random directions are; p: of sharing their "
        f"indices by chance, among all pairs. {gaps}"
    )


def _table(
    called: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]], *, folded: Collection[str] = ()
) -> Padding:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(called, overflow="fold", no_wrap=all(len(row) <= _SHORT for row in rows))
    for column in columns:
        table.add_column(column, justify="right" if column else "left", overflow="fold", no_wrap=column not in folded)
    for row, cells in rows.items():
        table.add_row(row, *cells)
    return Padding(table, (1, 0, 0, 0))
