"""What to do about the geometry, in sentences: rules on the numbers of the document, and nothing else.

The strictest floor is what agreement is measured against: mostly what clustering gives without any training. Advice
names the simplest preprocessing under which it is about as low as anywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, percent, rounded
from reseed.geometry.document import strictest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.geometry.document import PairGeometry, Standing, ViewGeometry

__all__ = ["BORN", "BY_CHANCE", "MATERIAL", "SIMPLEST_FIRST", "floor_of", "recommendation", "recommended"]

MATERIAL = 0.05
"""A difference of floors below this is no reason to prefer one preprocessing to another."""
LITTLE_ROOM = 0.9
"""A floor from here on leaves the raw agreement little room above it."""

BY_CHANCE = 5
"""Pairs at the same index that chance may make: one is expected."""
BORN = 0.1
"""A share of the pairs at the same index that chance never makes."""

RULING = 0.1
"""A share of the energy from which rogue dimensions are worth a sentence."""
NAMED = 5
"""Rogue dimensions that a sentence names."""

SIMPLEST_FIRST = ("none", "centre", "centre-scale", "unit-norm", "standardise", "whiten")
"""How far each preprocessing interferes with the activations, from not at all."""


def recommendation(views: Sequence[ViewGeometry], pair: PairGeometry | None) -> tuple[str, ...]:
    """What to do, the most important sentence first."""
    about_views = _about_views(views) if views else ()
    return (*(_about_pair(pair) if pair else ()), *about_views)


def recommended(views: Sequence[ViewGeometry]) -> ViewGeometry:
    """The simplest preprocessing whose strictest floor is at most .05 above the lowest one."""
    lowest = min(floor_of(view) for view in views)
    enough = [view for view in views if floor_of(view) <= lowest + MATERIAL]
    return min(enough, key=lambda view: SIMPLEST_FIRST.index(view.preprocess))


def floor_of(view: ViewGeometry) -> float:
    """The strictest floor of a view."""
    return strictest(view.floors).value


def _about_views(views: Sequence[ViewGeometry]) -> Iterator[str]:
    best = recommended(views)
    yield _choice(views, best)
    if floor_of(best) >= LITTLE_ROOM:
        yield (
            f"A floor of {rounded(floor_of(best))} leaves agreement little room: read it floor-adjusted, and code "
            "agreement beside it."
        )
    yield from (_rogue(view) for view in views if view in (_reference(views), best) and _is_ruled(view))


def _choice(views: Sequence[ViewGeometry], best: ViewGeometry) -> str:
    reference, lowest = _reference(views), min(views, key=floor_of)
    already = f"{best.preprocess}: {_untrained(reference)} already agree"
    if len(views) == 1:
        return f"{already} {rounded(floor_of(best))} here; an agreement is worth what it has above that."
    if best != reference:
        digits = digits_apart(floor_of(reference), floor_of(best))
        before, after = rounded(floor_of(reference), digits), rounded(floor_of(best), digits)
        others = "" if _untrained(best) == _untrained(reference) else f"{_untrained(best)} "
        return (
            f"{already} {before} {_seen(reference)}, {others}{after} {_seen(best)}{_centred(views, reference, best)}."
        )
    if lowest == best:
        return f"{already} {rounded(floor_of(best))} {_seen(best)}, and no other preprocessing here lowers that."
    digits = digits_apart(floor_of(best), floor_of(lowest))
    to = f"{rounded(floor_of(lowest), digits)} {_seen(lowest)}"
    return f"{already} {rounded(floor_of(best), digits)} {_seen(best)}, and it would be hardly less, {to}."


def _untrained(view: ViewGeometry) -> str:
    return _MADE[strictest(view.floors).name]


_MADE = {
    "kmeans": "untrained k-means dictionaries",
    "data": "dictionaries of random tokens",
    "spectrum": "Gaussian dictionaries with the tokens' mean and covariance",
    "isotropic": "dictionaries of random directions",
}
"""By the name of the floor, what was never trained."""


def _centred(views: Sequence[ViewGeometry], *named: ViewGeometry) -> str:
    """What centring alone gives, where another preprocessing is better still."""
    centred = next((view for view in views if view.preprocess == "centre" and view not in named), None)
    return f" (after centre {rounded(floor_of(centred))})" if centred else ""


def _reference(views: Sequence[ViewGeometry]) -> ViewGeometry:
    """Raw activations, or else those that interfere least."""
    return min(views, key=lambda view: SIMPLEST_FIRST.index(view.preprocess))


def _seen(view: ViewGeometry) -> str:
    return "on raw activations" if view.preprocess == "none" else f"after {view.preprocess}"


def _is_ruled(view: ViewGeometry) -> bool:
    """Whether the rogue dimensions decide much: a tenth of the energy, or a material part of the mean cosine."""
    energy = math.fsum(dimension.energy for dimension in view.dimensions if dimension.rogue)
    return energy >= RULING or abs(view.mean_cosine - view.without_rogue) >= MATERIAL


def _rogue(view: ViewGeometry) -> str:
    found = [dimension for dimension in view.dimensions if dimension.rogue]
    named = _listed([str(dimension.index) for dimension in found])
    energy = percent(math.fsum(dimension.energy for dimension in found))
    are = "dimension {} is rogue: it holds" if len(found) == 1 else "dimensions {} are rogue: they hold"
    less = f"; without {'it' if len(found) == 1 else 'them'} two tokens have cosine {rounded(view.without_rogue)}, not "
    matters = abs(view.mean_cosine - view.without_rogue) >= MATERIAL
    return (
        f"{_seen(view).capitalize()} {are.format(named)} {energy} of the energy"
        f"{less + rounded(view.mean_cosine) if matters else ''}."
    )


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`; what is too many is counted."""
    if len(words) > NAMED:
        return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _about_pair(pair: PairGeometry) -> Iterator[str]:
    own, *others = pair.standings
    alone = "random directions" if own.floor == "isotropic" else "their own means and covariances"
    agree = f"agree {rounded(pair.agreement)}" + (" up to sign" if pair.sign == "abs" else "")
    yield f"The two dictionaries {agree}; {alone} alone would give {rounded(own.value)}: {_worth(own)}."
    for each in others:
        seen = "on raw activations" if each.against == "none" else f"after {each.against}"
        yield (
            f"If they were trained {seen}, they have to beat {rounded(each.value)}, which {_MADE[each.floor]} agree: "
            f"{_worth(each)}."
        )
    pairs = min(pair.first.n_atoms, pair.second.n_atoms)
    yield f"{pair.alike:,} of {pairs:,} pairs have a cosine above .7{_by_index(pair)}."


def _by_index(pair: PairGeometry) -> str:
    """Whether pairs stand at one index, as dictionaries from one start do: by chance one or two of them would."""
    if pair.same_index <= max(BY_CHANCE, BORN * pair.alike):
        return ""
    return (
        f", {pair.same_index:,} of them at the same index in both: born alike (from one start), or one is a copy of "
        "the other"
    )


def _worth(standing: Standing) -> str:
    if math.isnan(standing.adjusted):
        return "nothing can be above that"
    told = f"floor-adjusted {rounded(standing.adjusted)}"
    return told if standing.adjusted > 0 else f"{told}, no evidence of learning"
