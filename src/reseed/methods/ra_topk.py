"""RA-TopK: atoms are mixtures of points, plus a relaxation of bounded norm.

    dictionary   D = (V C + Lambda) exp(m), ||Lambda_i|| <= delta     (docs/mathematics.md, eq. 5 and 6)
    codes, loss  as in every archetypal method: see `_archetypal`

Source: @fel2025archetypal.
"""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from reseed.methods._archetypal import ArchetypalTopK, Relaxed

__all__ = ["RATopK"]


class RATopK(Relaxed, ArchetypalTopK):
    """Relaxed archetypal TopK sparse autoencoder: atoms stay near the convex hull of points."""

    title: ClassVar[str] = "RA-TopK"

    kind: Literal["ra-topk"] = "ra-topk"
    learning_rate: PositiveFloat = 5e-4
