"""What was found, as the document holds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from reseed import statistics
from reseed._support.numbers import percent, rounded
from reseed.analysis.intervals import interval
from reseed.matching import match
from reseed.reappearance.births import births, born_alike
from reseed.reappearance.document import BlocksFound, ExplainedBy, Range, Recaptured, RecipeFeatures, Shown
from reseed.reappearance.shares import Shares, shares
from reseed.reappearance.strata import strata
from reseed.reappearance.texts import fires_on
from reseed.statistics.recapture import recapture
from reseed.thresholds import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from reseed.activations import Activations
    from reseed.findings import Interval
    from reseed.reappearance.blocks import Blocks
    from reseed.reappearance.coming_back import Found
    from reseed.reappearance.document import ConsensusFound
    from reseed.reappearance.runs import Run
    from reseed.statistics import Estimate
    from reseed.statistics.recapture import Ranged

__all__ = ["LARGEST", "described", "fires_on_texts", "warned"]

LARGEST = 8
"""Atoms of a block, at most."""
_TEXTS = 3


def described(
    found: Found,
    rows: pl.DataFrame,
    acts: Activations | None,
    shown: int,
    *,
    sought: Blocks | None,
    consensus: ConsensusFound | None,
    with_texts: bool,
) -> RecipeFeatures:
    """One recipe, with `shown` features that come back most and least, and what was asked for beside."""
    recipe, null = found.recipe, found.null
    tested, texts = births(found), acts if with_texts else None
    one, many = _over_runs(found)
    start = _at_start(found)
    counted = recapture(found.classes.appearances, len(recipe.runs), chance=min(1.0, max(0.0, null.one_to_one.value)))
    once = rows.unique("class", keep="first", maintain_order=True)
    busy = ["fired"] if found.with_codes else ["cosine"]
    most = once.sort("reappearance", *busy, descending=True, nulls_last=True).head(shown)
    least = once.sort("reappearance", *busy, descending=[False, True], nulls_last=True).head(shown)
    return RecipeFeatures(
        name=recipe.name,
        runs=tuple(run.label for run in recipe.runs),
        left_out=recipe.left_out,
        births=tested,
        recorded=tuple(run.record for run in (*recipe.runs, *recipe.null) if run.record is not None),
        sign=recipe.sign,
        cosine=found.rule.cosine,
        code=found.rule.code if found.with_codes else None,
        reappearance=one,
        many_to_one=many,
        null=null.what,
        null_reappearance=_share(null.one_to_one),
        null_many_to_one=_share(null.many_to_one),
        at_start=start,
        null_of_cosines_alone=null.of_cosines_alone,
        recapture=Recaptured(
            classes=counted.n_classes,
            frequencies=counted.frequencies,
            broken=found.classes.broken,
            coverage=_range(counted.coverage),
            at_least=None if counted.bound is None else _range(counted.bound),
            chao=None if counted.chao is None else _range(counted.chao),
            new=_range(counted.forecast),
            sentence=counted.sentence,
        ),
        blocks=None if sought is None else _blocks_told(found, sought, acts),
        consensus=consensus,
        strata=strata(found, rows),
        most=tuple(_shown(found, row, texts) for row in most.to_dicts()),
        least=tuple(_shown(found, row, texts) for row in least.to_dicts()),
        sentence=f"{born_alike(tested, determined=recipe.determined)}{_sentence(found, rows, one, start)}",
    )


def _blocks_told(found: Found, sought: Blocks, acts: Activations | None) -> BlocksFound:
    sizes = torch.cat(list(sought.sizes))
    counts = torch.bincount(sizes, minlength=LARGEST + 1).tolist()
    explained = tuple(
        ExplainedBy(atom=each.atom, block=each.block, neither=each.neither, unexplained=each.unexplained)
        for run, own in zip(found.recipe.runs, sought.sizes, strict=True)
        if (each := _explained(run, own, acts)) is not None
    )
    in_blocks = sum(counts[2:])
    said = (
        f"{counts[1]:,} of {len(sizes):,} atoms come back alone, in half or more of the other runs; {in_blocks:,} more "
        f"in blocks of up to {LARGEST} whose span comes back, beyond what the same search finds among "
        f"{found.null.what}; {counts[0]:,} in neither way."
    )
    if explained:
        by = {name: percent(sum(getattr(e, name) for e in explained) / len(explained)) for name in ("atom", "block")}
        said += f" Of the variance of held-out activations the first explain {by['atom']} and the second {by['block']}."
    return BlocksFound(
        alone=counts[1],
        sizes=tuple(counts[2:]),
        nothing=counts[0],
        unconfirmed=sought.unconfirmed,
        null=found.null.what,
        explained=explained,
        sentence=said,
    )


def _explained(run: Run, sizes: Int[Tensor, " atoms"], acts: Activations | None) -> Shares | None:
    """None where codes are not known, are of other tokens, or atoms live elsewhere than activations."""
    if run.codes is None or acts is None or not run.reads_raw or run.codes.n_tokens > len(acts.heldout.rows):
        return None
    return shares(acts.heldout.rows[: run.codes.n_tokens].float(), run.atoms, run.codes, sizes)


def _over_runs(found: Found) -> tuple[Interval, Interval]:
    """The share of pairs that come back and of atoms that have any within the threshold, over runs."""
    n_runs = len(found.recipe.runs)
    values = torch.full((2, n_runs, n_runs), math.nan, dtype=torch.float64)
    for (i, j), pair in found.pairs.items():
        values[0, i, j] = values[0, j, i] = pair.back.double().mean()
        values[1, i, j] = values[1, j, i] = torch.cat(pair.joins).double().mean()
    one, many = statistics.between(values, torch.arange(n_runs), level=LEVEL)
    return _share(one), _share(many)


def _share(estimate: Estimate) -> Interval:
    """Of a share, which lies between 0 and 1 whatever its error."""
    told = interval(estimate)
    return (
        told.model_copy(update={"low": max(0.0, told.low), "high": min(1.0, told.high)}) if estimate.defined else told
    )


def _at_start(found: Found) -> Interval | None:
    """The share of pairs matched at step 0 that have the cosine already; None where a run has no step 0 on disk."""
    runs = found.recipe.runs
    if any(0 not in run.along for run in runs):
        return None
    born = [run.along[0]() for run in runs]
    shares = torch.full((1, len(runs), len(runs)), math.nan, dtype=torch.float64)
    for i, j in found.pairs:
        cosines = match(born[i], born[j], sign=found.recipe.sign).cosines
        shares[0, i, j] = shares[0, j, i] = (cosines >= found.rule.cosine).double().mean()
    return _share(statistics.between(shares, torch.arange(len(runs)), level=LEVEL)[0])


def _sentence(found: Found, rows: pl.DataFrame, one: Interval, start: Interval | None) -> str:
    others, null = len(found.recipe.runs) - 1, found.null
    all_of = int((rows["reappearance"] == 1).sum())
    none = int((rows["reappearance"] == 0).sum())
    codes = f" and codes that correlate at least {rounded(found.rule.code)}" if found.with_codes else ""
    most = "at most " if null.of_cosines_alone else ""
    n_runs = others + 1
    there = f"{most}{percent(null.one_to_one.value)} do among {null.what}"
    born = (
        "" if start is None else f"; at step 0, before any training, {percent(start.value)} had such a cosine already"
    )
    in_all = {1: "in the other", 2: "in both others"}.get(others, f"in all {others} others")
    return (
        f"{percent(one.value)} of the matched atoms come back in another run, with a cosine of at least "
        f"{rounded(found.rule.cosine)}{codes}; {there}{born}. Of {len(rows):,} atoms of {n_runs} runs {all_of:,} "
        f"come back {in_all} and {none:,} in none."
    )


def _shown(found: Found, row: dict[str, Any], acts: Activations | None) -> Shown:
    run = next(run for run in found.recipe.runs if run.label == row["run"])
    return Shown(
        run=row["run"],
        atom=row["atom"],
        reappearance=row["reappearance"],
        cosine=math.nan if row["cosine"] is None else row["cosine"],
        fired=row["fired"],
        texts=fires_on_texts(run, acts, row["atom"]),
    )


def fires_on_texts(run: Run, acts: Activations | None, atom: int) -> tuple[str, ...]:
    """Where an atom of a run fires most; nothing where its codes, or the texts of their tokens, are not known."""
    if run.codes is None or acts is None or acts.heldout.texts is None or run.codes.n_tokens > len(acts.heldout.texts):
        return ()
    return fires_on(run.codes, atom, acts.heldout.texts, acts.heldout.windows, most=_TEXTS)


def _range(number: Ranged) -> Range:
    return Range(value=number.value, low=number.low, high=number.high)


def warned(found: Sequence[Found]) -> list[str]:
    """What a reader must know of these recipes before believing the numbers."""
    told = []
    for each in found:
        name = each.recipe.name
        if len(each.recipe.runs) == 2:  # noqa: PLR2004 (a pair)
            told.append(f"{name}: two runs, one pair: a feature comes back or does not, and no share has an interval")
        if not each.with_codes:
            told.append(f"{name}: cosines alone decide: whether partners fire alike is not known; give --activations")
        if not each.recipe.null:
            told.append(
                f"{name}: what the recipe finds again on rows without structure is not known: random directions stand "
                "in for it; give --null"
            )
        if any(0 not in run.along for run in each.recipe.runs):
            told.append(
                f"{name}: what came back at step 0 already is not known, so neither is what training did: give folders "
                "with the steps of each run"
            )
        if each.recipe.left_out:
            told.append(f"{name}: left out, as born like one that is there: {', '.join(each.recipe.left_out)}")
    return told
