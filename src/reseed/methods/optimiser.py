"""Adam on a stack of runs, with its moments in the open: they are part of what a run is resumed and spawned from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.optim.adam import adam

__all__ = ["Moments", "begin", "forget", "learning_rate_at", "update"]

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Moments:
    """Running means of each trained entry's gradient and squared gradient; same names and shapes as the entries."""

    first: dict[str, Tensor]
    second: dict[str, Tensor]


def begin(state: Mapping[str, Tensor], trained: tuple[str, ...]) -> Moments:
    """Moments before the first update: all zero."""
    return Moments(
        first={name: torch.zeros_like(state[name]) for name in trained},
        second={name: torch.zeros_like(state[name]) for name in trained},
    )


def update(
    state: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    moments: Moments,
    *,
    step: int,
    learning_rate: float,
) -> None:
    """One Adam update of the trained entries and their moments, in place.

    `step` counts the updates already made, from 0; it enters the bias correction only. The arithmetic is that of
    `torch.optim.Adam(lr, betas=(0.9, 0.999), eps=1e-8)`.
    """
    names = tuple(moments.first)
    beta1, beta2 = BETAS
    adam(
        [state[name] for name in names],
        [gradients[name].contiguous() for name in names],  # the fused update walks memory, whatever the strides
        [moments.first[name] for name in names],
        [moments.second[name] for name in names],
        max_exp_avg_sqs=[],
        state_steps=[torch.tensor(float(step), device=state[name].device) for name in names],
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=learning_rate,
        weight_decay=0.0,
        eps=EPSILON,
        maximize=False,
    )


def forget(moments: Moments, names: tuple[str, ...], atoms: Bool[Tensor, "runs atoms"]) -> None:
    """Zero the moments of some atoms in the named entries, in place: they belonged to the atoms that were replaced."""
    for name in names:
        moments.first[name][atoms] = 0.0
        moments.second[name][atoms] = 0.0


def learning_rate_at(step: int, peak: float, *, n_steps: int, warmup_steps: int = 0, decay: float = 0.0) -> float:
    """The rate for update number `step` (from 0): linear warm-up, constant, then a linear fall over the last `decay`.

    `decay` is a fraction of `n_steps`, in [0, 1]; 0 keeps the rate to the end. The rate never reaches 0.
    """
    rise = min(1.0, (step + 1) / (warmup_steps + 1))
    falling = math.ceil(decay * n_steps)
    fall = min(1.0, (n_steps - step) / (falling + 1))
    return peak * min(rise, fall)
