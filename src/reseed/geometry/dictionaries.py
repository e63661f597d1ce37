"""Two dictionaries: how far they agree, and what their own means and covariances would give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed import measures
from reseed.geometry.document import DictionaryGeometry, PairGeometry, Standing, largest, role_of
from reseed.geometry.worth import formula_floors, own_floor
from reseed.matching import match, unit_rows, zero_atoms
from reseed.statistics import spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from reseed.geometry.document import Floor, ViewGeometry
    from reseed.geometry.worth import Plan

__all__ = ["ALIKE", "pair_geometry"]

ALIKE = 0.7
"""The cosine above which a pair counts as one feature (@paulo2025sparse)."""


def pair_geometry(
    about: Sequence[tuple[str, str]],
    dictionaries: Sequence[Float[Tensor, "_ d_model"]],
    views: Sequence[ViewGeometry],
    plan: Plan,
    pool: Executor,
) -> PairGeometry:
    """Two dictionaries of as many dimensions each, against nulls of their own and what there is in `views`.

    Args:
        about: what each is called, and a line about it.
        dictionaries: their atoms.
        views: the activations after each preprocessing.
        plan: how much is drawn.
        pool: where that is done.
    """
    matching = match(*dictionaries, sign=plan.sign)
    same, alike = matching.rows == matching.cols, matching.cosines > ALIKE
    means = [_unit(atoms).mean(dim=0) for atoms in dictionaries]
    shared_mean = (means[0] @ means[1]).item()
    floors = (*formula_floors(shared_mean, len(means[0]), plan), own_floor(dictionaries, plan, pool))
    kinds = {"dictionaries": floors} | {view.preprocess: view.floors for view in views}
    return PairGeometry(
        first=_geometry(*about[0], dictionaries[0]),
        second=_geometry(*about[1], dictionaries[1]),
        sign=plan.sign,
        agreement=matching.agreement,
        alike=int(alike.sum()),
        same_index=int((same & alike).sum()),
        gap=matching.gap,
        mmcs=measures.mmcs(matching).forward,
        shared_mean=shared_mean,
        floors=floors,
        standings=tuple(
            _standing(matching.agreement, against, found)
            for against, kind in kinds.items()
            for role in ("null", "reference")
            if (found := largest(kind, role)) is not None
        ),
    )


def _geometry(name: str, told: str, atoms: Float[Tensor, "atoms d_model"]) -> DictionaryGeometry:
    unit = _unit(atoms)
    mean = unit.mean(dim=0)
    covariance = (unit - mean).T @ (unit - mean) / len(unit)
    return DictionaryGeometry(
        name=name,
        told=told,
        n_atoms=len(atoms),
        zero_atoms=len(atoms) - len(unit),
        mean_share=spectrum.mean_share(mean, covariance),
        **spectrum.spectrum_of(covariance)._asdict(),
    )


def _unit(atoms: Float[Tensor, "atoms d_model"]) -> Float[Tensor, "alive d_model"]:
    """The atoms at length 1, without zero atoms."""
    return unit_rows(atoms)[~zero_atoms(atoms)]


def _standing(matched: float, against: str, floor: Floor) -> Standing:
    apart = 1 - floor.value
    ratio = max(0.0, 1 - matched) / apart if apart > 0 else math.nan
    role = role_of(floor.name)
    return Standing(against=against, role=role, floor=floor.name, value=floor.value, ratio=ratio)
