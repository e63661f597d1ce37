"""The `furthest-sum` start: activations that lie far from one another (@morup2012archetypal).

From a random first one, the next is always the one with the largest sum of distances to those chosen; when there are
enough, the oldest is forgotten and another chosen in its place, eleven times, so that the random first one is gone.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support import stopping
from reseed.errors import SpecError
from reseed.starts._kind import Points, Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["FURTHEST_SUM", "furthest_sum"]

_CHOSEN_AGAIN = 11  # as in the code that was published with it


def furthest_sum(rows: Float[Tensor, "tokens d_model"], n_points: int) -> Int[Tensor, " points"]:
    """Which rows are chosen, from the first row on, those longest chosen first; of equals the lowest index."""
    squares, sums = rows.square().sum(1), torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    chosen: list[int] = []

    def choose(row: int) -> None:
        chosen.append(row)
        sums.add_(_distances(rows, squares, row))

    choose(0)
    while len(chosen) < n_points:
        stopping.check()  # all of them together take minutes
        choose(_furthest(sums, chosen))
    for _ in range(_CHOSEN_AGAIN if n_points > 1 else 0):
        sums.sub_(_distances(rows, squares, chosen.pop(0)))
        choose(_furthest(sums, chosen))
    return torch.tensor(chosen)


def _distances(rows: Tensor, squares: Tensor, row: int) -> Tensor:
    return (squares - 2 * (rows @ rows[row]) + squares[row]).clamp(min=0.0).sqrt().double()


def _furthest(sums: Tensor, chosen: list[int]) -> int:
    left = sums.clone()
    left[chosen] = -torch.inf
    return int((left == left.max()).nonzero()[0])


def _identity(start: "Start", n_points: int, rolls: Rolls) -> tuple[object, ...]:
    return ("furthest-sum", n_points, start.points_tokens, rolls["points"])


def _draw(
    start: "Start", n_points: int, seen: "Preprocessed", rolls: Rolls, device: torch.device | str
) -> Float[Tensor, "points d_model"]:
    """Of the activations that the points die drew, in random order, those that lie far apart."""
    rows = seen.sample(start.tokens_for(n_points, seen.n_tokens), rolled=rolls["points"]).to(device)
    around = rows - rows.mean(0)  # where distances are told most exactly
    return rows[furthest_sum(around, n_points).to(device)].cpu()


def _check(start: "Start", n_points: int) -> None:
    if start.points_tokens is not None and start.points_tokens < n_points:
        raise SpecError(f"points_tokens = {start.points_tokens} for {n_points} points: use at least one for each")


FURTHEST_SUM = StartKind(
    name="furthest-sum",
    title="Activations that lie far apart",
    meaning="activations that lie far from one another, each with the largest sum of distances to those before it",
    dice=("points",),
    points=Points(identity=_identity, draw=_draw),
    tokens_per_point=8,
    check=_check,
)
