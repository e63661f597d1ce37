"""A-TopK: atoms are mixtures of points and nothing else (@fel2025archetypal, with delta = 0)."""

from typing import Literal

from pydantic import PositiveFloat

from reseed.methods._archetypal import Archetypal

__all__ = ["ATopK"]


class ATopK(Archetypal):
    """Archetypal TopK sparse autoencoder."""

    kind: Literal["a-topk"] = "a-topk"
    learning_rate: PositiveFloat = 5e-4

    @property
    def radius(self) -> float:
        """0: there is no relaxation."""
        return 0.0
