"""Agreement along training: W, B, gain, init memory (docs/mathematics.md, eq. 28-35, 47 and 90)."""

import math
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed._support.guard import guarded
from reseed._support.reading import Reading

__all__ = [
    "BORN_IDENTICAL",
    "LEVEL",
    "at_r2",
    "between_start",
    "contraction_ratio",
    "floor_adjusted",
    "gain",
    "half_life",
    "init_memory",
    "no_memory_reason",
    "per_doubling",
    "within_start",
]

BORN_IDENTICAL = 1e-6  # distances below this at step 0 are rounding: nothing contracts (docs/mathematics.md, eq. 38)

LEVEL = 0.01
"""A curve that changes by at most this for every doubling of the steps, at the end of training, has levelled off."""

_LAST_THIRD = 2 / 3  # of the training, where it begins

Number = TypeVar("Number", float, Tensor)


@guarded(numbers="nan")
def within_start(pairs: Float[Tensor, "*steps runs runs"], groups: Int[Tensor, " runs"]) -> Float[Tensor, "*steps"]:
    """W(t): the mean agreement over pairs of runs that share a start; nan where no two runs do.

    `groups` is each run's init group, as found from the step-0 atoms. The matrices are symmetric.
    """
    return _pair_mean(pairs, groups[:, None] == groups[None, :])


@guarded(numbers="nan")
def between_start(pairs: Float[Tensor, "*steps runs runs"], groups: Int[Tensor, " runs"]) -> Float[Tensor, "*steps"]:
    """B(t): the mean agreement over pairs of runs from different starts; nan where there is one start only."""
    return _pair_mean(pairs, groups[:, None] != groups[None, :])


@guarded(numbers="nan")
def gain(curve: Float[Tensor, "steps *more"]) -> Float[Tensor, "*more"]:
    """G = B(T) - B(0), the stabilization: how much agreement the last step has above step 0."""
    return curve[-1] - curve[0]


@guarded(numbers="nan")
def contraction_ratio(curve: Float[Tensor, "steps *more"]) -> Float[Tensor, "*more"]:
    """Kappa = (1 - B(T)) / (1 - B(0)) of a curve between starts; nan where B(0) is 1 to within rounding."""
    apart = 1 - curve[0]
    return (1 - curve[-1]) / torch.where(apart < BORN_IDENTICAL, math.nan, apart)


@guarded(numbers="nan")
def per_doubling(steps: Int[Tensor, " steps"], curve: Float[Tensor, "steps *more"]) -> Float[Tensor, "*more"]:
    """By how much a curve still changes for every doubling of the steps: its slope over the last third of training.

    Where the last third begins the curve is read on a straight line between the two snapshots around it, as coarse as
    these are. nan of fewer than two snapshots.
    """
    if len(steps) < 2:  # noqa: PLR2004 (two ends)
        return curve[-1] * math.nan
    began = _LAST_THIRD * float(steps[-1])
    before = int((steps <= began).sum()) - 1
    share = (began - float(steps[before])) / float(steps[before + 1] - steps[before])
    return (curve[-1] - curve[before].lerp(curve[before + 1], share)) / -math.log2(_LAST_THIRD)


@guarded(numbers="nan")
def init_memory(within: Float[Tensor, " steps"], between: Float[Tensor, " steps"]) -> Float[Tensor, " steps"]:
    """M(t) = (W(t) - B(t)) / (W(0) - B(0)): 1 = the start decides everything, 0 = the start is forgotten.

    The first entry is step 0. Noise can carry it below 0 or above 1. Where W(0) and B(0) are equal to 1e-6 there is no
    start to remember: all nan, and `no_memory_reason` says why.
    """
    born_apart = within[0] - between[0]
    return (within - between) / torch.where(born_apart.abs() < BORN_IDENTICAL, math.nan, born_apart)


@guarded(numbers="nan")
def no_memory_reason(within: Float[Tensor, " steps"], between: Float[Tensor, " steps"]) -> str:
    """Why `init_memory` is undefined for these curves; empty if it is defined."""
    if within[0].isnan():
        return "no two runs share a start, so W is undefined"
    if between[0].isnan():
        return "all runs share one start, so B is undefined"
    if abs(within[0] - between[0]) < BORN_IDENTICAL:
        return "at step 0 runs of one start are no closer than runs of different starts: there is no start to remember"
    return ""


@guarded(numbers="nan")
def half_life(steps: Int[Tensor, " steps"], memory: Float[Tensor, " steps"], *, of: str = "init memory") -> Reading:
    """The training steps from which on init memory, or identity, stays at or below 1/2, linear between two snapshots.

    A memory that dips in the first steps and comes back has not been lost: weights that melt at once and freeze again
    where they were do that. Undefined where it is undefined or is above 1/2 at the last step; `of` is how the reason
    calls it.
    """
    if memory.isnan().any():
        return Reading.undefined(f"{of} is undefined")
    above = (memory > 1 / 2).nonzero()
    if len(above) and int(above[-1]) == len(memory) - 1:
        return Reading.undefined(f"{of} is still {memory[-1]:.2f} at the last step, {int(steps[-1])}")
    before = int(above[-1]) if len(above) else 0
    after = min(before + 1, len(memory) - 1)
    drop = float(memory[before] - memory[after])
    share = (float(memory[before]) - 1 / 2) / drop if drop else 0.0
    return Reading(float(steps[before]) + share * float(steps[after] - steps[before]))


@guarded(numbers="nan")
def floor_adjusted(agreement: Number, floor: float) -> Number:
    """(A - floor) / (1 - floor): 0 at the floor, 1 at agreement; nan for a floor of 1 (docs/mathematics.md, eq. 26).

    Takes one agreement or a tensor of them, such as a stack of pair matrices.
    """
    if floor > 1:
        raise ValueError(f"floor is {floor}; an agreement, and so a floor, is at most 1")
    return (agreement - floor) / (1.0 - floor if floor < 1.0 else math.nan)


@guarded(numbers="nan")
def at_r2(curve: Float[Tensor, " steps"], r2: Float[Tensor, " steps"], target: float | Tensor) -> Float[Tensor, ""]:
    """A curve along training, read where the R² of the same runs first reaches `target`.

    R² is made monotone first (the best so far), and between two snapshots both are taken to be linear. A target below
    the first R² reads the first entry of the curve, one that is never reached the entry of the best R². nan where
    the R² or the target is undefined.
    """
    if r2.isnan().any() or math.isnan(target):
        return curve.new_tensor(math.nan)
    best = r2.cummax(dim=0).values
    reached = (best >= target).nonzero()
    if not len(reached):
        return curve[r2.argmax()]
    after = int(reached[0])
    if not after:
        return curve[0]
    share = (target - best[after - 1]) / (best[after] - best[after - 1])
    return curve[after - 1].lerp(curve[after], share)


def _pair_mean(pairs: Float[Tensor, "*steps runs runs"], related: Bool[Tensor, "runs runs"]) -> Float[Tensor, "*steps"]:
    place = torch.arange(len(related))
    once = related & (place[:, None] < place[None, :])  # triu wakes all threads, however small the matrix
    return pairs[..., once].mean(dim=-1)  # the mean over no pairs is nan
