"""The words and cells of a geometry that the text and the page both show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import percent, rounded
from reseed.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.geometry.document import Floor, Geometry, PairGeometry, ViewGeometry

__all__ = [
    "ABOUT",
    "agreed",
    "called",
    "estimated",
    "floor_policies",
    "floor_rows",
    "name",
    "own_rows",
    "pair_rows",
    "shape_rows",
    "sizes",
    "standing_rows",
]

CALLED = {
    "isotropic": "random directions",
    "mean-shift": "random around the mean",
    "spectrum": "Gaussian, spectrum-matched",
    "data": "tokens",
    "kmeans": "k-means",
}
"""How nulls and references are called in tables and figures; those of the hull say how many points they mix."""

ABOUT = {
    "mean cosine": "of two tokens of the sample, over all pairs",
    "energy in the mean": "‖μ‖² / E‖x‖²; what the moments of all tokens say about the mean cosine",
    "mean over spread": "‖μ‖ / √E‖x-μ‖²",
    "effective rank": "exp of the entropy of the principal directions' shares of the variance",
    "participation ratio": "(tr Σ)² / tr Σ²; how many directions carry the variance",
    "stable rank": "tr Σ over its largest eigenvalue",
    "rogue dimensions": "those with more than ten times their even share of the energy, and that share",
}
"""What the rows about the activations mean."""

_SHOWN = 3  # rogue dimensions that a table names


def name(geometry: Geometry) -> str:
    """What was measured: the model and its layer where a store says so, else the name of the file or folder."""
    about = geometry.activations
    if about is None:
        return "two dictionaries"
    return f"{about['model']}, layer {about['layer']}" if {"model", "layer"} <= about.keys() else str(about["name"])


def sizes(geometry: Geometry) -> tuple[str, ...]:
    """How much of it."""
    first, second = geometry.n_atoms
    atoms = f"{first:,}" if first == second else f"{first:,} and {second:,}"
    tokens = (f"{geometry.activations['n_tokens']:,} tokens",) if geometry.activations else ()
    return (*tokens, f"d_model {geometry.d_model:,}", f"dictionaries of {atoms} atoms", f"{geometry.draws} draws")


def called(floor: Floor) -> str:
    """The name of a null or reference."""
    if floor.name != "hull":
        return CALLED[floor.name]
    own = ", own points" if floor.points == "own" else ""
    return f"hull, {counted(floor.mixed or 0, 'point')} mixed{own}"


def estimated(floor: Floor) -> str:
    """`.761 ± .012`, or only the value where it is a formula."""
    value = rounded(floor.value, 3)
    return value if floor.n == 0 or math.isnan(floor.spread) else f"{value} ± {rounded(floor.spread, 3)}"


def shape_rows(views: Sequence[ViewGeometry]) -> dict[str, tuple[str, ...]]:
    """What the activations look like: a cell for each view."""
    rows = {
        "mean cosine": [rounded(view.mean_cosine) for view in views],
        "energy in the mean": [percent(view.mean_share) for view in views],
        "mean over spread": [rounded(view.mean_over_spread) for view in views],
        "effective rank": [rounded(view.effective_rank, 1) for view in views],
        "participation ratio": [rounded(view.participation_ratio, 1) for view in views],
        "stable rank": [rounded(view.stable_rank, 1) for view in views],
        "rogue dimensions": [_rogue(view) for view in views],
        "mean cosine without them": [rounded(view.without_rogue) for view in views],
    }
    return {name: tuple(cells) for name, cells in rows.items() if set(cells) != {"n/a"}}


def floor_rows(views: Sequence[ViewGeometry]) -> dict[str, tuple[str, ...]]:
    """Nulls and references: a cell for each view."""
    return {
        called(floors[0]): tuple(map(estimated, floors))
        for floors in zip(*(view.floors for view in views), strict=True)
    }


def floor_policies(views: Sequence[ViewGeometry]) -> dict[str, str]:
    """How each of them was made; those of the hull differ in what they mix only."""
    hulls = {"same": "hull", "own": "hull, own points", None: ""}
    return {hulls[floor.points] or called(floor): floor.policy for view in views[:1] for floor in view.floors}


def pair_rows(pair: PairGeometry) -> dict[str, tuple[str, ...]]:
    """What two dictionaries look like: a cell for each."""
    both = (pair.first, pair.second)
    return {
        "atoms": tuple(f"{each.n_atoms:,}{_of_which_zero(each.zero_atoms)}" for each in both),
        "mean cosine of two atoms": tuple(rounded(each.mean_share) for each in both),
        "effective rank": tuple(rounded(each.effective_rank, 1) for each in both),
        "participation ratio": tuple(rounded(each.participation_ratio, 1) for each in both),
        "stable rank": tuple(rounded(each.stable_rank, 1) for each in both),
    }


def own_rows(pair: PairGeometry) -> dict[str, tuple[str]]:
    """What two dictionaries would agree by their own means and covariances."""
    return {called(floor): (estimated(floor),) for floor in pair.floors}


def standing_rows(pair: PairGeometry) -> list[tuple[str, str, str]]:
    """What two dictionaries' agreement is held against: null or reference, its value, and the ratio of distances."""
    return [
        (
            f"{each.role}: {CALLED[each.floor]}" + ("" if each.against == "dictionaries" else f" @{each.against}"),
            rounded(each.value, 3),
            rounded(each.ratio, 3),
        )
        for each in pair.standings
    ]


def agreed(pair: PairGeometry) -> str:
    """Their agreement in a sentence."""
    return (
        f"matched agreement {rounded(pair.agreement, 3)}, best cosine (MMCS) {rounded(pair.mmcs, 3)}, "
        f"mean cosine of an atom of one with an atom of the other {rounded(pair.shared_mean, 3)}"
    )


def _rogue(view: ViewGeometry) -> str:
    found = [dimension for dimension in view.dimensions if dimension.rogue]
    lines = [f"{each.index}: {percent(each.energy)}" for each in found[:_SHOWN]]
    return "\n".join([*lines, *([f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])]) or "0"


def _of_which_zero(count: int) -> str:
    return f", {count:,} of them zero" if count else ""
