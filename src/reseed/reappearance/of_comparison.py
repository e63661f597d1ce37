"""The features of dictionaries that were compared, recipe by recipe, by the matchings of the comparison."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from reseed._support import progress
from reseed._support.files import replacing
from reseed._support.threads import workers
from reseed.activations import open_activations
from reseed.comparison.comparing import MOST_HELDOUT, null_sides_on, sides_on, structureless_tokens
from reseed.comparison.opened import opened, same_recipe
from reseed.comparison.tokens import Tokens
from reseed.errors import SpecError
from reseed.matching import KeptMatching
from reseed.reappearance.coming_back import find
from reseed.reappearance.runs import of_sides
from reseed.reappearance.table import table
from reseed.thresholds import FeatureRule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.comparison.document import ComparedPair, DictionaryComparison
    from reseed.interop import Source

__all__ = ["features_of", "write_features_of"]


def features_of(
    found: DictionaryComparison,
    *dictionaries: Source,
    activations: Source | None = None,
    null: Sequence[Source] = (),
    tensor: str | None = None,
    transpose: bool = False,
    quiet: bool = True,
    **asked: Any,  # noqa: ANN401 (format, k and delta, as `reseed.compare` takes them)
) -> pl.DataFrame:
    """The features of all recipes of a comparison that two or more of its dictionaries are of.

    Nothing that was compared is matched again; codes are made again, and runs on rows without structure matched.

    Args:
        found: what `reseed.compare` returned.
        *dictionaries: what it was given; so are all others.
        activations: as there.
        null: as there.
        tensor: as there.
        transpose: as there.
        quiet: no progress bars on stderr.
        **asked: `format`, `k` and `delta`, as there.

    Raises:
        SpecError: no two of the dictionaries are of one recipe.
    """
    several = [group for group in found.groups if len(group.labels) > 1]
    if not several:
        raise SpecError("no two of these dictionaries are of one recipe: features come back among runs of one")
    of_tokens: dict[str, Any] = {"tensor": tensor, "transpose": transpose}
    asked |= of_tokens if activations is None else {}
    labels, groups = ([getattr(each, name) for each in found.dictionaries] for name in ("label", "group"))
    given = opened(dictionaries, labels=labels, groups=groups, **asked)
    structureless = opened(null, labels=None, **asked) if null else ()
    acts = None if activations is None else open_activations(activations, **of_tokens)
    tokens = None if acts is None else Tokens(acts.heldout.rows[:MOST_HELDOUT].float(), acts.moments.mean)
    sides = sides_on(given, tokens)
    null_sides = null_sides_on(structureless, structureless_tokens(acts) if null else None)
    tables = []
    with workers() as pool, progress.bar(quiet=quiet) as show:
        for group in several:
            own = [side for side in sides if side.opened.group == group.name]
            theirs = [side for side in null_sides if same_recipe(own[0].dictionary, side.dictionary)]
            recipe = of_sides(group.name, own, theirs, found.sign, matched=_matched(found, group.labels))
            n_pairs = math.comb(len(own), 2) + math.comb(len(theirs) or 3, 2)
            tables.append(table(find(recipe, FeatureRule(), pool, show(f"features of {group.name}", n_pairs)), None))
    return pl.concat(tables)


def write_features_of(found: DictionaryComparison, path: Path, *dictionaries: Source, **asked: Any) -> Path:  # noqa: ANN401 (those of `features_of`)
    """Write the table of `features_of` as Parquet, whole or not at all."""
    features = features_of(found, *dictionaries, **asked)
    with replacing(path) as temporary:
        features.write_parquet(temporary)
    return path


def _matched(found: DictionaryComparison, labels: Sequence[str]) -> dict[tuple[int, int], KeptMatching]:
    """The matchings of every two of these dictionaries, by their places."""
    pairs = {(pair.a, pair.b): pair for pair in found.pairs}
    return {(i, j): _kept(pairs[a, b]) for (i, a), (j, b) in combinations(enumerate(labels), 2)}


def _kept(pair: ComparedPair) -> KeptMatching:
    whole = pair.matching
    return KeptMatching(
        rows=torch.tensor(whole.a, dtype=torch.int64),
        cols=torch.tensor(whole.b, dtype=torch.int64),
        cosines=torch.tensor(whole.cosine, dtype=torch.float64),
        gap=pair.gap,
    )
