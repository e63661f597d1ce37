"""What `reseed geometry` finds, in one versioned document.

GEOMETRY_VERSION history
  1  first version
  2  a floor is the one class of `reseed.floors`, with its standard error; its `n` counts dictionaries, not pairs
  3  the sign policy of a pair, and how many of its pairs are alike or stand at one index
  4  nulls and references apart, each floor with its role; a pair's distance as a ratio, no floor-adjusted agreement
  5  a line about each dictionary, by which a wrong layout or space is seen
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from reseed import floors
from reseed._support.documents import Document, Number

__all__ = [
    "GEOMETRY_VERSION",
    "DictionaryGeometry",
    "Dimension",
    "Floor",
    "Geometry",
    "PairGeometry",
    "Standing",
    "ViewGeometry",
    "largest",
    "role_of",
]

GEOMETRY_VERSION = 5


class Floor(floors.Floor):
    """A null or a reference of the matched agreement of two dictionaries.

    Its name is `isotropic`, `mean-shift`, `spectrum`, `data`, `kmeans` or `hull`.
    """

    mixed: int | None = None
    """Of the hull: how many points each atom is the mean of; the entropy of its weights is the logarithm of this."""
    points: Literal["same", "own"] | None = None
    """Of the hull: whether both dictionaries mix the same points, or each its own."""


Role = Literal["null", "reference"]

_NULLS = ("isotropic", "spectrum")
_OF_ANY_PAIR = (*_NULLS, "data", "kmeans")


def role_of(name: str) -> Role:
    """`null` for what needs no training and has no structure beyond two moments, else `reference`."""
    return "null" if name in _NULLS else "reference"


def largest(found: Sequence[Floor], role: Role | None = None) -> Floor | None:
    """The largest of these that any two dictionaries can be held against, of one role or of both; None for none.

    Those of the hull are of archetypal dictionaries, and mean-shift is of MMCS.
    """
    of_role = [floor for floor in found if floor.name in _OF_ANY_PAIR and role in {None, role_of(floor.name)}]
    return max(of_role, key=lambda floor: floor.value, default=None)


class Dimension(Document):
    """One coordinate of the activations."""

    index: int
    """Which one, from 0."""
    energy: Number
    """Its share of E||x||^2: 1 / d_model where all dimensions are alike."""
    cosine: Number
    """Its share of the mean cosine; null where that is below .05. A share above 1 makes up for others below 0."""
    rogue: bool
    """Whether it holds more than ten times its even share of the energy."""


class ViewGeometry(Document):
    """The activations as one preprocessing shows them, and what agreement is held against there."""

    preprocess: str
    """The preprocessing."""
    sampled: int
    """Tokens in the sample that the mean cosines are over."""
    zero_tokens: int
    """How many of them are zero; their cosines are 0."""
    mean_cosine: Number
    """Mean cosine of two different tokens of the sample, over all pairs."""
    mean_share: Number
    """||mu||^2 / E||x||^2: share of the energy in the mean; what the moments of all tokens say about `mean_cosine`."""
    mean_over_spread: Number
    """||mu|| / sqrt(E||x - mu||^2)."""
    effective_rank: Number
    """exp of the entropy of the principal directions' shares of the variance: how many there are, in effect."""
    participation_ratio: Number
    """(trace S)^2 / trace S^2 of the covariance S: the same, with more weight on large ones."""
    stable_rank: Number
    """trace S / its largest eigenvalue: the same, counted in units of the largest."""
    dimensions: tuple[Dimension, ...]
    """The five dimensions with the most energy, and all that are rogue."""
    without_rogue: Number
    """`mean_cosine` with the rogue dimensions left out; null where there are none."""
    floors: tuple[Floor, ...]
    """Nulls and references of agreement here."""


class DictionaryGeometry(Document):
    """One of two dictionaries, all of its atoms at length 1."""

    name: str
    """The file it is from."""
    told: str
    """As it was read, in one line: norms and zero atoms, how it makes codes, and of activations its mean L0 and R²."""
    n_atoms: int
    """Its atoms."""
    zero_atoms: int
    """How many of them are zero; they have cosine 0 with everything, and do not count below."""
    mean_share: Number
    """||mu||^2 of the atoms: the mean cosine of two of them."""
    effective_rank: Number
    """As for activations, of the covariance of the atoms."""
    participation_ratio: Number
    """The same."""
    stable_rank: Number
    """The same."""


class Standing(Document):
    """How far apart two dictionaries are, held against the largest null or the largest reference of one kind."""

    against: str
    """`dictionaries`: from their own means and covariances. Else a preprocessing: from the activations there."""
    role: Role
    """`null`: what chance, or two moments alone, would give; `reference`: what other dictionaries of the same tokens
    agree, which forbids nothing."""
    floor: str
    """The name of the largest one."""
    value: Number
    """What it is."""
    ratio: Number
    """(1 - A) / (1 - value), at least 0: 1 where the two are as far apart, 0 where they are one dictionary."""


class PairGeometry(Document):
    """Two dictionaries: how far they agree, and what that is worth."""

    first: DictionaryGeometry
    """One of them."""
    second: DictionaryGeometry
    """The other."""
    sign: Literal["signed", "abs"] = "signed"
    """Whether an atom and its negative are one feature (`abs`)."""
    agreement: Number
    """Matched agreement A: in [-1, 1], or in [0, 1] where `sign` is `abs`."""
    alike: int = 0
    """Matched pairs with a cosine above .7."""
    same_index: int = 0
    """How many of these have the same index in both dictionaries; without a common start that is about one."""
    gap: Number
    """How far A can be below the best possible matching, proven."""
    mmcs: Number
    """Mean best cosine of the first one's atoms in the second, in [-1, 1]."""
    shared_mean: Number
    """mu . mu' of the atoms at length 1: the mean cosine of an atom of one with an atom of the other."""
    floors: tuple[Floor, ...]
    """From the two dictionaries alone."""
    standings: tuple[Standing, ...]
    """A held against the largest null, and the largest reference, of these and of every preprocessing."""


class Geometry(Document):
    """What agreement is held against, before anything is trained."""

    geometry_version: int = GEOMETRY_VERSION
    """Version of this document's format."""
    reseed: str
    """Version of reseed."""
    activations: dict[str, Any] | None
    """Name, fingerprint, tokens and origin; null where only dictionaries were given."""
    d_model: int
    """Dimensions of an activation, and of an atom."""
    n_atoms: tuple[int, ...]
    """Atoms of the two dictionaries that nulls and references compare: two numbers."""
    draws: int
    """Dictionaries behind each measured null or reference."""
    views: tuple[ViewGeometry, ...]
    """The activations, per preprocessing."""
    pair: PairGeometry | None
    """The two dictionaries, if they were given."""
    recommendation: tuple[str, ...]
    """What to do, in sentences; the most important one first."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the numbers."""
