"""A tall matrix of activations in memory-mapped pieces, whose rows are gathered at random."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.guard import is_plain_matrix
from reseed._support.tensors import read_tensor
from reseed.errors import ActivationsError

__all__ = ["Matrix", "Shard", "check_finite", "check_matrix", "read_shard"]

_BLOCK_ROWS = 8192  # rows that one pass over the matrix holds in memory at a time


@dataclass(frozen=True)
class Shard:
    """One piece: its rows as they lie on disk (nothing is read before it is needed) and a name for error messages."""

    name: str
    tensor: Float[Tensor, "rows d_model"]

    __repr__ = brief_repr


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
        pieces = [shard.tensor.index_select(0, ascending[a:b] - start) for shard, start, (a, b) in stretches]
        gathered = torch.empty(len(index), self.d_model)
        gathered[order] = torch.cat(pieces).float()
        return gathered

    def to(self, device: torch.device | str) -> "Matrix":
        """The whole matrix in one piece in a device's memory, in the type it has on disk."""
        pieces = torch.cat([shard.tensor.to(device) for shard in self.shards])
        return Matrix((Shard(f"rows on {device}", pieces),))

    def blocks(self, stop: int | None = None) -> Iterator[tuple[str, int, Float[Tensor, "block d_model"]]]:
        """Every row up to `stop` in order: (shard name, row in that shard, float32 rows), a few thousand at a time."""
        left = self.n_rows if stop is None else stop
        for shard in self.shards:
            height = min(left, len(shard.tensor))
            for start in range(0, height, _BLOCK_ROWS):
                yield shard.name, start, shard.tensor[start : min(start + _BLOCK_ROWS, height)].float()
            left -= height


def check_finite(rows: Float[Tensor, "rows d_model"], name: str, start: int = 0) -> None:
    """Raise ActivationsError naming the first row that holds NaN or infinity; `start` is the number of row 0."""
    finite = rows.isfinite().all(dim=1)
    if not finite.all():
        bad = int((~finite).nonzero()[0])
        raise ActivationsError(
            f"{name}, row {start + bad:,} holds NaN or infinity: remove such rows, or collect with --dtype fp32"
        )


def read_shard(path: Path) -> Shard:
    """Map a matrix of a .npy or .safetensors file into memory.

    Raises:
        ActivationsError: the file is missing, of another format, or holds no single matrix of floating-point numbers.
    """
    if not path.is_file():
        raise ActivationsError(f"{path} does not exist: give a store folder, a .npy file or a .safetensors file")
    try:
        tensor = read_tensor(path, ("activations",))
    except ValueError as error:
        raise ActivationsError(str(error)) from error
    check_matrix(tensor, str(path))
    return Shard(path.name, tensor)


def check_matrix(tensor: Tensor, name: str) -> None:
    """Raise ActivationsError unless a tensor is a matrix of floating-point numbers with at least one entry."""
    if not is_plain_matrix(tensor) or 0 in tensor.shape:
        raise ActivationsError(
            f"{name} holds {tensor.dtype} of shape {tuple(tensor.shape)}: "
            "activations are a floating-point matrix of shape (tokens, d_model)"
        )
