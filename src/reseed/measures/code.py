"""Code agreement: what matched atoms say about the same tokens (docs/mathematics.md, eq. 15)."""

from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching
from reseed.measures._base import Dictionary, Matchings, Measure
from reseed.measures.codes import StandardCodes, standard_correlations, standardise

__all__ = ["CODE", "code_agreement", "code_correlations"]


@guarded()
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


@guarded()
def code_agreement(
    matching: Matching, codes_a: Float[Tensor, "tokens a_atoms"], codes_b: Float[Tensor, "tokens b_atoms"]
) -> float:
    """The mean over matched pairs of `code_correlations`: in [-1, 1].

    Unlike a cosine it owes nothing to where the activations lie in space: the headline companion of the agreement.
    """
    return float(code_correlations(matching, codes_a, codes_b).mean())


def _codes(of: Dictionary) -> StandardCodes | None:
    return of.codes


def _correlated(matchings: Matchings, a: StandardCodes | None, b: StandardCodes | None) -> float:
    return float("nan") if a is None or b is None else standard_correlations(matchings.now, a, b).mean().item()


CODE = Measure(
    name="code",
    title="code agreement",
    meaning="correlation of matched atoms' activations on the same held-out tokens",
    low=-1.0,
    high=1.0,
    prepare=_codes,
    compare=_correlated,
    needs=("held-out codes",),
    contradicts=True,
)
