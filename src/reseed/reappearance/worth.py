"""What the consensus is worth beside single runs: the variance of held-out activations that each explains (eq. 89)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from reseed._support.brief import brief_repr
from reseed._support.numbers import rounded
from reseed.interop import LoadedDictionary, averaged
from reseed.reappearance.consensus import Consensus, Representative, consensus
from reseed.reappearance.document import ConsensusFound, Worth
from reseed.reappearance.pursuit import pursued

if TYPE_CHECKING:
    from reseed.comparison.tokens import Tokens
    from reseed.matching import Sign
    from reseed.reappearance.coming_back import Found
    from reseed.reappearance.runs import Recipe

__all__ = ["ConsensusDictionary", "common", "worth"]


@dataclass(frozen=True)
class ConsensusDictionary:
    """What runs have in common as a dictionary, and where each of its atoms is from."""

    dictionary: LoadedDictionary
    """With an encoder where all runs have one."""
    made: Consensus
    """Its atoms at length 1, in how many runs each was found, and by which atom of each."""
    runs: tuple[str, ...]
    """In the order of the columns of `made.members`."""
    representative: Representative

    __repr__ = brief_repr


def common(
    found: Found, wholes: Sequence[LoadedDictionary], representative: Representative, *, in_runs: int
) -> ConsensusDictionary:
    """The classes of some runs as a dictionary: those found in at least `in_runs` of them.

    With 1 it has as many atoms as a run, those found in most runs first; of runs of unequal size as the smallest.
    """
    n_atoms = min(len(run.atoms) for run in found.recipe.runs)
    if in_runs > 1:
        n_atoms = int((found.classes.appearances >= in_runs).sum())
    made = consensus(
        found.classes,
        [each.atoms for each in wholes],
        n_atoms=n_atoms,
        representative=representative,
        sign=found.recipe.sign,
    )
    whole = averaged(wholes, made.atoms, made.members, made.signs, name=f"consensus of {found.recipe.name}")
    return ConsensusDictionary(whole, made, tuple(run.label for run in found.recipe.runs), representative)


def worth(
    found: Found, wholes: Sequence[LoadedDictionary], representative: Representative, tokens: Tokens | None
) -> ConsensusFound:
    """What the consensus explains of held-out tokens, and what each run does, by one rule for all and by their own.

    The rule is orthogonal matching pursuit of what is left beside the decoder's bias, with as many atoms for a token as
    are active in the runs.
    """
    recipe = found.recipe
    whole, core = (common(found, wholes, representative, in_runs=least) for least in (1, 2))
    steps = _active(recipe) if all(map(_writes_back, wholes)) else None
    named = dict(zip((run.label for run in recipe.runs), wholes, strict=True))
    of_runs = tuple(_worth(each, name, tokens, steps, recipe.sign) for name, each in named.items())
    of_all = _worth(whole.dictionary, "consensus", tokens, steps, recipe.sign)
    of_core = _worth(core.dictionary, "core", tokens, steps, recipe.sign)
    told = ConsensusFound(
        representative=representative,
        found_in=tuple(torch.bincount(whole.made.appearances, minlength=len(recipe.runs) + 1).tolist()[1:]),
        tokens=0 if tokens is None else len(tokens.rows),
        steps=steps,
        runs=of_runs,
        consensus=of_all,
        core=of_core,
        without=next(iter(whole.dictionary.notes), None),
        sentence="",
    )
    return told.model_copy(update={"sentence": _sentence(told)})


def _active(recipe: Recipe) -> int | None:
    """Atoms that a token activates, on average over runs; None where codes are not known."""
    known = [len(run.codes.values) / run.codes.n_tokens for run in recipe.runs if run.codes is not None]
    return max(1, round(sum(known) / len(known))) if known else None


def _writes_back(whole: LoadedDictionary) -> bool:
    """Whether it reconstructs what it reads; a transcoder does not."""
    return whole.skip is None and (whole.encoder is None or whole.encoder.shape[1] == whole.atoms.shape[1])


def _worth(dictionary: LoadedDictionary, name: str, tokens: Tokens | None, steps: int | None, sign: Sign) -> Worth:
    known = tokens is not None and len(dictionary.atoms) > 0
    seen = tokens.seen_by(dictionary, name) if tokens is not None and known else None
    return Worth(
        name=name,
        atoms=len(dictionary.atoms),
        pursuit=_by_pursuit(dictionary, tokens, steps, sign) if tokens is not None and known and steps else math.nan,
        own=math.nan if seen is None else seen.r2,
    )


def _by_pursuit(dictionary: LoadedDictionary, tokens: Tokens, steps: int, sign: Sign) -> float:
    """R² where each token is explained by `steps` atoms, beside the decoder's bias (eq. 89)."""
    x = tokens.rows.to(dictionary.atoms)
    u, back = dictionary.space.enter(x)
    bias = 0.0 if dictionary.decoder_bias is None else dictionary.decoder_bias
    left = back(pursued(u - bias, dictionary.atoms, steps, sign=sign) + bias) - x
    spread = (x - tokens.mean.to(x)).double().square().sum()
    return 1 - float(left.double().square().sum() / spread)


def _sentence(found: ConsensusFound) -> str:
    runs, whole, core = found.runs, found.consensus, found.core
    said = (
        f"The consensus of {len(runs)} runs has {whole.atoms:,} atoms, as many as a run; {core.atoms:,} features were "
        "found in two runs or more"
    )
    if math.isnan(whole.pursuit):
        return f"{said}. What it explains is not known without activations and codes of all runs."
    said += (
        f". With {found.steps:,} atoms for each of {found.tokens:,} held-out tokens, chosen by orthogonal matching "
        f"pursuit, its R² is {rounded(whole.pursuit, 3)}, and that of single runs "
        f"{_spread(each.pursuit for each in runs)}"
    )
    if not math.isnan(core.pursuit):
        said += f"; that of features found in two runs or more, alone, {rounded(core.pursuit, 3)}"
    if not math.isnan(whole.own):
        by = "the means of their encoders" if found.representative == "mean" else "the encoders of its atoms"
        said += f". By {by} {rounded(whole.own, 3)}, single runs by their own {_spread(each.own for each in runs)}"
    return f"{said}."


def _spread(numbers: Iterable[float]) -> str:
    low, *_, high = (rounded(each, 3) for each in sorted(numbers))
    return low if low == high else f"{low} to {high}"
