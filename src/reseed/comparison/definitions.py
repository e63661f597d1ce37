"""What others have published as the agreement of dictionaries, each definition as its authors' code has it.

A mean is no share and no sum, and what chance gives differs from one to the next: the value of each stands beside its
own null, the same definition on dictionaries without structure (docs/concepts/definitions.md).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import fmean, stdev
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.documents import Document, Number
from reseed._support.guard import guarded
from reseed.dice import roll
from reseed.floors import spectrum_atoms
from reseed.matching import Matching, Sign, match, unit_rows, zero_atoms

__all__ = ["DEFINITIONS", "Definition", "Pair", "Published", "Side", "published"]

_ALIKE = 0.7  # the cosine from which on, or above which, all shares call two atoms one feature


@dataclass(frozen=True)
class Side:
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

    a: Side
    b: Side
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


class Published(Document):
    """What one definition would have published for some dictionaries, beside what it gives where nothing is shared."""

    name: str
    """The name of the definition."""
    title: str
    """How it is called."""
    source: str
    """Who published it: a key of the references."""
    meaning: str
    """What it is, in one sentence without its first capital letter and its full stop."""
    summary: Literal["mean", "share", "sum"]
    """What becomes of the cosines."""
    value: Number
    """Its mean over all pairs of the dictionaries; null where one pair has none."""
    null: Number
    """The same on as many dictionaries without structure, the mean over draws; null where `value` is."""
    null_error: Number
    """The standard error of `null` over the draws; null for a single one."""
    null_policy: str
    """How those dictionaries are made, in one sentence without its first capital letter and its full stop."""
    surrogate: Number
    """The same on dictionaries of the same recipe trained on structureless rows; null without two of them."""
    n_pairs: int
    """Pairs of dictionaries that `value` is about."""
    reason: str = ""
    """Why there is no value, in a sentence without its full stop; empty where there is one."""


@guarded(draws=(1, 1000))
def published(
    sides: Sequence[Side],
    *,
    rolled: int,
    matchings: Mapping[tuple[int, int], Matching] | None = None,
    null_sides: Sequence[Side] = (),
    draws: int = 3,
) -> tuple[Published, ...]:
    """What every one of `DEFINITIONS` gives for two dictionaries or more: its mean over all pairs of them.

    Each keeps its authors' sign policy, whatever that of the method is, and zero atoms have cosine 0 where its authors
    do not say otherwise. The null of each is the same definition on drawn dictionaries, `draws` times as many as were
    given: Gaussian rows with the mean and the covariance of each one's own atoms at length 1. Where there are encoders
    an atom and its encoder's row are drawn together, which keeps what ties them; zero atoms stay zero, and dead ones
    dead. It lies a little below what noise of one law would give, since each dictionary's moments are its own sample's:
    by .002 of agreement at 512 atoms of 128 dimensions, by .02 at 200 of 10.

    Args:
        sides: the dictionaries.
        rolled: decides the draws.
        matchings: what is known of (i, j), i < j, under either sign policy; everything else is matched.
        null_sides: dictionaries of the same recipe and size, trained on structureless rows.
        draws: how often the null is drawn.

    Raises:
        ValueError: fewer than two dictionaries; or shapes that do not fit, or values that are not finite.
    """
    if len(sides) < 2:  # noqa: PLR2004 (a pair)
        raise ValueError(f"{len(sides)} dictionaries were given; agreement is of two or more")
    found = _found(sides, matchings or {})
    drawn = [_drawn_found(sides, roll("points", "published", rolled, draw)) for draw in range(draws)]
    surrogate = _found(null_sides, {})
    return tuple(
        _published(definition, found[name], [each[name].value for each in drawn], surrogate[name].value, len(sides))
        for name, definition in DEFINITIONS.items()
    )


class _Found(NamedTuple):
    value: float
    reason: str = ""


def _published(
    definition: Definition, found: _Found, drawn: Sequence[float], surrogate: float, n_sides: int
) -> Published:
    return Published(
        name=definition.name,
        title=definition.title,
        source=definition.source,
        meaning=definition.meaning,
        summary=definition.summary,
        value=found.value,
        null=fmean(drawn),
        null_error=stdev(drawn) / math.sqrt(len(drawn)) if len(drawn) > 1 and math.isfinite(sum(drawn)) else math.nan,
        null_policy=_policy(definition, len(drawn)),
        surrogate=surrogate,
        n_pairs=math.comb(n_sides, 2),
        reason=found.reason,
    )


def _policy(definition: Definition, draws: int) -> str:
    drawn = "atoms and encoder rows, an atom with its own," if "encoder" in definition.needs else "atoms"
    whose = "living atoms" if "alive" in definition.needs else "atoms"
    times = "one draw" if draws == 1 else f"the mean of {draws} draws"
    return f"Gaussian {drawn} with the mean and the covariance of each dictionary's {whose} at length 1, {times}"


def _found(sides: Sequence[Side], matchings: Mapping[tuple[int, int], Matching]) -> dict[str, _Found]:
    return _mean(_pairs(sides, _living(sides), matchings))


def _drawn_found(sides: Sequence[Side], rolled: int) -> dict[str, _Found]:
    """The same of dictionaries drawn anew; the living atoms from what they alone have in common."""
    living = _living(sides)
    drawn = _drawn(sides, rolled)
    return _mean(_pairs(drawn, drawn if living is sides else _drawn(living, rolled), {}))


def _pairs(
    sides: Sequence[Side], living: Sequence[Side], matchings: Mapping[tuple[int, int], Matching]
) -> Iterator[tuple[Pair, Pair]]:
    """Every two dictionaries, whole and with their living atoms only."""
    for i, j in combinations(range(len(sides)), 2):
        whole = Pair(sides[i], sides[j], _fitting(matchings.get((i, j)), sides[i], sides[j]))
        yield whole, whole if living is sides else Pair(living[i], living[j])


def _mean(pairs: Iterator[tuple[Pair, Pair]]) -> dict[str, _Found]:
    """Over pairs, of each definition; nan, with the reason, where it has no value for one of them."""
    found = [
        {name: _of(each, living if "alive" in each.needs else whole) for name, each in DEFINITIONS.items()}
        for whole, living in pairs
    ]
    return {
        name: _Found(
            fmean([each[name].value for each in found]) if found else math.nan,
            next((each[name].reason for each in found if each[name].reason), ""),
        )
        for name in DEFINITIONS
    }


def _of(definition: Definition, pair: Pair) -> _Found:
    reason = _missing(definition, pair) or definition.undefined(pair)
    return _Found(math.nan, reason) if reason else _Found(definition.of(pair))


def _missing(definition: Definition, pair: Pair) -> str:
    sides = (pair.a, pair.b)
    if "encoder" in definition.needs:
        widths = [side.encoder.shape[1] for side in sides if side.encoder is not None]
        if len(widths) < len(sides):
            return "it looks at encoders too, and not every dictionary has one"
        if widths[0] != widths[1]:
            return f"it looks at encoders too, and these read {widths[0]} and {widths[1]} dimensions"
    if "alive" in definition.needs and any(side.alive is None for side in sides):
        return "it looks at living atoms only, and it is not known of every dictionary which atoms are alive"
    if not all(len(side.atoms) for side in sides):
        return f"a dictionary has no {'living ' if 'alive' in definition.needs else ''}atoms"
    return ""


def _living(sides: Sequence[Side]) -> Sequence[Side]:
    """The dictionaries without their dead atoms; the very same where there are none."""
    if all(side.alive is None or bool(side.alive.all()) for side in sides):
        return sides
    return [side if side.alive is None else _of_rows(side, side.alive) for side in sides]


def _of_rows(side: Side, rows: Bool[Tensor, " atoms"]) -> Side:
    return Side(side.atoms[rows], None if side.encoder is None else side.encoder[rows], rows[rows])


def _drawn(sides: Sequence[Side], rolled: int) -> list[Side]:
    return [_gaussian(side, roll("points", rolled, i)) for i, side in enumerate(sides)]


def _gaussian(side: Side, rolled: int) -> Side:
    """Rows with the moments of an atom and its encoder's row, each at length 1; what is zero stays zero."""
    given = [side.atoms] if side.encoder is None else [side.atoms, side.encoder]
    zeros = [zero_atoms(rows) for rows in given]
    rows = torch.cat([unit_rows(each) for each in given], dim=1)[~zeros[0]]
    if not len(rows):
        return side
    both = spectrum_atoms(rows, len(side.atoms), rolled=rolled).to(torch.float32)
    drawn = [
        part.masked_fill(zero[:, None], 0.0)
        for part, zero in zip(both.split([each.shape[1] for each in given], dim=1), zeros, strict=True)
    ]
    return replace(side, atoms=drawn[0], encoder=drawn[1] if len(drawn) > 1 else None)


def _fitting(known: Matching | None, a: Side, b: Side) -> Matching | None:
    if known is not None and (known.n_rows, known.n_cols) != (len(a.atoms), len(b.atoms)):
        given = f"{len(a.atoms)} and {len(b.atoms)} were given"
        raise ValueError(f"a matching is of {known.n_rows} with {known.n_cols} atoms, but {given}")
    return known


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
