"""Agreement of what two dictionaries say about the same tokens (science §3)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed.matching import Matching

__all__ = ["code_agreement", "code_correlations", "r2", "standard_correlations", "standardise"]

_BLOCK = 1024  # matched pairs at a time: bounds memory at tokens x block


def code_correlations(
    matching: Matching, codes_a: Float[Tensor, "tokens a_atoms"], codes_b: Float[Tensor, "tokens b_atoms"]
) -> Float64[Tensor, " pairs"]:
    """The Pearson correlation over tokens of each matched pair's activations; its absolute value for sign "abs".

    An atom that is constant on these tokens, such as a dead one, says nothing about them: correlation 0.

    Raises ValueError for codes of different tokens or of other dictionaries than the matched ones.
    """
    if len(codes_a) != len(codes_b) or not len(codes_a):
        raise ValueError(f"codes of {len(codes_a)} and of {len(codes_b)} tokens; both need the same held-out tokens")
    if (codes_a.shape[1], codes_b.shape[1]) != (matching.n_rows, matching.n_cols):
        raise ValueError(
            f"the matching is of {matching.n_rows} with {matching.n_cols} atoms, "
            f"but the codes are of {codes_a.shape[1]} and {codes_b.shape[1]}"
        )
    return standard_correlations(matching, standardise(codes_a), standardise(codes_b))


def standardise(codes: Float[Tensor, "tokens atoms"]) -> Float64[Tensor, "atoms tokens"]:
    """Each atom's codes about their mean and at length 1, one row per atom; zeros for an atom that is constant."""
    codes = codes.T.to(torch.float64).contiguous()
    constant = codes.amax(dim=1) == codes.amin(dim=1)  # exact, where a variance would be the rounding of its mean
    centred = codes - codes.mean(dim=1, keepdim=True)
    norm = torch.linalg.vector_norm(centred, dim=1)
    return (centred / norm.masked_fill(constant, 1.0)[:, None]).masked_fill(constant[:, None], 0.0)


def standard_correlations(
    matching: Matching, a: Float64[Tensor, "a_atoms tokens"], b: Float64[Tensor, "b_atoms tokens"]
) -> Float64[Tensor, " pairs"]:
    """As `code_correlations`, from codes that `standardise` has prepared, once for all pairs that a run is part of."""
    blocks = zip(matching.rows.split(_BLOCK), matching.cols.split(_BLOCK), strict=True)
    products = [torch.linalg.vecdot(a[rows], b[cols]) for rows, cols in blocks]
    correlation = torch.cat(products).cpu().clamp(-1.0, 1.0)
    return correlation.abs() if matching.sign == "abs" else correlation


def code_agreement(
    matching: Matching, codes_a: Float[Tensor, "tokens a_atoms"], codes_b: Float[Tensor, "tokens b_atoms"]
) -> float:
    """The mean over matched pairs of `code_correlations`: in [-1, 1].

    Unlike a cosine it owes nothing to where the activations lie in space: the headline companion of the agreement.
    """
    return float(code_correlations(matching, codes_a, codes_b).mean())


def r2(x: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"], mean: Tensor) -> float:
    """1 - sum ||x - x_hat||^2 / sum ||x - mean||^2, with the training mean of each dimension: at most 1.

    nan if all activations equal the mean. (A scalar grand mean would flatter every method on uncentred activations.)
    """
    residual, spread = (x - x_hat).to(torch.float64).square().sum(), (x - mean).to(torch.float64).square().sum()
    return float(1 - residual / spread) if spread > 0 else float("nan")
