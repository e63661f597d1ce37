"""What to do about the geometry, in sentences: rules on the numbers of the document, and nothing else.

A null says what chance, or mean and covariance alone, would give; a reference says what other dictionaries of the same
tokens agree, k-means above all, and is no bar to be cleared: k-means is a learner too. Advice names the simplest
preprocessing under which agreement has about as much room above both as anywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import digits_apart, percent, rounded
from reseed.geometry.document import largest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.geometry.document import Floor, PairGeometry, Standing, ViewGeometry

__all__ = [
    "BORN",
    "BY_CHANCE",
    "MATERIAL",
    "NULLS",
    "SIMPLEST_FIRST",
    "SURROGATE",
    "level_of",
    "recommendation",
    "recommended",
]

MATERIAL = 0.05
"""A difference of levels below this is no reason to prefer one preprocessing to another."""
LITTLE_ROOM = 0.9
"""A level from here on leaves the raw agreement little room above it."""

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
    """The simplest preprocessing whose level is at most .05 above the lowest one."""
    lowest = min(level_of(view) for view in views)
    enough = [view for view in views if level_of(view) <= lowest + MATERIAL]
    return min(enough, key=lambda view: SIMPLEST_FIRST.index(view.preprocess))


def level_of(view: ViewGeometry) -> float:
    """The largest null or reference of a view: what agreement is there without the training in question."""
    return _highest(view).value


def _highest(view: ViewGeometry) -> Floor:
    found = largest(view.floors)
    if found is None:
        raise ValueError(f"the view of {view.preprocess} has neither nulls nor references")
    return found


def _about_views(views: Sequence[ViewGeometry]) -> Iterator[str]:
    best = recommended(views)
    yield _choice(views, best)
    if level_of(best) >= LITTLE_ROOM:
        yield (
            f"Where {_made(best)} agree {rounded(level_of(best))}, agreement has little room: read how far apart "
            "dictionaries are as a ratio to that, and code agreement beside it."
        )
    yield NULLS
    yield from (_rogue(view) for view in views if view in (_reference(views), best) and _is_ruled(view))


def _choice(views: Sequence[ViewGeometry], best: ViewGeometry) -> str:
    reference, lowest = _reference(views), min(views, key=level_of)
    already = f"{best.preprocess}: {_made(reference)} agree"
    if len(views) == 1:
        return f"{already} {rounded(level_of(best))} here; show that beside an agreement."
    if best != reference:
        digits = digits_apart(level_of(reference), level_of(best))
        before, after = rounded(level_of(reference), digits), rounded(level_of(best), digits)
        others = "" if _made(best) == _made(reference) else f"{_made(best)} "
        return (
            f"{already} {before} {_seen(reference)}, {others}{after} {_seen(best)}{_centred(views, reference, best)}."
        )
    if lowest == best:
        return f"{already} {rounded(level_of(best))} {_seen(best)}, and no other preprocessing here lowers that."
    digits = digits_apart(level_of(best), level_of(lowest))
    to = f"{rounded(level_of(lowest), digits)} {_seen(lowest)}"
    return f"{already} {rounded(level_of(best), digits)} {_seen(best)}, and it would be hardly less, {to}."


def _made(view: ViewGeometry) -> str:
    return _MADE[_highest(view).name]


_MADE = {
    "kmeans": "k-means dictionaries",
    "data": "dictionaries of random tokens",
    "spectrum": "Gaussian dictionaries with the tokens' mean and covariance",
    "isotropic": "dictionaries of random directions",
}
"""By the name of a null or reference, what it is made of."""

NULLS = (
    "K-means is another learner, a reference and no null. The null that a method has to clear, what it gives on rows "
    "with the same mean, covariance and lengths, needs training: `reseed surrogate` makes such rows, and `reseed run` "
    "trains on them by itself."
)
"""What nulls and references mean."""


def _centred(views: Sequence[ViewGeometry], *named: ViewGeometry) -> str:
    """What centring alone gives, where another preprocessing is better still."""
    centred = next((view for view in views if view.preprocess == "centre" and view not in named), None)
    return f" (after centre {rounded(level_of(centred))})" if centred else ""


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
    agree = f"agree {rounded(pair.agreement)}" + (" up to sign" if pair.sign == "abs" else "")
    own = next(each for each in pair.standings if each.against == "dictionaries")
    alone = "random directions" if own.floor == "isotropic" else "their own means and covariances"
    by_chance = f"{alone} alone would give {rounded(own.value)}"
    yield f"The two dictionaries {agree}; {by_chance}: {_apart(own, 'those would be')}."
    for each in pair.standings:
        if each.role == "reference":
            seen = "on raw activations" if each.against == "none" else f"after {each.against}"
            made = f"{_MADE[each.floor]} agree {rounded(each.value)} {seen}"
            yield f"For reference, {made}: {_apart(each, 'those are')}."
    pairs = min(pair.first.n_atoms, pair.second.n_atoms)
    yield f"{pair.alike:,} of {pairs:,} pairs have a cosine above .7{_by_index(pair)}."
    yield SURROGATE


SURROGATE = (
    "What their recipe would give on rows with nothing but the activations' mean, covariance and lengths is not known "
    "here: it needs training, on what `reseed surrogate` makes."
)
"""The null that two finished dictionaries do not bring along."""


def _by_index(pair: PairGeometry) -> str:
    """Whether pairs stand at one index, as dictionaries from one start do: by chance one or two of them would."""
    if pair.same_index <= max(BY_CHANCE, BORN * pair.alike):
        return ""
    return (
        f", {pair.same_index:,} of them at the same index in both: born alike (from one start), or one is a copy of "
        "the other"
    )


def _apart(standing: Standing, others: str) -> str:
    """How far apart the two are, as a share or a multiple of what `others` are."""
    ratio = standing.ratio
    if math.isnan(ratio):
        return "nothing can be closer than that"
    if ratio == 0:
        return "they are one dictionary"
    if ratio < 1:
        return f"the two are {percent(ratio)} as far apart as {others}"
    farther = f"the two are {rounded(ratio)} times as far apart as {others}"
    return f"{farther}, no closer than chance" if standing.role == "null" else farther
