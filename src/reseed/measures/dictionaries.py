"""Agreement of two dictionaries beyond the mean cosine of their matching (docs/mathematics.md, eq. 13-21)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from reseed._support.reading import Reading
from reseed.matching import Matching, row_cosines, unit_rows
from reseed.matching.similarity import check_dictionaries

__all__ = [
    "Mmcs",
    "Projections",
    "alive_only",
    "mean_norm_squared",
    "mmcs",
    "projection_agreement",
    "projection_correlations",
    "projections",
    "projections_along",
    "shared_fraction",
    "shared_pairs",
    "shrunk_inverse",
    "stable_rank",
    "whitened_agreement",
]

_ROUNDING = 1e-12  # relative size below which a variance is rounding


class Mmcs(NamedTuple):
    """Mean max cosine similarity, each way; nan if a dictionary has no atoms."""

    forward: float
    """Mean over the first dictionary's atoms of the best cosine in the second."""
    backward: float
    """Mean over the second dictionary's atoms of the best cosine in the first."""


def mmcs(matching: Matching) -> Mmcs:
    """Mean over atoms of the best cosine in the other dictionary (@sharkey2022superposition): in [-1, 1].

    For equal sizes neither way is below the matched agreement; what it is above shows atoms that were split or merged,
    as one atom may be the best for many. Its floor is `floors.isotropic`.
    """
    return Mmcs(float(matching.best_rows.mean()), float(matching.best_cols.mean()))


def shared_pairs(
    matching: Matching,
    encoder_a: Float[Tensor, "a_atoms d_model"],
    encoder_b: Float[Tensor, "b_atoms d_model"],
    *,
    threshold: float = 0.7,
) -> Bool[Tensor, " pairs"]:
    """Which matched pairs are one feature: both their decoder and their encoder cosine are above `threshold`.

    `matching` is that of the decoders, and its sign policy goes for the encoders too (@paulo2025sparse).
    """
    _check_fits(matching, encoder_a, encoder_b)
    encoders = row_cosines(encoder_a.cpu()[matching.rows], encoder_b.cpu()[matching.cols], sign=matching.sign)
    return (matching.cosines > threshold) & (encoders > threshold)


def shared_fraction(
    matching: Matching,
    encoder_a: Float[Tensor, "a_atoms d_model"],
    encoder_b: Float[Tensor, "b_atoms d_model"],
    *,
    threshold: float = 0.7,
) -> float:
    """The fraction of matched pairs that are one feature (see `shared_pairs`): in [0, 1], over min(n)."""
    return float(shared_pairs(matching, encoder_a, encoder_b, threshold=threshold).to(torch.float64).mean())


class Projections(NamedTuple):
    """What the projections of activations on a dictionary's atoms have in common with those on another's."""

    directions: Float64[Tensor, "atoms d_model"]
    """The atoms at length 1."""
    covariances: Float64[Tensor, "atoms d_model"]
    """Of the projection on each atom with the activation."""
    variances: Float64[Tensor, " atoms"]
    """Of the projection on each atom; 0 where it is rounding."""


def projections(atoms: Float[Tensor, "atoms d_model"], covariance: Float[Tensor, "d_model d_model"]) -> Projections:
    """A dictionary as `projection_correlations` takes it, prepared once for all pairs that it is part of."""
    if covariance.shape != (atoms.shape[1], atoms.shape[1]):
        raise ValueError(
            f"atoms have {atoms.shape[1]} dimensions, but the covariance has shape {tuple(covariance.shape)}"
        )
    return projections_along(unit_rows(atoms).cpu(), covariance)


def projections_along(
    directions: Float64[Tensor, "atoms d_model"], covariance: Float[Tensor, "d_model d_model"]
) -> Projections:
    """As `projections`, of atoms that have length 1 already, such as the `directions` of others."""
    sigma = covariance.cpu().to(torch.float64)
    covariances = directions @ sigma
    variances = (covariances * directions).sum(dim=1)
    flat = variances <= _ROUNDING * sigma.diagonal().mean()
    return Projections(directions, covariances, variances.masked_fill(flat, 0.0))


def projection_correlations(matching: Matching, a: Projections, b: Projections) -> Float64[Tensor, " pairs"]:
    """D'Sd' / sqrt(d'Sd . d''Sd') of each matched pair, S being the covariance of the activations: in [-1, 1].

    0 for zero atoms, and for atoms along which nothing varies.
    """
    shared = torch.linalg.vecdot(a.covariances[matching.rows], b.directions[matching.cols])
    size = (a.variances[matching.rows] * b.variances[matching.cols]).sqrt()
    correlation = (shared / size).masked_fill(size == 0, 0.0).clamp(-1.0, 1.0)
    return correlation.abs() if matching.sign == "abs" else correlation


def projection_agreement(
    matching: Matching,
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    covariance: Float[Tensor, "d_model d_model"],
) -> float:
    """The mean over matched pairs of `projection_correlations`: in [-1, 1]."""
    check_dictionaries(a, b)
    _check_fits(matching, a, b)
    return float(projection_correlations(matching, projections(a, covariance), projections(b, covariance)).mean())


def whitened_agreement(
    matching: Matching,
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    covariance: Float[Tensor, "d_model d_model"],
    *,
    shrinkage: float = 0.1,
) -> float:
    """Mean over matched pairs of the cosine after whitening, that is under S^-1: in [-1, 1].

    S is the covariance of the activations, shrunk as `shrunk_inverse` says.
    """
    return projection_agreement(matching, a, b, shrunk_inverse(covariance, shrinkage=shrinkage))


def shrunk_inverse(
    covariance: Float[Tensor, "d_model d_model"], *, shrinkage: float = 0.1
) -> Float64[Tensor, "d_model d_model"]:
    """The inverse of (1 - shrinkage) S + shrinkage tr(S)/d I: directions without variance must not decide alone.

    All zeros where nothing varies: there is nothing to whiten, and no atom is like another.
    """
    sigma = covariance.to(torch.float64)
    sphere = torch.eye(len(sigma), dtype=torch.float64, device=sigma.device) * sigma.diagonal().mean()
    return torch.linalg.inv(sigma.lerp(sphere, shrinkage)) if sigma.any() else sigma


def alive_only(
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    alive_a: Bool[Tensor, " a_atoms"],
    alive_b: Bool[Tensor, " b_atoms"],
) -> tuple[Float[Tensor, "a_alive d_model"], Float[Tensor, "b_alive d_model"]]:
    """The two dictionaries (or encoders) without their dead atoms, to be matched and measured like any others."""
    for name, atoms, alive in (("first", a, alive_a), ("second", b, alive_b)):
        if len(alive) != len(atoms):
            raise ValueError(f"the {name} dictionary has {len(atoms)} atoms, but {len(alive)} are marked alive or dead")
    return a[alive_a], b[alive_b]


def mean_norm_squared(atoms: Float[Tensor, "atoms d_model"]) -> float:
    """The mean squared norm of the atoms; nan without atoms."""
    return float(atoms.to(torch.float64).square().sum(dim=1).mean())


def stable_rank(atoms: Float[Tensor, "atoms d_model"]) -> Reading:
    """||D||_F^2 / ||D||_2^2 of the atoms as they are, norms and mean included: from 1 to min(n_atoms, d_model)."""
    gram = atoms.to(torch.float64).T @ atoms.to(torch.float64)
    largest = float(torch.linalg.eigvalsh(gram)[-1])
    return Reading(float(gram.trace()) / largest) if largest > 0 else Reading.undefined("all atoms are zero")


def _check_fits(matching: Matching, a: Tensor, b: Tensor) -> None:
    if (len(a), len(b)) != (matching.n_rows, matching.n_cols):
        raise ValueError(
            f"the matching is of {matching.n_rows} with {matching.n_cols} atoms, but {len(a)} and {len(b)} were given"
        )
