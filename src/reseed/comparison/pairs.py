"""Two dictionaries: matched, measured, and tested for a common numbering."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float64
from torch import Tensor

from reseed import measures
from reseed.comparison.definitions import Part
from reseed.matching import match, row_cosines
from reseed.statistics import birth_test

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from reseed.comparison.opened import Opened
    from reseed.comparison.tokens import OnTokens
    from reseed.interop import LoadedDictionary
    from reseed.matching import Matching, Sign
    from reseed.statistics import BirthTest

__all__ = ["ALIKE", "Measured", "Side", "matrix", "measured_pairs"]

ALIKE = 0.7
"""The cosine above which a pair counts as one feature (@paulo2025sparse)."""

_FEWEST = 10
"""Living atoms of one index that leave the birth test any power: about so many kept ones show."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Side:
    """One dictionary, and what it makes of the held-out tokens; None without activations or codes."""

    opened: Opened
    seen: OnTokens | None

    @property
    def dictionary(self) -> LoadedDictionary:
        """As it was read."""
        return self.opened.dictionary

    @property
    def part(self) -> Part:
        """What published definitions look at."""
        return Part(self.dictionary.atoms, self.dictionary.encoder, None if self.seen is None else self.seen.alive)


@dataclass(frozen=True)
class Measured:
    """What two dictionaries have in common."""

    matching: Matching
    birth: BirthTest
    encoders: Float64[Tensor, " pairs"] | None
    """Cosines of the encoder rows of matched atoms; None where one has none, or they read other widths."""
    codes: Float64[Tensor, " pairs"] | None
    """Correlations of the codes of matched atoms; None without codes of both."""
    living: float
    """Mean cosine of the matched pairs in which both atoms fire; nan without codes."""

    @property
    def agreement(self) -> float:
        """Of all atoms."""
        return self.matching.agreement

    @property
    def encoder(self) -> float:
        """Mean cosine of the encoder rows of matched atoms; nan for none."""
        return _mean(self.encoders)

    @property
    def code(self) -> float:
        """Code agreement; nan for none."""
        return _mean(self.codes)

    @property
    def shared(self) -> float:
        """Share of the matched pairs that are alike in decoder and encoder; nan without encoders."""
        if self.encoders is None:
            return math.nan
        return float(((self.matching.cosines > ALIKE) & (self.encoders > ALIKE)).double().mean())

    def above(self, cosine: float) -> float:
        """Share of the matched pairs beyond a cosine."""
        return float((self.matching.cosines > cosine).double().mean())


def measured_pairs(
    sides: Sequence[Side],
    sign: Sign,
    pool: Executor,
    advance: Callable[[int], None] = lambda _: None,
    *,
    resume: Path | None = None,
) -> dict[Pair, Measured]:
    """Every two of some dictionaries, by their places; `resume` is a folder that `match` goes on from."""
    found: dict[Pair, Measured] = {}
    pairs = list(combinations(range(len(sides)), 2))
    every = pool.map(lambda pair: _measured(sides[pair[0]], sides[pair[1]], sign, resume), pairs)
    for pair, measured in zip(pairs, every, strict=True):
        found[pair] = measured
        advance(1)
    return found


def matrix(
    found: Mapping[Pair, Measured], places: Sequence[int], number: Callable[[Measured], float]
) -> Float64[Tensor, "runs runs"]:
    """One number of every pair of some of the dictionaries: symmetric, nan on the diagonal."""
    values = torch.full((len(places), len(places)), math.nan, dtype=torch.float64)
    for (i, a), (j, b) in combinations(enumerate(places), 2):
        values[i, j] = values[j, i] = number(found[min(a, b), max(a, b)])
    return values


def _measured(a: Side, b: Side, sign: Sign, resume: Path | None) -> Measured:
    first, second = a.dictionary, b.dictionary
    matching = match(first.atoms, second.atoms, sign=sign, resume=resume)
    encoders = _encoder_cosines(matching, first, second)
    codes, living = None, math.nan
    if a.seen is not None and b.seen is not None:
        codes = measures.standard_correlations(matching, a.seen.codes, b.seen.codes)
        living = _mean(measures.alive_cosines(matching, a.seen.alive, b.seen.alive))
    return Measured(matching, _born(a, b, sign), encoders, codes, living)


def _encoder_cosines(matching: Matching, a: LoadedDictionary, b: LoadedDictionary) -> Float64[Tensor, " pairs"] | None:
    if a.encoder is None or b.encoder is None or a.encoder.shape[1] != b.encoder.shape[1]:
        return None
    return row_cosines(a.encoder[matching.rows], b.encoder[matching.cols], sign=matching.sign)


def _born(a: Side, b: Side, sign: Sign) -> BirthTest:
    """Of the atoms that fire; where hardly any fires in both, of all that are not zero.

    Matryoshka prefixes are matched within their groups, where both have the same.
    """
    groups = a.dictionary.groups if a.dictionary.groups == b.dictionary.groups else ()
    test = partial(birth_test, a.dictionary.atoms, b.dictionary.atoms, groups=groups or None, sign=sign)
    if a.seen is None or b.seen is None:
        return test()
    of_living = test(fired_a=a.seen.fired, fired_b=b.seen.fired)
    return of_living if of_living.n_atoms >= _FEWEST else test()


def _mean(values: Float64[Tensor, " pairs"] | None) -> float:
    return math.nan if values is None or not len(values) else float(values.mean())
