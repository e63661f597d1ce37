"""Subspace overlap: the directions that dictionaries mostly lie in (docs/mathematics.md, eq. 18)."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed._support.reading import Reading
from reseed.dice import generator
from reseed.matching import unit_rows
from reseed.matching.similarity import check_dictionaries
from reseed.measures._base import Dictionary, Matchings, Measure

__all__ = ["SUBSPACE", "leading_directions", "overlap", "subspace_overlap"]

_DENSE = 1024  # dimensions up to which all eigenvectors are found, and not only the leading ones
_FEW = 8  # and the part of them, one in so many, from which finding all is as fast
_ROUNDING = 1e-12  # relative size below which an eigenvalue is rounding


@guarded(rank=(1, 2**31))
def subspace_overlap(a: Float[Tensor, "a_atoms d_model"], b: Float[Tensor, "b_atoms d_model"], *, rank: int) -> Reading:
    """||U_r^T U'_r||_F^2 / r for the r leading right singular directions of the unit atoms: in [0, 1]; floor r/d.

    Undefined where a dictionary spans fewer than `rank` dimensions. Raises ValueError for a rank outside [1, d_model].
    """
    check_dictionaries(a, b)
    if not 1 <= rank <= a.shape[1]:
        raise ValueError(f"rank is {rank}; a subspace of {a.shape[1]}-dimensional atoms has rank 1 to {a.shape[1]}")
    return overlap(*(leading_directions(unit_rows(atoms), rank) for atoms in (a, b)), rank=rank)


@guarded(rank=(1, 2**31))
def leading_directions(unit: Float64[Tensor, "atoms d_model"], rank: int) -> Float64[Tensor, "d_model some"]:
    """The orthonormal directions that carry most of the unit atoms, the largest last.

    `rank` of them, or as many dimensions as the atoms span if these are fewer.
    """
    gram = unit.T @ unit
    values, vectors = _eigenpairs(gram, rank)
    return vectors[:, values > _ROUNDING * values[-1].clamp(min=torch.finfo(torch.float64).tiny)]


@guarded(rank=(1, 2**31))
def overlap(u: Float64[Tensor, "d_model some"], v: Float64[Tensor, "d_model others"], *, rank: int) -> Reading:
    """As `subspace_overlap`, from what `leading_directions` has found, once for all pairs that a run is part of."""
    if min(u.shape[1], v.shape[1]) < rank:
        return Reading.undefined(f"a dictionary spans fewer than {rank} dimensions")
    return Reading(min(1.0, float((u.T @ v).square().sum() / rank)))  # of equal subspaces, rounding leaves more


def _eigenpairs(
    gram: Float64[Tensor, "d_model d_model"], rank: int
) -> tuple[Float64[Tensor, " rank"], Float64[Tensor, "d_model rank"]]:
    """The largest eigenvalues, ascending, and their eigenvectors; by Lanczos' iteration where they are few of many."""
    d_model = len(gram)
    if d_model <= _DENSE or rank > d_model // _FEW:
        values, vectors = torch.linalg.eigh(gram)
        return values[-rank:], vectors[:, -rank:]
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 (judging, which comes without it, starts sooner)

    first = torch.randn(d_model, generator=generator(d_model, "leading directions"), dtype=torch.float64)
    values, vectors = map(torch.from_numpy, eigsh(gram.numpy(), k=rank, v0=first.numpy()))
    order = values.argsort()
    return values[order], vectors[:, order]


class _Leading(NamedTuple):
    directions: Float64[Tensor, "d_model some"]
    """As many of `rank` as the dictionary spans."""
    rank: int


def _leading(of: Dictionary) -> _Leading:
    rank = of.activations.rank
    return _Leading(leading_directions(of.directions, rank), rank)


def _overlap(_: Matchings, a: _Leading, b: _Leading) -> float:
    return overlap(a.directions, b.directions, rank=a.rank).value


SUBSPACE = Measure(
    name="subspace",
    title="subspace overlap",
    meaning="share of the leading directions of two dictionaries that is common to both",
    low=0.0,
    high=1.0,
    prepare=_leading,
    compare=_overlap,
    needs=("activation covariance",),
    untrained=True,
    contradicts=True,
)
