"""Which features come back, as text: what was found, what it goes with, and the features themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from reseed._support.numbers import percent, rounded
from reseed._support.visible import visible_document
from reseed.report.features_words import SHARES, share_rows, strata_columns, strata_rows
from reseed.report.text import plain_table, printed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from reseed.reappearance.document import Features, Partnered, RecipeFeatures, Shown

__all__ = ["render", "render_feature"]

_COLUMNS = {
    "reappearance": "back",
    "many_to_one": "any",
    "cosine": "cosine",
    "code": "codes",
    "fired": "fires",
    "norm": "norm",
    "crowding": "crowding",
}
"""Of the table of features: what is printed, and how it is called there."""


def render(found: Features, rows: Sequence[Mapping[str, Any]], *, width: int, colour: bool) -> str:
    """What was found, as text that is at most `width` columns wide.

    Args:
        found: what to say.
        rows: features to list, as in the table of features.
        width: of the terminal, in columns; made for 80 and wider.
        colour: whether to add ANSI colours.
    """
    return printed(_parts(visible_document(found), rows), width=width, colour=colour)


def render_feature(found: Features, partners: Sequence[Partnered], *, width: int, colour: bool) -> str:
    """One feature, the first, beside its partners in other runs, as text that is at most `width` columns wide."""
    recipe = next(each for each in found.recipes if partners[0].run in each.runs)
    return printed(_beside(visible_document(recipe), list(map(visible_document, partners))), width=width, colour=colour)


def _beside(recipe: RecipeFeatures, partners: Sequence[Partnered]) -> Iterator[RenderableType]:
    itself, *others = partners
    back = sum(bool(each.back) for each in others)
    yield Text(f"{itself.run} {itself.atom} comes back in {back} of {len(others)} other runs", style="bold")
    yield Text(
        f"Of all matched atoms of these runs {percent(recipe.reappearance.value)} come back, and "
        f"{percent(recipe.null_reappearance.value)} among {recipe.null}."
    )
    rows = {
        f"{each.run} {each.atom}": (
            rounded(each.cosine),
            *(_or_nothing(number) for number in (each.encoder, each.code)),
            "" if each.rank is None else f"{each.rank:,}",
            "yes" if each.back else "no",
        )
        for each in others
    }
    yield plain_table("partner", ("cosine", "encoder", "codes", "rank", "back"), rows)
    for each in partners:
        if each.texts:
            yield Padding(Text(f"{each.run} {each.atom} fires on"), (1, 0, 0, 0))
            yield from (Padding(Text(text, style="dim"), (0, 0, 0, 2)) for text in each.texts)
    yield Padding(Text(_ABOUT_PARTNERS, style="dim"), (1, 0, 0, 0))


_ABOUT_PARTNERS = (
    "Partners are one to one. Rank: how many atoms of that run are as near or nearer, 1 for the nearest. Texts: "
    "held-out tokens where each fires most."
)


def _or_nothing(number: float | None) -> str:
    return "" if number is None else rounded(number)


def _parts(found: Features, rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    for recipe in found.recipes:
        yield from _recipe(recipe)
    if rows:
        yield plain_table("feature", _COLUMNS.values(), {_name(row): _cells(row) for row in rows})
    yield Padding(Text(_KEY, style="dim"), (1, 0, 0, 0))
    yield from (Padding(f"! {warning}", (1, 0, 0, 0)) for warning in found.warnings)


_KEY = (
    "Back: share of the other independent runs in which the feature comes back, one to one. Any: share of them with "
    "any atom within the threshold of cosines, however many share it. Cosine, codes: means over its partners. "
    "Crowding: cosine of its nearest neighbour in its own dictionary."
)


def _recipe(recipe: RecipeFeatures) -> Iterator[RenderableType]:
    yield Text(f"{recipe.name}: {', '.join(recipe.runs)}", style="bold")
    yield Text(recipe.sentence)
    yield Text(recipe.recapture.sentence)
    if recipe.blocks is not None:
        yield Text(recipe.blocks.sentence)
    if recipe.consensus is not None:
        yield Text(recipe.consensus.sentence)
    yield plain_table("", SHARES, share_rows(recipe))
    for strata in recipe.strata:
        yield plain_table(strata.by, strata_columns(strata), strata_rows(strata))
    yield from _shown("Come back most", recipe.most)
    yield from _shown("Come back least, of those that fire", recipe.least)


def _shown(heading: str, features: Sequence[Shown]) -> Iterator[RenderableType]:
    if not features:
        return
    yield Padding(Text(heading, style="bold"), (1, 0, 0, 0))
    for each in features:
        fired = "" if each.fired is None else f", fires on {each.fired:,} tokens"
        yield Text(f"{each.run} {each.atom}: back {rounded(each.reappearance)}, cosine {rounded(each.cosine)}{fired}")
        yield from (Padding(Text(text, style="dim"), (0, 0, 0, 2)) for text in each.texts)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['run']} {row['atom']}"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_cell(name, row[name]) for name in _COLUMNS)


def _cell(name: str, value: Any) -> str:  # noqa: ANN401 (a number of any kind, or None)
    if value is None:
        return ""
    if name == "norm":
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else rounded(value)
