"""Atom, block or nothing: sets of up to eight atoms whose span comes back where the atoms do not (eq. 82 to 87).

Two runs may learn the same plane, or a subspace of more dimensions, by different atoms: then no atom of it comes back
one to one, and all of them do together. What counts is the worst direction, so that a set with one stranger in it, or a
set that lacks one atom of its block, scores little. (docs/mathematics.md)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import csr_array
from torch import Tensor

from reseed import floors
from reseed._support.brief import brief_repr
from reseed._support.guard import guarded
from reseed.dice import roll
from reseed.matching import unit_rows
from reseed.matching.similarity import check_dictionaries
from reseed.measures import StandardCodes  # noqa: TC001 (what is given is checked against it)
from reseed.reappearance.spans import Grown, Lists, back_in, grown, nearest

__all__ = ["Block", "Blocks", "BlocksNull", "Growth", "blocks", "fire_together"]

Growth = Literal["decoder", "codes"]
"""How a set grows from its seed: by neighbours of its span in both decoders; or by atoms that fire together with it."""

_LARGEST = 8
_LISTED = 16  # neighbours of an atom, at home and in the other run, that may join a set it is in
_DRAWN = 3  # dictionaries of random directions, where there are no runs without structure
_NULL_SEEDS = 2048  # of each null dictionary, evenly spread: enough for the quantile
_ROUNDING = 1e-5  # scores this near differ by rounding only
_CODES_AT_A_TIME = 2**22  # products of codes in memory, in eight bytes each


@dataclass(frozen=True)
class Block:
    """A set of atoms of one run whose span comes back."""

    run: int
    """Counted from 0."""
    atoms: Int[Tensor, " r"]
    """Ascending."""
    found_in: int
    """The run in which the search found it."""
    score: float
    """There: the cosine of the largest principal angle between its span and that of as many atoms: in [0, 1]."""
    held_out: tuple[tuple[int, float], ...]
    """Of each run that the search did not see: the best such cosine there, of this very set."""
    confirmed: bool | None
    """Whether it comes back in half of these runs or more; None where there are none, as between two runs."""

    __repr__ = brief_repr

    @property
    def size(self) -> int:
        """How many atoms it has: 2 or more."""
        return len(self.atoms)


@dataclass(frozen=True)
class BlocksNull:
    """What the same search finds where there is nothing to find."""

    what: str
    """Where that is."""
    level: float
    """The quantile."""
    seeds: int
    """Searches that it was taken over."""
    scores: tuple[float, ...]
    """Of the score at every size from 1: the largest quantile up to that size (eq. 85)."""
    held_out: tuple[float, ...]
    """The same for sets that were found in one run and looked for in another."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Blocks:
    """The blocks of every run; no atom is in two of them."""

    sizes: tuple[Int[Tensor, " _atoms"], ...]
    """Of each atom of each run: the size of its block; else 1 where it comes back alone; else 0."""
    blocks: tuple[Block, ...]
    """Run after run, those that come back best first; without those that were not confirmed."""
    unconfirmed: int
    """Sets that passed in the run where they were found and not in the runs held out; they may overlap."""
    null: BlocksNull

    __repr__ = brief_repr

    def of(self, run: int) -> tuple[Block, ...]:
        """The blocks of one run."""
        return tuple(block for block in self.blocks if block.run == run)


class _Rule(NamedTuple):
    growth: Growth
    largest: int
    level: float
    cosine: float


_Candidates = dict[tuple[int, ...], tuple[float, int]]
"""Sets of atoms, ascending, with their score and the run in which they were found."""


class _Halves(NamedTuple):
    """The other runs, one half to search and one to confirm."""

    searched: Sequence[int]
    held_out: Sequence[int]


class _Run(NamedTuple):
    units: Float32[Tensor, "atoms d_model"]
    home: Lists
    firing: Lists | None
    seeds: Int[Tensor, " seeds"]
    """Atoms to begin with: not zero and, unless all are examined, not coming back alone."""


@guarded(largest=(2, 64), level=(0, 1), cosine=(0, 1))
def blocks(
    dictionaries: Sequence[Float[Tensor, "_ d_model"]],
    alone: Sequence[Bool[Tensor, " _"]],
    *,
    null: Sequence[Float[Tensor, "_ d_model"]] = (),
    null_alone: Sequence[Bool[Tensor, " _"]] | None = None,
    codes: Sequence[StandardCodes] | None = None,
    null_codes: Sequence[StandardCodes] | None = None,
    growth: Growth = "decoder",
    examine_alone: bool = False,
    largest: int = _LARGEST,
    level: float = 0.99,
    cosine: float = 0.7,
) -> Blocks:
    """For every atom that does not come back alone, the set of 2 to `largest` atoms around it that comes back best.

    The other runs are halved. From each such atom sets of every size are searched in one run of the first half; its
    candidate is the size with the largest score (eq. 86). A candidate passes where its score is larger than the null's
    quantile for that size and than those for smaller sizes, larger than `cosine`, and at least half way from what the
    atom scores by itself to 1: two atoms that come back alone are no block. It is confirmed where it passes the null's
    quantile for sets that are not searched anew, and `cosine`, in half or more of the runs of the other half. Then the
    halves change places. Of candidates that overlap the one that comes back best is the block.

    Signs do not matter: a span has none. Lengths do not either.

    Args:
        dictionaries: of two or more independent runs.
        alone: of each run, which atoms come back one to one.
        null: two or more runs without structure; without them three dictionaries of random directions are drawn that
            have the mean and covariance of all atoms (`reseed.floors.spectrum_atoms`).
        null_alone: of each of these, which atoms come back one to one: like the others they begin no search. Where none
            is left, nothing passes.
        codes: of each run, for growth "codes".
        null_codes: of each run of the null; drawn dictionaries take the codes of the runs in their order.
        growth: how sets grow.
        examine_alone: begin with atoms that come back alone as well. Two bases of a plane have cosines of .7 and more
            one to one whatever they are, so such an atom may belong to a block. A block that another atom finds may
            have atoms that come back alone in any case.
        largest: the largest size; at most half of d_model, beyond which all spans meet.
        level: the null's quantile.
        cosine: the least score, the same as is asked of an atom that comes back alone.

    Raises:
        ValueError: fewer than two runs or one run of the null, dictionaries or flags that do not fit, growth "codes"
            without codes, or a largest size above half of d_model.
    """
    _check(dictionaries, alone, largest)
    _check_null(null, null_alone)
    rule = _Rule(growth, largest, level, cosine)
    known = _codes_for(growth, codes, len(dictionaries), "dictionaries")
    runs = _runs(dictionaries, alone, known, every=examine_alone)
    what = "runs without structure"
    if not null:
        what, null = "random directions with the atoms' own mean and covariance", _drawn(dictionaries)
        null_codes = None if codes is None else [codes[draw % len(codes)] for draw in range(_DRAWN)]
    flags = null_alone or [torch.zeros(len(each), dtype=torch.bool) for each in null]
    without = _runs(null, flags, _codes_for(growth, null_codes, len(null), "null dictionaries"), every=False)
    by_chance = _null(without, rule, what)
    found: list[Block] = []
    unconfirmed = 0
    for run in range(len(runs)):
        own, failed = _of_run(runs, run, rule, by_chance)
        found.extend(own)
        unconfirmed += failed
    return Blocks(
        tuple(_sizes(found, run, each) for run, each in enumerate(alone)), tuple(found), unconfirmed, by_chance
    )


@guarded(listed=(1, 2**31))
def fire_together(codes: StandardCodes, *, listed: int = _LISTED) -> Lists:
    """For each atom those whose codes are correlated with its own the most, whatever the sign (eq. 15).

    Never more than a stripe of all correlations is in memory.
    """
    n_atoms, listed = len(codes.mean), min(listed, len(codes.mean) - 1)
    sparse = csr_array(
        (codes.values.numpy(), codes.tokens.numpy(), codes.ends.numpy()), shape=(n_atoms, codes.n_tokens)
    )
    scale = torch.where(codes.norm > 0, codes.norm.reciprocal(), 0.0)
    atoms, values = torch.empty(n_atoms, listed, dtype=torch.int64), torch.empty(n_atoms, listed)
    step = max(1, _CODES_AT_A_TIME // max(1, n_atoms))
    for first in range(0, n_atoms, step):
        part = slice(first, first + step)
        products = torch.from_numpy(np.asarray((sparse[part] @ sparse.T).todense()))
        covariance = products - codes.n_tokens * codes.mean[part, None] * codes.mean
        correlation = (covariance * scale[part, None] * scale).abs().float()
        rows = torch.arange(len(correlation))
        correlation[rows, first + rows] = -1.0
        best = correlation.topk(listed, dim=1)
        atoms[part], values[part] = best.indices, best.values
    return Lists(atoms, values)


def _runs(
    dictionaries: Sequence[Tensor], alone: Sequence[Tensor], codes: Sequence[StandardCodes | None], *, every: bool
) -> list[_Run]:
    made: list[_Run] = []
    for atoms, flags, own in zip(dictionaries, alone, codes, strict=True):
        units = unit_rows(atoms).cpu().float()
        seeds = ((every | ~flags.cpu()) & units.any(dim=1)).nonzero().flatten()
        home = nearest(units, units, _LISTED, home=True)
        made.append(_Run(units, home, None if own is None else fire_together(own), seeds))
    return made


def _drawn(dictionaries: Sequence[Tensor]) -> list[Tensor]:
    pooled = torch.cat([unit_rows(each) for each in dictionaries])
    sizes = [len(dictionaries[draw % len(dictionaries)]) for draw in range(_DRAWN)]
    return [
        floors.spectrum_atoms(pooled, size, rolled=roll("points", "blocks", "spectrum", draw))
        for draw, size in enumerate(sizes)
    ]


def _searched(a: _Run, b: _Run, seeds: Int[Tensor, " seeds"], rule: _Rule) -> Grown:
    return grown(a.units, b.units, seeds, largest=rule.largest, listed=_LISTED, homes=(a.home, b.home), firing=a.firing)


def _null(runs: Sequence[_Run], rule: _Rule, what: str) -> BlocksNull:
    """Each run searched in the next one; what was found looked for in a third, or in the same if there is none."""
    scores: list[Tensor] = []
    held_out: list[Tensor] = []
    for place, run in enumerate(runs):
        following = runs[(place + 1) % len(runs)]
        third = runs[(place + 2) % len(runs)] if len(runs) > 2 else following  # noqa: PLR2004 (a pair)
        seeds = run.seeds[:: max(1, -(-len(run.seeds) // _NULL_SEEDS))]
        found = _searched(run, following, seeds, rule)
        scores.append(found.scores)
        back = [back_in(run.units, third.units, own, listed=_LISTED) for own in found.own]
        held_out.append(torch.stack(back, dim=1))
    every = torch.cat(scores)
    return BlocksNull(
        what=what,
        level=rule.level,
        seeds=len(every),
        scores=_quantiles(every, rule.level),
        held_out=_quantiles(torch.cat(held_out), rule.level),
    )


def _quantiles(scores: Float32[Tensor, "seeds sizes"], level: float) -> tuple[float, ...]:
    """Eq. 85: a set that comes back but for one stranger scores what the stranger does, as a set of its own.

    nan, which nothing passes, where there was no seed.
    """
    if not len(scores):
        return (math.nan,) * scores.shape[1]
    return tuple(scores.double().quantile(level, dim=0).cummax(dim=0).values.tolist())


def _of_run(runs: Sequence[_Run], run: int, rule: _Rule, null: BlocksNull) -> tuple[list[Block], int]:
    """The blocks of one run, disjoint, and how many candidates were not confirmed."""
    others = [(run + step) % len(runs) for step in range(1, len(runs))]
    halves = _Halves(others[::2], others[1::2])
    found = _half(runs, run, halves, rule, null) + _half(runs, run, _Halves(*reversed(halves)), rule, null)
    passed = [block for block in found if block.confirmed is not False]
    return _disjoint(passed), len(found) - len(passed)


def _half(runs: Sequence[_Run], run: int, halves: _Halves, rule: _Rule, null: BlocksNull) -> list[Block]:
    """What is found in some runs, one for each seed in turn, with what the others say of it."""
    candidates: _Candidates = {}
    for place, other in enumerate(halves.searched):
        seeds = runs[run].seeds[place :: len(halves.searched)]
        found = _searched(runs[run], runs[other], seeds, rule)
        for atoms, score in _candidates(found, rule, null):
            if score > candidates.get(atoms, (0.0, other))[0]:
                candidates[atoms] = (score, other)
    least = np.maximum(rule.cosine, null.held_out).tolist()
    return [
        block
        for size in range(2, rule.largest + 1)
        for block in _confirmed(runs, run, halves.held_out, _of_size(candidates, size), least[size - 1])
    ]


def _of_size(candidates: _Candidates, size: int) -> _Candidates:
    return {atoms: found for atoms, found in candidates.items() if len(atoms) == size}


def _candidates(found: Grown, rule: _Rule, null: BlocksNull) -> list[tuple[tuple[int, ...], float]]:
    """Of each seed the size with the largest score, where that passes and halves the seed's own distance (eq. 86)."""
    best = found.scores[:, 1:].max(dim=1)
    least = torch.tensor(null.scores[1:]).clamp(min=rule.cosine)[best.indices]
    least = least.maximum((1 + found.scores[:, 0]) / 2 + _ROUNDING)
    return [
        (tuple(sorted(found.own[int(best.indices[seed]) + 1][seed].tolist())), float(best.values[seed]))
        for seed in (best.values > least).nonzero().flatten().tolist()
    ]


def _confirmed(
    runs: Sequence[_Run], run: int, held_out: Sequence[int], candidates: _Candidates, least: float
) -> list[Block]:
    """Candidates of one size as blocks, with what the runs held out say of them."""
    if not candidates:
        return []
    sets = torch.tensor(list(candidates))
    scores = [back_in(runs[run].units, runs[other].units, sets, listed=_LISTED).tolist() for other in held_out]
    made: list[Block] = []
    for place, (score, found_in) in enumerate(candidates.values()):
        back = tuple((other, each[place]) for other, each in zip(held_out, scores, strict=True))
        passed = sum(each > least for _, each in back)
        made.append(Block(run, sets[place], found_in, score, back, 2 * passed >= len(back) if back else None))
    return made


def _disjoint(found: list[Block]) -> list[Block]:
    """Those that come back best first, over all runs that were looked at; of equals the smaller, then the first."""

    def rank(block: Block) -> tuple[float, int, list[int]]:
        scores = [block.score, *(score for _, score in block.held_out)]
        return -sum(scores) / len(scores), block.size, block.atoms.tolist()

    taken: set[int] = set()
    kept: list[Block] = []
    for block in sorted(found, key=rank):
        atoms = set(block.atoms.tolist())
        if not atoms & taken:
            taken |= atoms
            kept.append(block)
    return kept


def _sizes(found: Sequence[Block], run: int, alone: Bool[Tensor, " atoms"]) -> Int[Tensor, " atoms"]:
    sizes = alone.cpu().long()
    for block in found:
        if block.run == run:
            sizes[block.atoms] = block.size
    return sizes


def _codes_for(
    growth: Growth, codes: Sequence[StandardCodes] | None, n_runs: int, whose: str
) -> Sequence[StandardCodes | None]:
    if growth == "decoder":
        return [None] * n_runs
    if codes is None or len(codes) != n_runs:
        raise ValueError(
            f"growth by codes needs the codes of all {n_runs} {whose}; pass them in the same order, or growth='decoder'"
        )
    return codes


def _check(dictionaries: Sequence[Tensor], alone: Sequence[Tensor], largest: int) -> None:
    if len(dictionaries) < 2:  # noqa: PLR2004 (a pair)
        raise ValueError(f"there are {len(dictionaries)} dictionaries; blocks come back between two runs or more")
    _check_flags(dictionaries, alone, "alone")
    if 2 * largest > dictionaries[0].shape[1]:
        raise ValueError(
            f"largest is {largest}, but atoms have {dictionaries[0].shape[1]} dimensions; pass at most half of that"
        )


def _check_null(null: Sequence[Tensor], alone: Sequence[Tensor] | None) -> None:
    if len(null) == 1:
        raise ValueError("there is 1 dictionary of the null; pass two or more, or none to have random ones drawn")
    if alone is not None:
        _check_flags(null, alone, "null_alone")


def _check_flags(dictionaries: Sequence[Tensor], alone: Sequence[Tensor], name: str) -> None:
    if len(alone) != len(dictionaries):
        raise ValueError(f"{name} has flags of {len(alone)} runs; there are {len(dictionaries)}")
    for run, (atoms, flags) in enumerate(zip(dictionaries, alone, strict=True)):
        check_dictionaries(dictionaries[0], atoms)
        if len(flags) != len(atoms):
            raise ValueError(f"{name} has {len(flags)} flags for the {len(atoms)} atoms of run {run}")
