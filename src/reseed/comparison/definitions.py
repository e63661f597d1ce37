"""What others have published as the agreement of dictionaries, each definition as its authors' code has it.

A mean is no share and no sum, and what chance gives differs from one to the next: the value of each stands beside its
own null, the same definition on dictionaries without structure (docs/concepts/definitions.md).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed.matching import Matching, Sign, match

__all__ = ["DEFINITIONS", "Definition", "Pair", "Part"]

_ALIKE = 0.7  # the cosine from which on, or above which, all shares call two atoms one feature


@dataclass(frozen=True)
class Part:
    """One dictionary, with all that a published definition looks at."""

    atoms: Float[Tensor, "atoms d_model"]
    encoder: Float[Tensor, "atoms d_in"] | None = None
    alive: Bool[Tensor, " atoms"] | None = None
    """Which atoms fire at least once; None where nobody knows."""

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        for name, rows in (("encoder", self.encoder), ("alive", self.alive)):
            if rows is not None and len(rows) != len(self.atoms):
                raise ValueError(f"a dictionary has {len(self.atoms)} atoms, but `{name}` has {len(rows)} rows")


@dataclass(frozen=True)
class Pair:
    """Two dictionaries. Their atoms are matched when a matching is first asked for, and once."""

    a: Part
    b: Part
    known: Matching | None = None
    """Of their atoms, under either sign policy."""

    __repr__ = brief_repr

    @cached_property
    def signed(self) -> Matching:
        """By signed cosines."""
        return self._matched("signed")

    @cached_property
    def absolute(self) -> Matching:
        """By absolute cosines."""
        return self._matched("abs")

    @cached_property
    def encoders(self) -> Matching:
        """Of the encoders' rows, by signed cosines."""
        if self.a.encoder is None or self.b.encoder is None:
            raise ValueError("encoders are matched where both dictionaries have one, and one of these has none")
        return match(self.a.encoder, self.b.encoder)

    def _matched(self, sign: Sign) -> Matching:
        if self.known is not None and self.known.sign == sign:
            return self.known
        return match(self.a.atoms, self.b.atoms, sign=sign)


Need = Literal["encoder", "alive"]
"""What a definition looks at besides atoms. One that needs `alive` is given dictionaries of living atoms only."""


@dataclass(frozen=True)
class Definition:
    """One entry of `DEFINITIONS`: what somebody published, and how it is found."""

    name: str
    """The word for it in tables and files."""
    title: str
    """How it is called in headings: by the name that its authors gave it, and theirs where two share one."""
    source: str
    """Who published it: a key of docs/references.bib."""
    meaning: str
    """What it is, in one sentence without its first capital letter and its full stop."""
    summary: Literal["mean", "share", "sum"]
    """What becomes of the cosines. A sum grows with the number of atoms."""
    low: float
    """The least it can be."""
    high: float
    """The most it can be."""
    of: Callable[[Pair], float]
    """Of two dictionaries that have what it needs; symmetric in them."""
    needs: tuple[Need, ...] = ()
    undefined: Callable[[Pair], str] = lambda _pair: ""
    """Why the authors' code has no value for these two, in a sentence without its full stop; empty where it has one."""


def _share(alike: Bool[Tensor, " _"]) -> float:
    return float(alike.to(torch.float64).mean())


def _unlike_overcomplete(pair: Pair) -> str:
    """Its code asserts that shapes are equal, and divides by norms: scipy refuses the nan of a zero atom."""
    if len(pair.a.atoms) != len(pair.b.atoms):
        return "overcomplete compares dictionaries of one size only"
    if not all(bool(side.atoms.any(dim=1).all()) for side in (pair.a, pair.b)):
        return "overcomplete raises an error where an atom is zero"
    return ""


def _best_both_ways(matching: Matching) -> float:
    return float((matching.best_rows.mean() + matching.best_cols.mean()) / 2)


def _reappearing(pair: Pair) -> float:
    """Averaged over pairs, this is the share of the other runs in which an atom reappears, averaged over atoms."""
    best = pair.signed
    return (_share(best.best_rows >= _ALIKE) + _share(best.best_cols >= _ALIKE)) / 2


def _shared(pair: Pair) -> float:
    atoms, encoders = pair.signed, pair.encoders
    same = _partners(atoms)[atoms.rows] == _partners(encoders)[atoms.rows]
    by_row = torch.zeros(encoders.n_rows, dtype=torch.float64)
    by_row[encoders.rows] = encoders.cosines
    return _share(same & (atoms.cosines > _ALIKE) & (by_row[atoms.rows] > _ALIKE))


def _partners(matching: Matching) -> Int[Tensor, " a_atoms"]:
    """The partner of each atom of the first dictionary; -1 for none."""
    partners = torch.full((matching.n_rows,), -1)
    partners[matching.rows] = matching.cols
    return partners


_EVERY = (
    Definition(
        name="pw-mcc",
        title="PW-MCC, Fel's stability, matched agreement",
        source="song2025position",
        meaning="mean signed cosine of decoder rows matched one to one, zero ones counted as 0",
        summary="mean",
        low=-1.0,
        high=1.0,
        of=lambda pair: pair.signed.agreement,
    ),
    Definition(
        name="hungarian-loss",
        title="cosine Hungarian loss (overcomplete)",
        source="fel2025archetypal",
        meaning="sum of 1 less the signed cosine of decoder rows matched one to one, so 0 for one dictionary",
        summary="sum",
        low=0.0,
        high=math.inf,
        of=lambda pair: float((1.0 - pair.signed.cosines).sum()),
        undefined=_unlike_overcomplete,
    ),
    Definition(
        name="mcc",
        title="MCC (SAELens, SynthSAEBench, StressKit)",
        source="bloom2024saelens",
        meaning="mean absolute cosine of decoder rows matched one to one, zero ones counted as 0",
        summary="mean",
        low=0.0,
        high=1.0,
        of=lambda pair: pair.absolute.agreement,
    ),
    Definition(
        name="mmcs",
        title="MMCS",
        source="sharkey2022superposition",
        meaning="mean best signed cosine of each decoder row, both ways averaged; several may choose the same one",
        summary="mean",
        low=-1.0,
        high=1.0,
        of=lambda pair: _best_both_ways(pair.signed),
    ),
    Definition(
        name="pwmcc",
        title="PWMCC (HUSAI)",
        source="liu2025husai",
        meaning="mean best absolute cosine of each decoder row, both ways averaged; several may choose the same one",
        summary="mean",
        low=0.0,
        high=1.0,
        of=lambda pair: _best_both_ways(pair.absolute),
    ),
    Definition(
        name="shared",
        title="shared latents",
        source="paulo2025sparse",
        meaning="share of decoder rows that the matching of encoder rows gives the same partner, both cosines above .7",
        summary="share",
        low=0.0,
        high=1.0,
        of=_shared,
        needs=("encoder",),
    ),
    Definition(
        name="reappearance",
        title="feature stability",
        source="gerasimov2026unstable",
        meaning="share of other runs with a decoder row of signed cosine .7 or more, mean over atoms; "
        "several may choose the same one",
        summary="share",
        low=0.0,
        high=1.0,
        of=_reappearing,
    ),
    Definition(
        name="living-share",
        title="stable features (rna-sae-stability)",
        source="hortikar2026rna",
        meaning="share of living decoder rows with signed cosine .7 or more, dead ones left out before matching "
        "one to one",
        summary="share",
        low=0.0,
        high=1.0,
        of=lambda pair: _share(pair.signed.cosines >= _ALIKE),
        needs=("alive",),
    ),
)

DEFINITIONS: dict[str, Definition] = {definition.name: definition for definition in _EVERY}
"""By name, in the order of tables."""
