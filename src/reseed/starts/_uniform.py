"""Rows as torch draws weights by default: uniform numbers around 0."""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator

__all__ = ["uniform_rows"]


def uniform_rows(n_rows: int, n_columns: int, rolled: int, *use: str) -> Float[Tensor, "rows columns"]:
    """Uniform between -1 and 1 over the root of the number of columns; their norm is about .58."""
    numbers = torch.rand(n_rows, n_columns, generator=generator(rolled, *use))
    return (2 * numbers - 1) / n_columns**0.5
