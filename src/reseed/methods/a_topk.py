"""A-TopK: atoms are mixtures of points and nothing else.

    dictionary   D = V C exp(m): eq. 5 of docs/mathematics.md with Lambda = 0
    codes, loss  as in every archetypal method: see `_archetypal`

Source: @fel2025archetypal, with delta = 0.
"""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from reseed.methods._archetypal import ArchetypalTopK

__all__ = ["ATopK"]


class ATopK(ArchetypalTopK):
    """Archetypal TopK sparse autoencoder: atoms stay in the convex hull of points, up to one common factor."""

    title: ClassVar[str] = "A-TopK"

    kind: Literal["a-topk"] = "a-topk"
    learning_rate: PositiveFloat = 5e-4

    @property
    def radius(self) -> float:
        """0: there is no relaxation."""
        return 0.0
