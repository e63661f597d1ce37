"""A null or reference that is measured: the mean over pairs of drawn dictionaries, with its error over the draws."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed._support.guard import guarded
from reseed._support.mistakes import shown
from reseed.floors._base import Floor
from reseed.matching import Sign, match

__all__ = ["from_draws", "from_pairs", "measured"]

Draw = TypeVar("Draw")


@guarded()
def from_draws(
    dictionaries: Sequence[Float[Tensor, "atoms d_model"]], *, policy: str, name: str = "drawn", sign: Sign = "signed"
) -> Floor:
    """The matched agreement of drawn dictionaries: random activations, k-means centroids, or the starts at step 0.

    The mean over all pairs of draws, measured by the same `match` as trained dictionaries.
    """
    return measured(dictionaries, lambda a, b: match(a, b, sign=sign).agreement, policy=policy, name=name)


@guarded()
def measured(
    draws: Sequence[Draw], measure: Callable[[Draw, Draw], float], *, policy: str, name: str = "drawn"
) -> Floor:
    """The floor of any measure of two dictionaries: its mean over all pairs of draws.

    A draw is whatever `measure` compares: a dictionary, or one with its encoder or its codes. Fewer than two draws, or
    a measure that is nan, leave the floor undefined, with a reason.
    """
    pairs = combinations(range(len(draws)), 2)
    values = {(i, j): measure(draws[i], draws[j]) for i, j in pairs}
    return from_pairs(values, n_draws=len(draws), policy=policy, name=name)


@guarded(numbers="nan", n_draws=(0, 100_000))
def from_pairs(
    values: Mapping[tuple[int, int], float],
    *,
    n_draws: int,
    policy: str,
    name: str = "drawn",
    title: str = "",
    role: str = "",
) -> Floor:
    """The same, from the measure of every pair of draws (i, j) with i < j."""
    strange = [pair for pair in values if not _is_pair(pair, n_draws)]
    if strange:
        raise ValueError(
            f"values has {shown(strange[0])}; of {n_draws} draws the pairs are (i, j) with 0 <= i < j < {n_draws}"
        )
    found = torch.tensor(list(values.values()), dtype=torch.float64)
    value = float(found.mean())
    return Floor(
        name=name,
        value=value,
        spread=float(found.std()) if len(found) > 1 else math.nan,
        standard_error=_standard_error(values, n_draws),
        n=n_draws,
        policy=policy,
        reason=_why_undefined(value, n_draws),
        title=title,
        role=role,
    )


def _is_pair(pair: object, n_draws: int) -> bool:
    match pair:
        case (int(i), int(j)):
            return 0 <= i < j < n_draws
        case _:
            return False


def _standard_error(values: Mapping[tuple[int, int], float], n_draws: int) -> float:
    """Over the draws: pairs share them, so that pairs are no replicates."""
    if not values:
        return math.nan
    matrix = torch.full((n_draws, n_draws), math.nan, dtype=torch.float64)
    for (i, j), value in values.items():
        matrix[i, j] = matrix[j, i] = value
    return statistics.between(matrix[None], torch.arange(n_draws))[0].standard_error


def _why_undefined(value: float, n_draws: int) -> str:
    if not math.isnan(value):
        return ""
    return "a pair of draws has no agreement" if n_draws > 1 else f"{n_draws} draws make no pair; 2 are needed"
