"""The `kmeans++` start: activations far from one another (@arthur2007kmeans).

The first is any activation; each further one is the best of 2 + ln(n) candidates, drawn in proportion to their squared
distance to the nearest that was chosen: the one after which the sum of these distances is smallest. That is the greedy
form, and the number of candidates, that scikit-learn begins k-means with (docs/mathematics.md, eq. 157).
"""

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support import stopping
from reseed._support.products import row_products
from reseed.dice import generator
from reseed.starts._kind import Points, Rolls, StartKind
from reseed.starts.kmeans import enough_tokens

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["KMEANS_PLUS_PLUS", "spread_rows"]


def _identity(start: "Start", n_points: int, rolls: Rolls) -> tuple[object, ...]:
    return ("kmeans++", n_points, start.points_tokens, rolls["points"], rolls["kmeans"])


def _draw(
    start: "Start", n_points: int, seen: "Preprocessed", rolls: Rolls, device: torch.device | str
) -> Float[Tensor, "points d_model"]:
    """Of the activations that the points die drew, those that the kmeans die chose."""
    places = seen.places(start.tokens_for(n_points, seen.n_tokens), rolled=rolls["points"])
    rows = seen.rows(places).to(device)
    rows -= rows.mean(0)  # which leaves distances as they are, and their rounding small
    chance = torch.rand(n_points, _trials(n_points), generator=generator(rolls["kmeans"]), dtype=torch.float64)
    return seen.rows(places[spread_rows(rows, chance).cpu()])


def _trials(n_points: int) -> int:
    return 2 + int(math.log(n_points))


def spread_rows(
    rows: Float[Tensor, "tokens d_model"], chance: Float64[Tensor, "points trials"]
) -> Int[Tensor, " points"]:
    """The rows that are chosen, in this order, and by these numbers between 0 and 1; their mean should be near 0.

    The first number chooses the first row; the numbers of each further point choose its candidates. Of candidates that
    are equally good the first is taken.
    """
    squares = rows.square().sum(1)
    first = min(int(chance[0, 0].item() * len(rows)), len(rows) - 1)
    chosen, distances = [first], _distances(rows, squares, torch.tensor([first], device=rows.device))[0]
    for numbers in chance[1:]:
        stopping.check()  # a large dictionary takes minutes
        candidates = _drawn(distances, numbers)
        after = torch.minimum(distances, _distances(rows, squares, candidates))
        best = int(after.double().sum(1).argmin())
        chosen.append(int(candidates[best]))
        distances = after[best]
    return torch.tensor(chosen, device=rows.device)


def _drawn(distances: Tensor, numbers: Tensor) -> Int[Tensor, " trials"]:
    """Rows in proportion to their squared distances; the last where rounding would choose one behind it."""
    upto = distances.double().cumsum(0)
    return torch.searchsorted(upto, numbers.to(upto) * upto[-1]).clamp(max=len(upto) - 1)


def _distances(rows: Tensor, squares: Tensor, places: Int[Tensor, " few"]) -> Float[Tensor, "few tokens"]:
    """The squared distance of each row to few of them: 0 to itself, whatever the rounding."""
    products = row_products(rows[places], rows)
    return (squares[places].unsqueeze(1) + squares - 2 * products).clamp(min=0).scatter(1, places.unsqueeze(1), 0.0)


KMEANS_PLUS_PLUS = StartKind(
    name="kmeans++",
    title="k-means++ seeds",
    meaning="activations far from one another, as k-means++ chooses them",
    dice=("points", "kmeans"),
    points=Points(identity=_identity, draw=_draw),
    check=enough_tokens,
)
