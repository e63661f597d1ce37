"""How much each of the seven dice contributes: factorial contrasts over arms that share different dice."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed import statistics
from reseed.analysis.intervals import interval
from reseed.findings import DieEffect, SharedCell, SharedDice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.analysis.conditions import Analysed
    from reseed.statistics import Estimate

__all__ = ["dice_effects"]


@dataclass(frozen=True)
class _Family:
    """The runs of all arms of a family, side by side."""

    born: Float[Tensor, "runs runs"]
    """Agreement at step 0; nan between runs of different arms, which are not matched, and of a run with itself."""
    last: Float[Tensor, "runs runs"]
    """Agreement at the last step."""
    shared: dict[tuple[str, ...], Float[Tensor, "runs runs"]]
    """1 where two runs share a factor: dice that are always shared together."""
    starts: Int[Tensor, " runs"]
    """The number of each run's start in its study."""


def dice_effects(analysed: Sequence[Analysed], *, level: float) -> tuple[SharedDice, ...]:
    """What sharing each die does to the agreement of two runs, for every family of arms.

    A family has one method, one kind of start and one preprocessing; its arms share other dice. Agreements are averaged
    over the pairs of runs that share the same dice, and an effect is the least-squares main effect over these cells,
    each of equal weight: in a full factorial, the mean where the die is shared less the mean where it is not. Whole
    starts are left out for the intervals. Two runs that share all dice that matter are one run, and no pair. One arm by
    itself says no more than its W and B, and has no entry.

    Args:
        analysed: the conditions of a study.
        level: confidence of the intervals.
    """
    families: dict[tuple[str, str], list[Analysed]] = {}
    for each in analysed:
        if each.pairs is not None:
            recipe = json.dumps([each.record.method, each.record.start], sort_keys=True)
            families.setdefault((each.findings.preprocess, recipe), []).append(each)
    of_several = (members for members in families.values() if len(members) > 1)
    found = (_effects(members, level) for members in of_several)
    return tuple(each for each in found if each is not None)


def _effects(members: Sequence[Analysed], level: float) -> SharedDice | None:
    family = _family(members, members[0].record.dice)
    if not family.shared:
        return None
    stack = torch.stack([family.born, family.last, *family.shared.values()])
    cells = _cells(stack)
    design = torch.cat([torch.ones(len(cells), 1), cells], dim=1).to(stack)
    solve = torch.linalg.pinv(design)
    estimable = int(torch.linalg.matrix_rank(design)) == design.shape[1]

    def means_and_effects(kept: Float[Tensor, "layers runs runs"], _: Tensor) -> Float[Tensor, " values"]:
        means = torch.stack([_mean(kept, cell) for cell in cells], dim=1)  # born and last, by cell
        effects = means @ solve.T if estimable else torch.full((2, design.shape[1]), torch.nan).to(means)
        return torch.cat([means.flatten(), effects[:, 1:].flatten()])

    estimates = statistics.jackknife(means_and_effects, stack, family.starts, level=level)
    if not estimable:
        estimates = tuple(replace(each, reason=_CONFOUNDED) if math.isnan(each.value) else each for each in estimates)
    born, last, *effects = _split(estimates, len(cells), len(cells), *[len(family.shared)] * 2)
    first = members[0].findings
    return SharedDice(
        arms=tuple(each.findings.arm for each in members),
        preprocess=first.preprocess,
        kind=first.kind,
        start_kind=first.start_kind,
        effects=tuple(
            DieEffect(dice=dice, born=interval(at_0), last=interval(at_end))
            for dice, at_0, at_end in zip(family.shared, *effects, strict=True)
        ),
        cells=tuple(
            SharedCell(
                shared=tuple(die for dice, on in zip(family.shared, cell, strict=True) if on for die in dice),
                born=interval(at_0),
                last=interval(at_end),
                n_pairs=int(_in_cell(stack, cell).sum()),
            )
            for cell, at_0, at_end in zip(cells, born, last, strict=True)
        ),
    )


_CONFOUNDED = "these arms do not tell the dice apart: add arms that share them in other combinations"


def _family(members: Sequence[Analysed], dice: Sequence[str]) -> _Family:
    finished = [[run for run in each.findings.runs if run.status == "finished"] for each in members]
    runs = [run for of_arm in finished for run in of_arm]
    measured = [each.pairs.measures["agreement"] for each in members if each.pairs is not None]
    rolls = {die: torch.tensor([run.rolls[die] for run in runs]) for die in dice}
    same_run = torch.stack([rolled[:, None] == rolled[None, :] for rolled in rolls.values()]).all(dim=0)
    born, last = (
        _side_by_side([matched[end] for matched in measured]).masked_fill(same_run, torch.nan) for end in (0, -1)
    )
    pairs = ~last.isnan()
    factors: dict[tuple[str, ...], Float[Tensor, "runs runs"]] = {}
    for die, rolled in rolls.items():
        same = (rolled[:, None] == rolled[None, :]).to(last)
        if len(same[pairs].unique()) > 1:
            twin = next((dice for dice, other in factors.items() if same[pairs].equal(other[pairs])), ())
            factors[(*twin, die)] = factors.pop(twin, same)
    starts = torch.tensor([run.start_index for run in runs])
    return _Family(born, last, factors, starts)


def _side_by_side(matrices: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, "runs runs"]:
    """The matrices as blocks on the diagonal, nan elsewhere."""
    placed = torch.block_diag(*matrices)
    inside = torch.block_diag(*(torch.ones_like(matrix) for matrix in matrices))
    return placed.masked_fill(inside == 0, torch.nan)


def _cells(stack: Float[Tensor, "layers runs runs"]) -> Float[Tensor, "cells factors"]:
    """Which factors are shared, for every combination that some pair of runs has; nothing shared comes first."""
    return stack[2:, _pairs(stack)].T.unique(dim=0)


def _mean(stack: Float[Tensor, "layers runs runs"], cell: Float[Tensor, " factors"]) -> Float[Tensor, " ends"]:
    return stack[:2, _in_cell(stack, cell)].mean(dim=1)


def _in_cell(stack: Float[Tensor, "layers runs runs"], cell: Float[Tensor, " factors"]) -> Bool[Tensor, "runs runs"]:
    return _pairs(stack) & (stack[2:] == cell.view(-1, 1, 1)).all(dim=0)


def _pairs(stack: Float[Tensor, "layers runs runs"]) -> Bool[Tensor, "runs runs"]:
    """The pairs that were matched, each once."""
    return ~stack[1].isnan() & torch.ones_like(stack[1], dtype=torch.bool).triu(1)


def _split(estimates: Sequence[Estimate], *lengths: int) -> list[Sequence[Estimate]]:
    ends = torch.tensor(lengths).cumsum(0).tolist()
    return [estimates[end - length : end] for end, length in zip(ends, lengths, strict=True)]
