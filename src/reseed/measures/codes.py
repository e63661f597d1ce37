"""Held-out codes, ready to be correlated, and how well they reconstruct (docs/mathematics.md, eq. 9 and 15)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching

__all__ = ["StandardCodes", "r2", "standard_correlations", "standardise", "standardise_active"]


@dataclass(frozen=True)
class StandardCodes:
    """Codes of some tokens atom by atom, as far as they are not 0, with what makes a correlation of a product."""

    n_tokens: int
    ends: Int[Tensor, " atoms_and_one"]
    """Atom i has the entries ends[i] to ends[i + 1] of the two that follow."""
    tokens: Int[Tensor, " active"]
    """Ascending for each atom."""
    values: Float64[Tensor, " active"]
    mean: Float64[Tensor, " atoms"]
    """Over all tokens."""
    norm: Float64[Tensor, " atoms"]
    """Of the values about their mean; 0 for an atom that is constant."""


@guarded()
def standardise(codes: Float[Tensor, "tokens atoms"]) -> StandardCodes:
    """Codes atom by atom, from dense ones."""
    tokens, atoms = codes.nonzero(as_tuple=True)
    return standardise_active(tokens, atoms, codes[tokens, atoms], n_tokens=len(codes), n_atoms=codes.shape[1])


@guarded(n_tokens=(1, 2**31), n_atoms=(0, 2**31))
def standardise_active(
    tokens: Int[Tensor, " active"],
    atoms: Int[Tensor, " active"],
    values: Float[Tensor, " active"],
    *,
    n_tokens: int,
    n_atoms: int,
) -> StandardCodes:
    """Codes atom by atom, from those that are not 0: token, ascending, atom and value."""
    for name, which, count in (("tokens", tokens, n_tokens), ("atoms", atoms, n_atoms)):
        if len(which) and not 0 <= int(which.min()) <= int(which.max()) < count:
            raise ValueError(f"{name} has {int(which.min())} to {int(which.max())}; there are 0 to {count - 1}")
    from reseed.measures._loops import order_by  # noqa: PLC0415 (judging, which comes without it, starts sooner)

    atoms = atoms.cpu().long()
    counts = torch.bincount(atoms, minlength=n_atoms)
    ends = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    order = torch.from_numpy(order_by(atoms.numpy(), ends.numpy()))
    atoms, tokens, values = atoms[order], tokens.cpu().long()[order], values.cpu().double()[order]
    mean = values.new_zeros(n_atoms).index_add_(0, atoms, values) / n_tokens
    squares = values.new_zeros(n_atoms).index_add_(0, atoms, (values - mean[atoms]).square())
    norm = (squares + (n_tokens - counts) * mean.square()).sqrt()
    return StandardCodes(
        n_tokens, ends, tokens, values, mean, norm.masked_fill(_constant(atoms, values, counts, n_tokens), 0.0)
    )


def _constant(
    atoms: Int[Tensor, " active"], values: Float64[Tensor, " active"], counts: Int[Tensor, " atoms"], n_tokens: int
) -> Bool[Tensor, " atoms"]:
    """Which atoms have one value for all tokens: exactly so, where a variance would be the rounding of its mean."""
    largest, smallest = (
        values.new_zeros(len(counts)).scatter_reduce_(0, atoms, values, kind, include_self=False)
        for kind in ("amax", "amin")
    )
    return (counts == 0) | ((counts == n_tokens) & (largest == smallest))


@guarded()
def standard_correlations(matching: Matching, a: StandardCodes, b: StandardCodes) -> Float64[Tensor, " pairs"]:
    """As `code_correlations`, from codes that `standardise` has prepared, once for all pairs of a run."""
    from reseed.measures._loops import common_products  # noqa: PLC0415 (judging, which comes without it, starts sooner)

    rows, cols = matching.rows, matching.cols
    entries = (part.numpy() for codes in (a, b) for part in (codes.ends, codes.tokens, codes.values))
    products = torch.from_numpy(common_products(rows.numpy(), cols.numpy(), *entries))
    covariance = products - a.n_tokens * a.mean[rows] * b.mean[cols]
    norms = a.norm[rows] * b.norm[cols]
    correlation = (covariance / norms).masked_fill(norms == 0, 0.0).clamp(-1.0, 1.0)
    return correlation.abs() if matching.sign == "abs" else correlation


@guarded()
def r2(
    x: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"], mean: Float[Tensor, " d_model"]
) -> float:
    """1 - sum ||x - x_hat||^2 / sum ||x - mean||^2, with the training mean of each dimension: at most 1.

    nan if all activations equal the mean. (A scalar grand mean would flatter every method on uncentred activations.)
    """
    residual, spread = (x - x_hat).to(torch.float64).square().sum(), (x - mean).to(torch.float64).square().sum()
    return float(1 - residual / spread) if spread > 0 else float("nan")
