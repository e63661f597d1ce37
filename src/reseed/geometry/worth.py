"""Nulls and references of agreement: dictionaries of the same size, matched by the code that matches trained ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import floors
from reseed.dice import roll
from reseed.geometry.document import Floor, role_of
from reseed.matching import Sign, match
from reseed.training.untrained import data_atoms, kmeans_atoms, kmeans_tokens

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.activations import Preprocessed

__all__ = ["MIXTURES", "Plan", "formula_floors", "measured_floors", "own_floor"]

MIXTURES = (1, 4, 16, 64)
"""Points that atoms of the hull references are the means of."""

Atoms = Float[Tensor, "atoms d_model"]
Make = Callable[[int, int, int], Atoms]
"""Draws a dictionary: number of atoms, number of the draw, and which of the two sizes it is for (0 or 1)."""
Draw = tuple[Float[Tensor, "_ d_model"], Float[Tensor, "_ d_model"]]
"""Dictionaries of both sizes; the same one twice where the sizes are equal."""


@dataclass(frozen=True)
class Plan:
    """How dictionaries are drawn."""

    sizes: tuple[int, int]
    """Atoms of the two dictionaries that are compared."""
    draws: int
    """Draws behind each of them; every two of them make a pair."""
    kmeans_steps: int
    sign: Sign = "signed"
    """Whether an atom and its negative are one feature (`abs`)."""

    @property
    def mixtures(self) -> tuple[int, ...]:
        """Those of `MIXTURES` that there are points enough for."""
        return tuple(mixed for mixed in MIXTURES if mixed <= self.sizes[0])

    @property
    def n_measured(self) -> int:
        """How many nulls and references `measured_floors` gives."""
        return 3 + 2 * len(self.mixtures)


def formula_floors(share: float, d_model: int, plan: Plan) -> tuple[Floor, Floor]:
    """The null and the reference that need no draws.

    `share` is the mean cosine of two tokens, or of an atom of one dictionary with one of the other. An atom looks for
    its best partner among those of the larger dictionary.
    """
    most = max(plan.sizes)
    shifted = math.nan if math.isnan(share) else floors.mean_shift(min(max(share, 0.0), 1.0), d_model, most)
    return (
        _formula(
            "isotropic", floors.isotropic(d_model, most, sign=plan.sign), "best of as many random directions, exact"
        ),
        _formula("mean-shift", shifted, "random directions around a mean, from the mean cosine alone; approximate"),
    )


def measured_floors(
    view: Preprocessed,
    rows: Float[Tensor, "tokens d_model"],
    plan: Plan,
    pool: Executor,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Floor, ...]:
    """Nulls and references of activations seen through one preprocessing.

    Args:
        view: the activations.
        rows: a sample of them, for mean and covariance.
        plan: sizes and draws.
        pool: threads that dictionaries are drawn and matched on.
        advance: told after each of them.
    """

    def spectrum(n_atoms: int, draw: int, side: int) -> Atoms:
        return floors.spectrum_atoms(rows, n_atoms, rolled=_points("spectrum", draw, side))

    def data(n_atoms: int, draw: int, side: int) -> Atoms:
        return data_atoms(view, n_atoms, points=_points("data", draw, side))

    def kmeans(n_atoms: int, draw: int, side: int) -> Atoms:
        points, start = _points("kmeans", draw, side), roll("kmeans", "geometry", draw, side)
        tokens = kmeans_tokens(view.n_tokens, view.d_model, n_atoms)
        return kmeans_atoms(view, n_atoms, tokens=tokens, steps=plan.kmeans_steps, points=points, start=start)

    found: list[Floor] = []

    def add(draws: Sequence[Draw], **about: Any) -> None:  # noqa: ANN401 (whatever else `_measured` takes)
        found.append(_measured(draws, pool, sign=plan.sign, **about))
        advance(1)

    add(_draws(spectrum, plan, pool), name="spectrum", policy="Gaussian atoms with the tokens' mean and covariance")
    add(_draws(data, plan, pool), name="data", policy="tokens drawn at random")
    centroids, tokens = _draws(kmeans, plan, pool), kmeans_tokens(view.n_tokens, view.d_model, max(plan.sizes))
    add(
        centroids,
        name="kmeans",
        policy=f"k-means centroids of {tokens:,} tokens each, from independent starts",
    )
    for points, mixed in product(("same", "own"), plan.mixtures):
        of = [draw[0] for draw in (centroids if points == "own" else centroids[:1] * plan.draws)]
        add(_hulls(of, mixed, plan, pool), name="hull", mixed=mixed, points=points, policy=_HULLS[points])
    return tuple(found)


def own_floor(dictionaries: Sequence[Float[Tensor, "_ d_model"]], plan: Plan, pool: Executor) -> Floor:
    """The null that two dictionaries' own means and covariances give."""

    def spectrum(draw: int, side: int) -> Atoms:
        return floors.spectrum_atoms(dictionaries[side], rolled=_points("own spectrum", draw, side))

    draws = [(spectrum(draw, 0), spectrum(draw, 1)) for draw in range(plan.draws)]
    return _measured(
        draws,
        pool,
        sign=plan.sign,
        name="spectrum",
        policy="Gaussian atoms with each dictionary's own mean and covariance",
    )


_HULLS = {
    "same": "means of random points, which are the same centroids for both dictionaries",
    "own": "means of random points, which are centroids of each dictionary's own",
}


def _points(*use: int | str) -> int:
    """A roll that no study makes."""
    return roll("points", "geometry", *use)


def _draws(make: Make, plan: Plan, pool: Executor) -> list[Draw]:
    def draw_one(draw: int) -> Draw:
        first = make(plan.sizes[0], draw, 0)
        return first, first if plan.sizes[0] == plan.sizes[1] else make(plan.sizes[1], draw, 1)

    return list(pool.map(draw_one, range(plan.draws)))


def _hulls(points: Sequence[Float[Tensor, "_ d_model"]], mixed: int, plan: Plan, pool: Executor) -> list[Draw]:
    """Dictionaries whose atoms are means of `mixed` random points, out of those of their draw."""

    def mixtures(n_atoms: int, draw: int, side: int) -> Atoms:
        weights = torch.zeros(n_atoms, len(points[draw]))
        weights[:, :mixed] = 1 / mixed
        return floors.hull_atoms(points[draw], weights, rolled=_points("hull", mixed, draw, side))

    return _draws(mixtures, plan, pool)


def _measured(
    draws: Sequence[Draw],
    pool: Executor,
    *,
    sign: Sign,
    name: str,
    policy: str,
    mixed: int | None = None,
    points: Literal["same", "own"] | None = None,
) -> Floor:
    """The mean agreement over pairs of draws, the first of a pair in the first size, the second in the second."""
    pairs = list(combinations(range(len(draws)), 2))
    found = pool.map(lambda pair: match(draws[pair[0]][0], draws[pair[1]][1], sign=sign).agreement, pairs)
    agreements = dict(zip(pairs, found, strict=True))
    floor = floors.from_pairs(agreements, n_draws=len(draws), policy=policy, name=name)
    return Floor(**dict(floor) | {"role": role_of(name)}, mixed=mixed, points=points)


def _formula(name: str, value: float, policy: str) -> Floor:
    reason = "there is no mean cosine" if math.isnan(value) else ""
    return Floor(
        name=name,
        value=value,
        spread=0.0,
        standard_error=0.0,
        n=0,
        policy=policy,
        reason=reason,
        role=role_of(name),
    )
