"""Adam on a stack of runs, with its moments in the open: they are part of what a run is resumed and spawned from.

The moments of an entry are two more entries of the state. Source: @kingma2015adam.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor

from reseed.methods._base import Schedule, State

__all__ = ["BETA1", "forget", "learning_rate_at", "moments", "update"]

BETA1, BETA2 = 0.9, 0.999
EPSILON = 1e-8

FIRST, SECOND = "adam.first.", "adam.second."
"""What stands before an entry's name in those of its moments: running means of its gradient, and of its square."""


def moments(state: Mapping[str, Tensor], trained: tuple[str, ...]) -> State:
    """The entries to add before the first update: all zero."""
    return {moment + name: torch.zeros_like(state[name]) for moment in (FIRST, SECOND) for name in trained}


def update(
    state: State, gradients: Mapping[str, Tensor], *, step: int, learning_rate: float, beta1: float = BETA1
) -> None:
    """One Adam update of the entries that have gradients, and of their moments, in place.

    `step` counts the updates already made, from 0; it enters the bias correction only. The arithmetic is that of
    `torch.optim.Adam(lr, betas=(beta1, 0.999), eps=1e-8)`.
    """
    names = list(gradients)
    made = torch.tensor(step + 1.0, device=state[names[0]].device)
    torch._fused_adam_(  # what torch.optim ends in, after four times as much work as a small update is
        [state[name] for name in names],
        [gradients[name].contiguous() for name in names],  # the fused update walks memory, not strides
        [state[FIRST + name] for name in names],
        [state[SECOND + name] for name in names],
        [],
        [made] * len(names),
        lr=learning_rate,
        beta1=beta1,
        beta2=BETA2,
        weight_decay=0.0,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )


def forget(state: State, names: tuple[str, ...], atoms: Bool[Tensor, "runs atoms"]) -> None:
    """Zero the moments of some atoms in the named entries, in place: they belonged to the atoms that were replaced."""
    for name in names:
        state[FIRST + name][atoms] = 0.0
        state[SECOND + name][atoms] = 0.0


def learning_rate_at(schedule: Schedule, peak: float) -> float:
    """The rate of the next update: linear warm-up, constant, then a linear fall over the last `decay` of the steps.

    It never reaches 0, so that the first and the last batch count as well.
    """
    rise = min(1.0, (schedule.step + 1) / (schedule.warmup_steps + 1))
    falling = math.ceil(schedule.decay * schedule.n_steps)
    fall = min(1.0, (schedule.n_steps - schedule.step) / (falling + 1))
    return peak * min(rise, fall)
