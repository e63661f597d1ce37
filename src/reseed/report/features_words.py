"""Which features come back, in the words and rows that text and page share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, percent, rounded

if TYPE_CHECKING:
    from reseed.findings import Interval
    from reseed.reappearance.document import Features, RecipeFeatures, Shown, Strata

__all__ = [
    "SHARES",
    "SHOWN",
    "share_rows",
    "shown_rows",
    "strata_caption",
    "strata_columns",
    "strata_rows",
    "title",
    "told",
]

SHARES = ("one to one", "many to one")
"""Columns of `share_rows`."""
SHOWN = ("back", "cosine", "fires on")
"""Columns of `shown_rows`."""


def title(found: Features) -> str:
    """What a page is about: the recipe, or how many there are, and the runs of each."""
    runs = sorted({len(recipe.runs) for recipe in found.recipes})
    named = found.recipes[0].name if len(found.recipes) == 1 else f"{len(found.recipes)} recipes"
    each = "" if len(found.recipes) == 1 else " each"
    return f"{named}: {' to '.join(dict.fromkeys((str(runs[0]), str(runs[-1]))))} independent runs{each}"


def share_rows(recipe: RecipeFeatures) -> dict[str, tuple[str, str]]:
    """How many come back, how many do on the null, and how many had the cosine at step 0 where that is known."""
    born = {} if recipe.at_start is None else {"at step 0, by cosines alone": (told(recipe.at_start), "")}
    return {
        "come back": (told(recipe.reappearance), told(recipe.many_to_one)),
        f"null: {recipe.null}": (told(recipe.null_reappearance), told(recipe.null_many_to_one)),
        **born,
    }


def strata_caption(strata: Strata) -> str:
    """What atoms are sorted by."""
    return f"By {strata.by}, {strata.meaning}: how many come back, one to one, and have any atom within the threshold"


def strata_columns(strata: Strata) -> tuple[str, ...]:
    """With that of the null where it is known."""
    return ("atoms", "back", "any", *(("any, null",) if _has_null(strata) else ()))


def strata_rows(strata: Strata) -> dict[str, tuple[str, ...]]:
    """A row for each stratum, from the least to the most."""
    null = _has_null(strata)
    return {
        f"{rounded(each.low, 3)} to {rounded(each.high, 3)}": (
            f"{each.atoms:,}",
            rounded(each.reappearance),
            rounded(each.many_to_one),
            *((rounded(each.null_many_to_one),) if null else ()),
        )
        for each in strata.strata
    }


def shown_rows(recipe: RecipeFeatures) -> dict[str, tuple[str, ...]]:
    """The features that come back most, and then those that come back least, with what they fire on."""
    return {f"{each.run} {each.atom}": _cells(each) for each in (*recipe.most, *recipe.least)}


def _cells(feature: Shown) -> tuple[str, ...]:
    return percent(feature.reappearance), rounded(feature.cosine), "\n".join(feature.texts)


def _has_null(strata: Strata) -> bool:
    return any(not math.isnan(each.null_many_to_one) for each in strata.strata)


def told(share: Interval) -> str:
    """A share with its interval."""
    return f"{rounded(share.value, 3)} {interval(share.low, share.high, 3)}".rstrip()
