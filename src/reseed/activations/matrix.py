"""A tall matrix of activations in memory-mapped pieces, whose rows are gathered at random."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.tensors import read_tensor
from reseed.errors import ActivationsError

__all__ = ["Block", "Matrix", "Shard", "check_finite", "check_matrix", "read_shard"]

_BLOCK_ROWS = 8192  # rows that one pass over the matrix holds in memory at a time
_MATRIX = 2
_NOT_FINITE = "NaN or infinity: remove such rows"


@dataclass(frozen=True)
class Shard:
    """One piece: its rows as they lie on disk (nothing is read before it is needed) and a name for error messages."""

    name: str
    tensor: Float[Tensor, "rows d_model"]

    __repr__ = brief_repr


class Block(NamedTuple):
    """Some rows that lie next to each other in one shard."""

    name: str
    """Of the shard."""
    start: int
    """Which row of the shard is the first."""
    rows: Float[Tensor, "block d_model"]
    """In float32."""
    stored: Tensor
    """As they lie on disk."""

    def check_finite(self) -> None:
        """Raise ActivationsError naming the first row with a number that is not finite, or too large for float32."""
        if self.stored.dtype == torch.float64:
            check_finite(self.stored, self.name, self.start)
            check_finite(self.rows, self.name, self.start, what="numbers too large for float32: rescale all rows")
        check_finite(self.rows, self.name, self.start)


@dataclass(frozen=True)
class Matrix:
    """Shards stacked on top of each other."""

    shards: tuple[Shard, ...]

    __repr__ = brief_repr

    @property
    def n_rows(self) -> int:
        """Rows of all shards together."""
        return sum(len(shard.tensor) for shard in self.shards)

    @property
    def d_model(self) -> int:
        """Columns."""
        return self.shards[0].tensor.shape[1]

    def columns(self, first: int) -> "Matrix":
        """The columns from `first` on, of all rows."""
        return Matrix(tuple(Shard(shard.name, shard.tensor[:, first:]) for shard in self.shards))

    def rows(self, index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape d_model"]:
        """The rows at `index` in float32."""
        flat, first = index.reshape(-1), self.shards[0].tensor
        gathered = self._gather(flat) if len(self.shards) > 1 else first.index_select(0, flat.to(first.device)).float()
        return gathered.reshape(*index.shape, self.d_model)

    def _gather(self, index: Int[Tensor, "rows"]) -> Float[Tensor, "rows d_model"]:
        starts = [0, *accumulate(len(shard.tensor) for shard in self.shards)]
        ascending, order = index.sort()
        bounds = torch.searchsorted(ascending, torch.tensor(starts)).tolist()
        stretches = zip(self.shards, starts, pairwise(bounds), strict=False)
        gathered = torch.empty(len(index), self.d_model)
        for shard, start, (a, b) in stretches:
            gathered[order[a:b]] = shard.tensor.index_select(0, ascending[a:b] - start).float()
        return gathered

    def to(self, device: torch.device | str) -> "Matrix":
        """The whole matrix in one piece in a device's memory, in the type it has on disk."""
        pieces = torch.cat([shard.tensor.to(device) for shard in self.shards])
        return Matrix((Shard(f"rows on {device}", pieces),))

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Every row from `start` up to `stop` in order, a few thousand at a time."""
        place, stop = 0, self.n_rows if stop is None else stop
        for shard in self.shards:
            first, end = max(start - place, 0), min(stop - place, len(shard.tensor))
            for row in range(first, end, _BLOCK_ROWS):
                stored = shard.tensor[row : min(row + _BLOCK_ROWS, end)]
                yield Block(shard.name, row, stored.float(), stored)
            place += len(shard.tensor)


def check_finite(rows: Float[Tensor, "rows d_model"], name: str, start: int = 0, *, what: str = _NOT_FINITE) -> None:
    """Raise ActivationsError naming the first row that holds NaN or infinity; `start` is the number of row 0."""
    if rows.sum().isfinite():  # NaN and infinity stay in a sum
        return
    finite = rows.isfinite().all(dim=1)  # finite numbers may add up to infinity, too
    if not finite.all():
        bad = int((~finite).nonzero()[0])
        raise ActivationsError(f"{name}, row {start + bad:,} holds {what}")


def read_shard(path: Path, *, tensor: str | None = None, transpose: bool = False) -> Shard:
    """Map a matrix of a file into memory.

    Args:
        path: a .npy, .safetensors or .pt file.
        tensor: the name of the tensor, where the file holds several.
        transpose: whether its columns are the tokens.

    Raises:
        ActivationsError: the file is missing, of another format, or holds no single matrix of floating-point numbers.
    """
    try:
        found = read_tensor(path, ("activations",), tensor=tensor)
    except ValueError as error:
        raise ActivationsError(str(error)) from error
    check_matrix(found, str(path))
    return Shard(path.name, found.T if transpose else found)


def check_matrix(tensor: Tensor, name: str) -> None:
    """Raise ActivationsError unless a tensor is a matrix of floating-point numbers with at least one entry."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_nested:
        kind = "meta" if tensor.is_meta else "nested" if tensor.is_nested else str(tensor.layout)
        raise ActivationsError(
            f"{name} is a {kind} tensor: activations are dense; store tensor.to_dense(), with its data"
        )
    if tensor.ndim != _MATRIX or 0 in tensor.shape or not tensor.is_floating_point():
        raise ActivationsError(
            f"{name} holds {tensor.dtype} of shape {tuple(tensor.shape)}: "
            "activations are a floating-point matrix of shape (tokens, d_model)"
        )
