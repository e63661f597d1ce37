"""What was measured, as the document holds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float64
from torch import Tensor

from reseed.comparison.document import ComparedDictionary, ComparedPair, WholeMatching
from reseed.comparison.nulls import quantiles
from reseed.comparison.opened import sha256_of
from reseed.matching import zero_atoms
from reseed.measures import mmcs, replicated_share
from reseed.statistics import SHARED_INDICES

if TYPE_CHECKING:
    from reseed.comparison.groups import Nulls
    from reseed.comparison.nulls import Chance
    from reseed.comparison.pairs import Measured, Side
    from reseed.statistics import BirthTest

__all__ = ["dictionary_of", "pair_of"]


def dictionary_of(side: Side) -> ComparedDictionary:
    """One dictionary."""
    found, seen = side.dictionary, side.seen
    norms = found.atoms.double().norm(dim=1)
    return ComparedDictionary(
        label=side.opened.label,
        path=found.name,
        format=found.format,
        n_atoms=len(found.atoms),
        d_model=found.atoms.shape[1],
        sha256=sha256_of(found),
        files=dict(found.sums),
        group=side.opened.group,
        seed=found.seed,
        step=found.step if found.step is not None else max(side.opened.steps, default=None),
        steps=tuple(side.opened.steps),
        codes="" if found.rule is None else found.rule.title,
        space=found.space.kind,
        nested=found.groups,
        about=dict(found.about),
        norms=(float(norms.min()), float(norms.median()), float(norms.max())),
        zero_atoms=int(zero_atoms(found.atoms).sum()),
        alive=math.nan if seen is None else float(seen.alive.double().mean()),
        l0=math.nan if seen is None else seen.l0,
        r2=math.nan if seen is None else seen.r2,
        notes=found.notes,
    )


def pair_of(a: Side, b: Side, measured: Measured, *, chance: Chance, nulls: Nulls | None, holm: float) -> ComparedPair:
    """One pair.

    Args:
        a: one dictionary.
        b: the other.
        measured: what they have in common.
        chance: what random directions agree.
        nulls: runs of their recipe on rows without structure; None for two recipes, and without such runs.
        holm: the p of its birth test among all pairs.
    """
    matching, birth, null = measured.matching, measured.birth, chance.strictest.value
    beyond, beyond_of = (chance.beyond, chance.beyond_of) if nulls is None else (nulls.beyond, "surrogate")
    best = mmcs(matching)
    return ComparedPair(
        a=a.opened.label,
        b=b.opened.label,
        same_recipe=a.opened.group == b.opened.group,
        agreement=measured.agreement,
        gap=matching.gap,
        coverage=(matching.row_coverage, matching.col_coverage),
        replicated=replicated_share(matching, beyond),
        beyond=beyond,
        beyond_of=beyond_of,
        quantiles=quantiles(matching.cosines),
        null_quantiles=chance.quantiles if nulls is None else nulls.quantiles,
        above_7=measured.above(0.7),
        above_9=measured.above(0.9),
        mmcs=(best.forward, best.backward),
        shared=measured.shared,
        encoder=measured.encoder,
        alive=measured.living,
        code=measured.code,
        nulls=chance.floors,
        ratio=max(0.0, 1 - measured.agreement) / (1 - null) if null < 1 else math.nan,
        tested_atoms=birth.n_atoms,
        fixed_points=birth.fixed,
        fixed_expected=birth.expected,
        aligned=birth.aligned,
        aligned_expected=birth.by_chance,
        birth_p=birth.p_value,
        birth_holm=holm,
        born_alike=holm < SHARED_INDICES,
        birth=birth.sentence + _of_which(a, b, birth),
        matching=WholeMatching(
            a=tuple(matching.rows.tolist()),
            b=tuple(matching.cols.tolist()),
            cosine=tuple(matching.cosines.tolist()),
            encoder=_listed(measured.encoders),
            code=_listed(measured.codes),
        ),
    )


def _of_which(a: Side, b: Side, birth: BirthTest) -> str:
    """That atoms which never fire were tested as well, where they were."""
    if a.seen is None or b.seen is None or birth.n_atoms <= min(int(a.seen.alive.sum()), int(b.seen.alive.sum())):
        return ""
    return " Atoms that never fire were tested as well, since hardly any fires in both."


def _listed(values: Float64[Tensor, " pairs"] | None) -> tuple[float, ...]:
    return () if values is None else tuple(values.tolist())
