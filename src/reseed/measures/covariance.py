"""What the covariance of the activations says about directions (docs/mathematics.md, eq. 16, 17 and 19)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching, unit_rows

__all__ = [
    "ActivationCovariance",
    "Projections",
    "activation_covariance",
    "carrying_rank",
    "projection_correlations",
    "projections",
    "projections_along",
    "shrunk_inverse",
]

_ROUNDING = 1e-12  # relative size below which a variance is rounding


@dataclass(frozen=True)
class ActivationCovariance:
    """Of the activations that the runs of a condition saw, with what measures take from it."""

    covariance: Float[Tensor, "d_model d_model"]
    whitening: Float64[Tensor, "d_model d_model"]
    """Its shrunk inverse."""
    rank: int
    """Dimensions of the subspaces that are compared."""


@guarded(n_atoms=(1, 2**31))
def activation_covariance(covariance: Float[Tensor, "d_model d_model"], n_atoms: int) -> ActivationCovariance:
    """What activations of this covariance give to compare dictionaries of `n_atoms` by."""
    return ActivationCovariance(covariance, shrunk_inverse(covariance), carrying_rank(covariance, n_atoms))


@guarded(n_atoms=(1, 2**31))
def carrying_rank(covariance: Float[Tensor, "d_model d_model"], n_atoms: int) -> int:
    """How many dimensions to compare dictionaries in: those that carry the variance of the activations.

    The participation ratio tr(S)^2 / tr(S^2) of their covariance, rounded, but at most half of the dimensions and half
    of the atoms: subspaces that fill the space overlap whatever was learnt.
    """
    spread = covariance.double().trace().square() / covariance.double().square().sum()
    most = max(1, min(len(covariance), n_atoms) // 2)
    return min(max(1, round(spread.nan_to_num(1.0).item())), most)


class Projections(NamedTuple):
    """What the projections of activations on a dictionary's atoms have in common with those on another's."""

    directions: Float64[Tensor, "atoms d_model"]
    """The atoms at length 1."""
    covariances: Float64[Tensor, "atoms d_model"]
    """Of the projection on each atom with the activation."""
    variances: Float64[Tensor, " atoms"]
    """Of the projection on each atom; 0 where it is rounding."""


@guarded()
def projections(atoms: Float[Tensor, "atoms d_model"], covariance: Float[Tensor, "d_model d_model"]) -> Projections:
    """A dictionary as `projection_correlations` takes it, prepared once for all pairs that it is part of."""
    if covariance.shape != (atoms.shape[1], atoms.shape[1]):
        raise ValueError(
            f"atoms have {atoms.shape[1]} dimensions, but the covariance has shape {tuple(covariance.shape)}"
        )
    return projections_along(unit_rows(atoms).cpu(), covariance)


@guarded()
def projections_along(
    directions: Float64[Tensor, "atoms d_model"], covariance: Float[Tensor, "d_model d_model"]
) -> Projections:
    """As `projections`, of atoms that have length 1 already, such as the `directions` of others."""
    sigma = covariance.cpu().to(torch.float64)
    covariances = directions @ sigma
    variances = (covariances * directions).sum(dim=1)
    flat = variances <= _ROUNDING * sigma.diagonal().mean()
    return Projections(directions, covariances, variances.masked_fill(flat, 0.0))


@guarded()
def projection_correlations(matching: Matching, a: Projections, b: Projections) -> Float64[Tensor, " pairs"]:
    """D'Sd' / sqrt(d'Sd . d''Sd') of each matched pair, S being the covariance of the activations: in [-1, 1].

    0 for zero atoms, and for atoms along which nothing varies.
    """
    from reseed.matching._loops import paired_products  # noqa: PLC0415 (judging, which comes without, starts sooner)

    pairs = matching.rows.numpy(), matching.cols.numpy()
    ones = np.ones(max(matching.n_rows, matching.n_cols))
    shared = torch.from_numpy(paired_products(a.covariances.numpy(), b.directions.numpy(), ones, ones, pairs))
    size = (a.variances[matching.rows] * b.variances[matching.cols]).sqrt()
    correlation = (shared / size).masked_fill(size == 0, 0.0).clamp(-1.0, 1.0)
    return correlation.abs() if matching.sign == "abs" else correlation


@guarded(shrinkage=(0, 1))
def shrunk_inverse(
    covariance: Float[Tensor, "d_model d_model"], *, shrinkage: float = 0.1
) -> Float64[Tensor, "d_model d_model"]:
    """The inverse of (1 - shrinkage) S + shrinkage tr(S)/d I: directions without variance must not decide alone.

    All zeros where nothing varies: there is nothing to whiten, and no atom is like another.
    """
    sigma = covariance.to(torch.float64)
    sphere = torch.eye(len(sigma), dtype=torch.float64, device=sigma.device) * sigma.diagonal().mean()
    try:
        return torch.linalg.inv(sigma.lerp(sphere, shrinkage)) if sigma.any() else sigma
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"the covariance has no inverse with shrinkage = {shrinkage}: use more") from error
