"""A geometry as text: the recommendation first, then the tables it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from reseed._support.visible import visible_document
from reseed.report.geometry_words import agreed, floor_rows, name, own_rows, pair_rows, shape_rows, sizes, standing_rows
from reseed.report.text import ONE_LINE, plain_table, printed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from reseed.geometry.document import Geometry, PairGeometry, ViewGeometry

__all__ = ["render"]

NARROW = 3  # preprocessings beside each other on 80 columns


def render(geometry: Geometry, *, width: int, colour: bool) -> str:
    """The whole geometry as text that is at most `width` columns wide.

    Args:
        geometry: what to say.
        width: of the terminal, in columns; made for 80 and wider.
        colour: whether to add ANSI colours.
    """
    return printed(_parts(visible_document(geometry), width), width=width, colour=colour)


def _parts(geometry: Geometry, width: int) -> Iterator[RenderableType]:
    yield Text(f"{name(geometry)}: {', '.join(sizes(geometry))}", style="bold")
    yield Text()
    yield from (Text(sentence, style="" if i else "bold") for i, sentence in enumerate(geometry.recommendation))
    if geometry.pair:
        yield from _pair(geometry.pair)
    beside = len(geometry.views) if width >= ONE_LINE else NARROW
    for i in range(0, len(geometry.views), beside):
        yield from _views(geometry.views[i : i + beside])
    if geometry.views:
        yield Text(_KEY, style="dim")
    yield from (Padding(f"! {warning}", (1, 0, 0, 0)) for warning in geometry.warnings)


_KEY = (
    "Matched agreement ± standard deviation over pairs of draws; the first two are formulas. Nulls are random "
    "directions and the Gaussian; all others are references, other dictionaries of the same tokens. "
    "Hull: atoms are means of random k-means points, the same ones for both dictionaries, or each its own."
)


def _views(views: Sequence[ViewGeometry]) -> Iterator[RenderableType]:
    names = [view.preprocess for view in views]
    yield plain_table("the activations", names, shape_rows(views))
    yield plain_table("nulls and references", names, floor_rows(views))


def _pair(pair: PairGeometry) -> Iterator[RenderableType]:
    yield plain_table("two dictionaries", ["first", "second"], pair_rows(pair))
    yield Text(f"first: {pair.first.told}\nsecond: {pair.second.told}\n{agreed(pair)}", style="dim")
    yield plain_table("from them alone", ["value"], own_rows(pair))
    rows = {against: cells for against, *cells in standing_rows(pair)}
    yield plain_table("their agreement against", ["value", "distance ratio"], rows)
