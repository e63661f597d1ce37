"""Shared fraction: matched atoms that are one feature in decoder and encoder (docs/mathematics.md, eq. 14)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching, row_cosines
from reseed.measures._base import Dictionary, Matchings, Measure
from reseed.measures._fits import check_fits

__all__ = ["SHARED", "shared_fraction", "shared_pairs"]


@guarded(threshold=(-1, 1))
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
    check_fits(matching, encoder_a, encoder_b)
    encoders = row_cosines(encoder_a.cpu()[matching.rows], encoder_b.cpu()[matching.cols], sign=matching.sign)
    return (matching.cosines > threshold) & (encoders > threshold)


@guarded(threshold=(-1, 1))
def shared_fraction(
    matching: Matching,
    encoder_a: Float[Tensor, "a_atoms d_model"],
    encoder_b: Float[Tensor, "b_atoms d_model"],
    *,
    threshold: float = 0.7,
) -> float:
    """The fraction of matched pairs that are one feature (see `shared_pairs`): in [0, 1], over min(n)."""
    return float(shared_pairs(matching, encoder_a, encoder_b, threshold=threshold).to(torch.float64).mean())


def _encoder(of: Dictionary) -> Float[Tensor, "atoms d_model"]:
    return of.encoder


def _shared(matchings: Matchings, a: Float[Tensor, "a_atoms d_model"], b: Float[Tensor, "b_atoms d_model"]) -> float:
    return shared_fraction(matchings.now, a, b)


SHARED = Measure(
    name="shared",
    title="shared fraction",
    meaning="matched pairs with cosine above .7 in decoder and encoder both",
    low=0.0,
    high=1.0,
    prepare=_encoder,
    compare=_shared,
    needs=("encoder",),
)
"""Untrained dictionaries have no encoder, and so no share: a centroid is none."""
