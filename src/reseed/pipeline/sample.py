"""What the one sample, or the one start, that runs share may do to their agreement, said before they are trained.

Runs that read the same tokens agree in what these tokens have in common by chance. That is little where there are many
tokens for each atom and none of them weighs much; a split of the sample by the `data` die measures it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from reseed._support.numbers import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.activations import Activations, Preprocessed
    from reseed.spec import Study

__all__ = ["about_sample", "about_starts", "top_share"]

_ENOUGH = 100  # tokens for each atom
_TOP, _MUCH = 0.01, 0.2  # of the tokens, and the share of the variance that they may hold
_LOOKED_AT = 2**14
_AT_A_TIME = 2**11


def about_sample(study: Study, activations: Activations, each_seen: Sequence[Preprocessed]) -> Iterator[str]:
    """What is said of the sample, one sentence each; nothing where it is large and no token weighs much."""
    name, split = activations.name, study.split
    n_tokens = activations.n_tokens if split is None else activations.part(0, split.n_parts).n_tokens
    n_atoms = max(arm.method.n_atoms for arm in study.arms)
    is_shared = any(condition.dice.data == "shared" for condition in study.conditions)
    offer = ' (dice.data = "start" gives every start a part of its own, and measures that)' if split is None else ""
    if n_tokens < _ENOUGH * n_atoms:
        by_chance = "runs that share them agree in part in what this sample has by chance"
        yield (
            f"{name}: {n_tokens:,} training tokens{'' if split is None else ' in each part'} are "
            f"{n_tokens / n_atoms:.3g} for each of {n_atoms:,} atoms, fewer than about {_ENOUGH}: "
            f"{by_chance if is_shared else 'so few leave much of a dictionary to its sample'}{offer}"
        )
    shares = {seen.name: top_share(seen) for seen in each_seen} if is_shared else {}
    heavy = [f"{percent(share)} @{preprocessing}" for preprocessing, share in shares.items() if share > _MUCH]
    if heavy:
        looked_at = f"{min(_LOOKED_AT, activations.n_tokens):,}"
        yield (
            f"{name}: the {percent(_TOP)} of the tokens that lie farthest from the mean hold {', '.join(heavy)} of the "
            f"variance (of {looked_at} looked at): runs that share them agree in part in these few{offer}"
        )


def about_starts(study: Study, d_model: int) -> Iterator[str]:
    """Of which arms starts can tell nothing, one sentence each: their runs are born identical, or end as they must."""
    for each in study.conditions[:: len(study.preprocess)]:
        arm, shares_data = each.arm, each.scopes["data"] == "shared"
        if arm.method.determined and shares_data:
            yield (
                f"{arm.name}: {arm.method.title} has one solution for given activations, whatever the start: that its "
                'runs agree will say nothing about the activations (dice.data = "start" gives every start a part of '
                "its own, and then it does)"
            )
        elif study.starts > 1 and each.one_start(d_model):
            deciding = sorted(arm.start.deciding(arm.method.n_atoms, d_model))
            why = f"all runs share {_and(deciding)}" if deciding else "this start has no chance in it"
            remedy = f'{_and(deciding)} = "start"' if deciding else "another kind of start, such as random"
            yield (
                f"{arm.name}: its {study.starts:,} starts are born identical: {why} (start {arm.start.kind}, "
                f"{arm.method.n_atoms:,} atoms), so that nothing will be said of independent starts; use {remedy}"
            )


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def top_share(seen: Preprocessed) -> float:
    """The share of the variance that the hundredth of the tokens farthest from the mean hold, in [.01, 1].

    Of at most 16,384 training tokens at even distances: a pass over all of them could take minutes, each time that a
    study goes on (docs/mathematics.md, eq. 48b).
    """
    count = min(_LOOKED_AT, seen.n_tokens)
    even = torch.arange(count) * seen.n_tokens // count
    mean = seen.moments.mean.float()
    squares = torch.cat([(seen.rows(some) - mean).square().sum(dim=1).double() for some in even.split(_AT_A_TIME)])
    top = squares.sort(descending=True).values[: math.ceil(_TOP * count)]
    return (top.sum() / squares.sum()).item()
