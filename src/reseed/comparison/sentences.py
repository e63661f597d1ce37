"""What a comparison says first: recipe by recipe, then pairs of different recipes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import percent, rounded
from reseed.thresholds import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.comparison.document import ComparedPair, RecipeGroup, RecipeTrajectory

__all__ = ["sentences"]

_MOST = 10  # pairs of different recipes that have a sentence of their own


def sentences(
    groups: Sequence[RecipeGroup], trajectories: Sequence[RecipeTrajectory], pairs: Sequence[ComparedPair]
) -> tuple[str, ...]:
    """One for each recipe of which there are pairs, and each trajectory; up to ten for pairs of different recipes."""
    of_groups = [group for group in groups if group.pairs]
    across = [pair for pair in pairs if not pair.same_recipe]
    told = [f"{group.name} ({', '.join(group.labels)}). {group.sentence}" for group in of_groups]
    told += [f"{each.name} along training. {each.sentence}" for each in trajectories]
    told += [_across(pair) for pair in across[:_MOST]]
    if len(across) > _MOST:
        told.append(f"{len(across) - _MOST:,} more pairs are of different recipes: the tables have them.")
    return tuple(told)


def _across(pair: ComparedPair) -> str:
    null = max(pair.nulls, key=lambda floor: floor.value)
    beyond = pair.agreement - Limits().margin > null.value
    stands = "beyond" if beyond else "not beyond"
    return (
        f"{pair.a} and {pair.b}, of different recipes, agree {rounded(pair.agreement)}, {stands} {null.title} "
        f"({rounded(null.value)}); {_replicated(pair)}; {_born(pair)}."
    )


def _replicated(pair: ComparedPair) -> str:
    if math.isnan(pair.replicated):
        return "what chance gives leaves no room for a replicated share"
    return f"{percent(max(0.0, pair.replicated))} of the matched pairs are replicated"


def _born(pair: ComparedPair) -> str:
    if pair.born_alike:
        return "they share their indices (born alike): their agreement says nothing of independent runs"
    if math.isnan(pair.birth_p):
        return "whether they share their indices cannot be said"
    return "they do not share their indices"
