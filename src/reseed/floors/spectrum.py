"""Gaussian atoms with the mean and the covariance of given rows (docs/mathematics.md, eq. 23)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import check_size, guarded
from reseed.dice import generator
from reseed.matching import unit_rows, zero_atoms

__all__ = ["spectrum_atoms"]


@guarded(n_atoms=(1, 2**31))
def spectrum_atoms(
    rows: Float[Tensor, "rows d_model"], n_atoms: int | None = None, *, rolled: int
) -> Float64[Tensor, "atoms d_model"]:
    """Gaussian atoms with the mean and covariance of the rows at length 1, as many as rows unless said otherwise.

    The rows are atoms or tokens; zero ones do not count. Raises ValueError where all are.
    """
    unit = unit_rows(rows)[~zero_atoms(rows)]
    if not len(unit):
        raise ValueError(f"all {len(rows)} rows are zero: they have no direction, and so no mean and covariance")
    mean = unit.mean(dim=0)
    values, vectors = torch.linalg.eigh((unit - mean).T @ (unit - mean) / len(unit))
    shape = (len(rows) if n_atoms is None else n_atoms, rows.shape[1])
    check_size(*shape)
    normal = torch.randn(shape, generator=generator(rolled, "spectrum"), dtype=torch.float64).to(unit.device)
    return mean + (normal * values.clamp(min=0).sqrt()) @ vectors.T
