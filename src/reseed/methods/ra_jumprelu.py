"""RA-JumpReLU: atoms are mixtures of points, plus a relaxation of bounded norm, and have thresholds.

    dictionary   D = (V C + Lambda) exp(m), ||Lambda_i|| <= delta     (docs/mathematics.md, eq. 5 and 6)
    codes, loss  as in every method with thresholds: see `_jump`

Sources: @fel2025archetypal, @rajamanoharan2024jumprelu.
"""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from reseed.methods._archetypal import Relaxed
from reseed.methods._jump import JumpCodes

__all__ = ["RAJumpReLU"]


class RAJumpReLU(JumpCodes, Relaxed):
    """Relaxed archetypal JumpReLU sparse autoencoder: atoms stay near the convex hull of points."""

    title: ClassVar[str] = "RA-JumpReLU"

    kind: Literal["ra-jumprelu"] = "ra-jumprelu"
    learning_rate: PositiveFloat = 5e-4
