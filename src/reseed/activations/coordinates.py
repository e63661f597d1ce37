"""Whitened coordinates of surrogate rows, of three kinds: what they keep of the coordinates of real rows.

    elliptical  lengths        w = r z / ‖z‖, z standard normal, r the length of another token's coordinates
    axes        distributions  every coordinate is that of another token
    gaussian    nothing        w = z

Source: docs/mathematics.md, eqs. 50 and 51. Every block comes from draws of its own: no block depends on others, nor
on the number of threads.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from reseed.activations.principal import Principal
from reseed.dice import generator

__all__ = ["COORDINATES", "SURROGATES", "Coordinates", "Part", "SurrogateKind"]

SurrogateKind = Literal["elliptical", "axes", "gaussian"]
SURROGATES: tuple[SurrogateKind, ...] = get_args(SurrogateKind)

Coordinates = Callable[[int], Float32[Tensor, "block rank"]]
"""The whitened coordinates of the block of that number."""


@dataclass(frozen=True)
class Part:
    """The training rows or the held-out ones, whose surrogate is drawn."""

    axes: Principal
    """Of the training rows, whichever part it is."""
    rolled: int
    """The number that the die shows for this part."""
    n_rows: int
    block_rows: int
    """Of every block but the last."""
    real: Callable[[], Iterable[Float[Tensor, "block d_model"]]]
    """The real rows, in blocks of any size."""
    each: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
    """What a function makes of each item, in order."""
    empty: Callable[[int, int], Float32[Tensor, "rows columns"]]
    """A matrix of so many rows and columns to be written."""

    @property
    def n_blocks(self) -> int:
        """Blocks of surrogate rows."""
        return -(-self.n_rows // self.block_rows)

    def slice(self, number: int) -> slice:
        """Which rows the block of that number has."""
        start = number * self.block_rows
        return slice(start, min(start + self.block_rows, self.n_rows))

    def normal(self, number: int) -> Float32[Tensor, "block rank"]:
        """Standard normal coordinates of a block."""
        rows = self.slice(number)
        dice = generator(self.rolled, "normal", number)
        return torch.randn(rows.stop - rows.start, self.axes.rank, generator=dice)

    def shuffled(self, *use: int | str) -> Int[Tensor, "rows"]:
        """The numbers of all rows in random order."""
        return torch.randperm(self.n_rows, generator=generator(self.rolled, "order", *use))

    def whitened(self) -> Iterator[Float32[Tensor, "block rank"]]:
        """The whitened coordinates of the real rows."""
        return self.each(self.axes.whitened, self.real())

    def lengths(self) -> Float64[Tensor, "rows"]:
        """How long these are."""
        found, start = torch.empty(self.n_rows, dtype=torch.float64), 0
        for block in self.each(lambda rows: self.axes.whitened(rows).double().norm(dim=1), self.real()):
            found[start : start + len(block)] = block  # kept in blocks they would keep what lies around them in memory
            start += len(block)
        return found


def _elliptical(part: Part) -> Coordinates:
    lengths = part.lengths()[part.shuffled()]

    def draw(number: int) -> Float32[Tensor, "block rank"]:
        normal = part.normal(number)
        factors = lengths[part.slice(number)] / normal.double().norm(dim=1)
        return normal.mul_(factors.float()[:, None])

    return draw


def _axes(part: Part) -> Coordinates:
    columns = part.empty(part.axes.rank, part.n_rows)
    start = 0
    for block in part.whitened():
        columns[:, start : start + len(block)] = block.T
        start += len(block)

    def shuffle(axis: int) -> None:
        columns[axis] = columns[axis][part.shuffled(axis)]

    list(part.each(shuffle, range(part.axes.rank)))
    return lambda number: columns[:, part.slice(number)].T.contiguous()


def _gaussian(part: Part) -> Coordinates:
    return part.normal


COORDINATES: dict[SurrogateKind, Callable[[Part], Coordinates]] = {
    "elliptical": _elliptical,
    "axes": _axes,
    "gaussian": _gaussian,
}
