"""The pass over all cosines where the dictionaries lie on a GPU: nothing as large as a block of them leaves it."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from reseed._support import stopping
from reseed._support.products import row_products
from reseed.matching.candidates import Lists
from reseed.matching.first_lists import WIDTH, Best, empty_lists

__all__ = ["lists_on_device"]

_ELEMENTS = 2**28  # of a block of cosines: 1 GiB, and as much again while groups are looked through


def lists_on_device(
    rows: Float32[Tensor, "rows d_model"],
    cols: Float32[Tensor, "cols d_model"],
    *,
    n_groups: int,
    absolute: bool,
    elements: int = _ELEMENTS,
) -> tuple[Lists, Best]:
    """What `first_lists` gives, for the same order of the columns: of equal cosines others may be listed."""
    n, n_cols = len(rows), len(cols)
    width = min(WIDTH, n_cols)
    lists = empty_lists(n, 2 * width, n_groups)
    of_rows, of_cols = np.empty(n, np.int64), torch.zeros(n_cols, dtype=torch.int64, device=cols.device)
    col_values = torch.full((n_cols,), -torch.inf, device=cols.device)
    for begin in range(0, n, max(1, elements // n_cols)):
        stopping.check()
        part = slice(begin, begin + max(1, elements // n_cols))
        values = row_products(rows[part], cols)
        values = values.abs_() if absolute else values
        of_rows[part] = values.argmax(1).cpu().numpy()
        some_values, some_rows = values.max(0)
        better = some_values > col_values  # of equal values the first row counts
        col_values, of_cols = some_values.where(better, col_values), (some_rows + begin).where(better, of_cols)
        _list_best(values, width, Lists(*(field[part] for field in lists)))
    return lists, Best(of_rows, of_cols.cpu().numpy())


def _list_best(values: Float32[Tensor, "rows cols"], width: int, lists: Lists) -> None:
    """List the `width` best columns of each row, and bound the others by group; the values are used up."""
    n_groups = lists.bounds.shape[1]
    depth = -(-values.shape[1] // n_groups)
    best = values.topk(width, dim=1)
    values.scatter_(1, best.indices, -torch.inf)
    whole = values.shape[1] // n_groups * n_groups
    bounds = values[:, :whole].unflatten(1, (-1, n_groups)).amax(1)
    rest = values[:, whole:]  # the last atoms of the groups that have one more
    bounds[:, : rest.shape[1]] = bounds[:, : rest.shape[1]].maximum(rest)
    lists.columns[:, :width] = (best.indices % n_groups * depth + best.indices // n_groups).int().cpu().numpy()
    lists.values[:, :width] = best.values.cpu().numpy()
    lists.count[:], lists.bounds[:] = width, bounds.cpu().numpy()
    lists.largest_bound[:] = lists.bounds.max(1)
