"""The features of dictionaries that were compared, recipe by recipe, by the matchings of the comparison."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from reseed._support import progress
from reseed._support.threads import workers
from reseed.activations import open_activations
from reseed.comparison.comparing import MOST_HELDOUT, null_sides_on, sides_on, structureless_tokens
from reseed.comparison.opened import opened, same_recipe
from reseed.comparison.tokens import Tokens
from reseed.errors import SpecError
from reseed.matching import KeptMatching
from reseed.reappearance.coming_back import find
from reseed.reappearance.document import AskedFeatures, Born
from reseed.reappearance.features import SHOWN, Reappearance, told_of
from reseed.reappearance.runs import of_sides
from reseed.thresholds import FeatureRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reseed.comparison.document import ComparedPair, DictionaryComparison
    from reseed.interop import Source

__all__ = ["features_of"]

T = TypeVar("T")


def features_of(
    found: DictionaryComparison,
    *dictionaries: Source,
    activations: Source | None = None,
    null: Sequence[Source] = (),
    tensor: str | None = None,
    transpose: bool = False,
    quiet: bool = True,
    **asked: Any,  # noqa: ANN401 (format, k and delta, as `reseed.compare` takes them)
) -> Reappearance:
    """The features of all recipes of a comparison that two or more of its dictionaries are of.

    Nothing that was compared is matched or tested again; codes are made again, and runs on rows without structure
    matched.

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
    each = []
    with workers() as pool, progress.bar(quiet=quiet) as show:
        for group in several:
            own = [side for side in sides if side.opened.group == group.name]
            theirs = [side for side in null_sides if same_recipe(own[0].dictionary, side.dictionary)]
            pairs = _pairs(found, group.labels)
            matched, births = _each(pairs, _kept), _each(pairs, _born)
            recipe = of_sides(group.name, own, theirs, found.sign, matched=matched, births=births)
            n_pairs = math.comb(len(own), 2) + math.comb(len(theirs) or 3, 2)
            each.append(find(recipe, FeatureRule(), pool, show(f"features of {group.name}", n_pairs)))
    return told_of(each, _asked(found), acts, found.activations)


def _asked(found: DictionaryComparison) -> AskedFeatures:
    """The question, as far as it is that of features."""
    asked = found.asked
    return AskedFeatures(
        sources=asked.sources,
        activations=asked.activations,
        null=asked.null,
        labels=asked.labels,
        groups=asked.groups,
        cosine=None,
        code=None,
        sign=asked.sign,
        format=asked.format,
        k=asked.k,
        delta=asked.delta,
        with_blocks=False,
        shown=SHOWN,
        with_texts=True,
    )


def _pairs(found: DictionaryComparison, labels: Sequence[str]) -> dict[tuple[int, int], ComparedPair]:
    """Every two of these dictionaries, by their places."""
    pairs = {(pair.a, pair.b): pair for pair in found.pairs}
    return {(i, j): pairs[a, b] for (i, a), (j, b) in combinations(enumerate(labels), 2)}


def _each(pairs: Mapping[tuple[int, int], ComparedPair], told: Callable[[ComparedPair], T]) -> dict[tuple[int, int], T]:
    return {place: told(pair) for place, pair in pairs.items()}


def _born(pair: ComparedPair) -> Born:
    return Born(
        a=pair.a,
        b=pair.b,
        tested=pair.tested_atoms,
        fixed=pair.fixed_points,
        expected=pair.fixed_expected,
        p=pair.birth_p,
        holm=pair.birth_holm,
        alike=pair.born_alike,
    )


def _kept(pair: ComparedPair) -> KeptMatching:
    whole = pair.matching
    return KeptMatching(
        rows=torch.tensor(whole.a, dtype=torch.int64),
        cols=torch.tensor(whole.b, dtype=torch.int64),
        cosines=torch.tensor(whole.cosine, dtype=torch.float64),
        gap=pair.gap,
    )
