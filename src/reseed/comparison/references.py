"""What untrained dictionaries of the same activations agree, where the compared ones live: tokens and k-means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import floors
from reseed.dice import roll
from reseed.matching import match, unit_rows
from reseed.measures import StandardCodes, standard_correlations, standardise
from reseed.training.untrained import data_atoms, kmeans_atoms, kmeans_tokens, kmeans_visits

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.activations import Preprocessed
    from reseed.findings import Floor
    from reseed.interop import LoadedDictionary
    from reseed.matching import Sign

__all__ = ["References", "is_costly", "references"]

_DRAWS, _STEPS = 3, 5
_COSTLY = 5e12  # multiplications that take longer than all the rest


class References(NamedTuple):
    """Those of the matched agreement, and of the code agreement."""

    agreement: tuple[Floor, ...]
    code: tuple[Floor, ...]


def is_costly(n_tokens: int, d_model: int, n_atoms: int) -> bool:
    """Whether k-means dictionaries of that size take minutes."""
    tokens = kmeans_tokens(n_tokens, d_model, n_atoms)
    return _DRAWS * kmeans_visits(tokens, n_atoms) * n_atoms * d_model > _COSTLY


def references(
    found: Sequence[LoadedDictionary],
    activations: Preprocessed,
    heldout: Float[Tensor, "tokens d_model"],
    *,
    active: int,
    sign: Sign,
    pool: Executor,
) -> References:
    """What tokens drawn at random, and k-means centroids, agree in the space of some dictionaries of one size.

    Every draw enters the space of one of them, and is less its decoder bias: no common mean is counted that they have
    taken off. Codes of centroids are tied: the largest `active` products of a token with them at length 1.

    Args:
        found: dictionaries of one recipe.
        activations: what they read, as it is.
        heldout: tokens that codes are made of.
        active: how many atoms of a centroid dictionary fire for a token.
        sign: whether an atom and its negative are one feature.
        pool: threads that dictionaries are drawn and matched on.
    """
    n_atoms = len(found[0].atoms)
    places = [_Entered(activations, found[draw % len(found)]) for draw in range(_DRAWS)]
    tokens = kmeans_tokens(activations.n_tokens, activations.d_model, n_atoms)

    def data(draw: int) -> _Drawn:
        return _Drawn(data_atoms(places[draw], n_atoms, points=roll("points", "comparison", "data", draw)), None)

    def kmeans(draw: int) -> _Drawn:
        atoms = kmeans_atoms(
            places[draw],
            n_atoms,
            tokens=tokens,
            steps=_STEPS,
            points=roll("points", "comparison", "kmeans", draw),
            start=roll("kmeans", "comparison", draw),
        )
        return _Drawn(atoms, _tied_codes(atoms, places[draw].enter(heldout), active))

    tokens_drawn = _Reference("data", "tokens", "tokens drawn at random", data)
    told = f"k-means centroids of {tokens:,} tokens each, from independent starts"
    parts = [_floors(of, sign, pool) for of in (tokens_drawn, _Reference("kmeans", "k-means", told, kmeans))]
    return References(*(tuple(floor for part in parts for floor in part[which]) for which in (0, 1)))


class _Reference(NamedTuple):
    name: str
    title: str
    policy: str
    draw: Callable[[int], _Drawn]


class _Drawn(NamedTuple):
    atoms: Float[Tensor, "atoms d_model"]
    codes: StandardCodes | None


@dataclass(frozen=True)
class _Entered:
    """Activations in the space of a dictionary, less its decoder bias."""

    activations: Preprocessed
    dictionary: LoadedDictionary

    @property
    def d_model(self) -> int:
        return self.activations.d_model

    @property
    def n_tokens(self) -> int:
        return self.activations.n_tokens

    def sample(self, count: int, *, rolled: int) -> Float[Tensor, "tokens d_model"]:
        return self.enter(self.activations.sample(count, rolled=rolled))

    def enter(self, rows: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        bias, there = self.dictionary.decoder_bias, self.dictionary.space.enter(rows)[0]
        return there if bias is None else there - bias.to(there)


def _tied_codes(atoms: Float[Tensor, "atoms d_model"], rows: Float[Tensor, "tokens d_model"], k: int) -> StandardCodes:
    pre = (rows @ unit_rows(atoms).to(rows).T).relu()
    largest = pre.topk(min(k, len(atoms)), dim=1)
    return standardise(torch.zeros_like(pre).scatter_(1, largest.indices, largest.values))


def _floors(of: _Reference, sign: Sign, pool: Executor) -> References:
    drawn = [of.draw(number) for number in range(_DRAWS)]
    pairs = list(combinations(range(_DRAWS), 2))
    matched = list(pool.map(lambda pair: match(drawn[pair[0]].atoms, drawn[pair[1]].atoms, sign=sign), pairs))
    code: dict[tuple[int, int], float] = {}
    for (i, j), matching in zip(pairs, matched, strict=True):
        first, second = drawn[i].codes, drawn[j].codes
        if first is not None and second is not None:
            code[i, j] = float(standard_correlations(matching, first, second).mean())
    agreement = {pair: matching.agreement for pair, matching in zip(pairs, matched, strict=True)}
    found = [
        floors.from_pairs(values, n_draws=_DRAWS, policy=of.policy, name=of.name, title=of.title, role="reference")
        for values in (agreement, code)
        if values
    ]
    return References((found[0],), tuple(found[1:]))
