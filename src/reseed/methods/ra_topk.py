"""RA-TopK: atoms are mixtures of points, plus a relaxation of bounded norm.

    dictionary   D = (V C + Lambda) exp(m), ||Lambda_i|| <= delta     (docs/mathematics.md, eq. 5 and 6)
    codes, loss  as in every archetypal method: see `_archetypal`

Source: @fel2025archetypal.
"""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from reseed.methods._archetypal import Archetypal

__all__ = ["RATopK"]


class RATopK(Archetypal):
    """Relaxed archetypal TopK sparse autoencoder: atoms stay near the convex hull of points."""

    title: ClassVar[str] = "RA-TopK"

    kind: Literal["ra-topk"] = "ra-topk"
    learning_rate: PositiveFloat = 5e-4
    delta: NonNegativeFloat = 1.0
    """how far an atom may leave the hull of the points"""
    delta_norm: Literal["reference", "paper"] = "reference"
    """reference: rows of the relaxation have norm <= delta (overcomplete); paper: squared norm <= delta"""

    @property
    def radius(self) -> float:
        """Largest norm of a row of the relaxation: delta, or its root by the paper's convention."""
        return self.delta if self.delta_norm == "reference" else self.delta**0.5
