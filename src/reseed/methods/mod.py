"""Method of optimal directions: the dictionary that fits the codes best, then unit atoms.

    codes        orthogonal matching pursuit                                              (docs/mathematics.md, eq. 151)
    statistics   A <- memory A + z' z,  B <- memory B + z' u                              (eq. 145)
    dictionary   D <- D + A^+ (B - A D), which is A^-1 B where A has an inverse           (eq. 153)
                 d_i <- d_i / ||d_i||

Source: @engan1999method. Where A has no inverse, the codes leave open what the best dictionary is: of the best ones
this is the nearest, so that an atom that no token uses stays where it is. When an atom becomes shorter its codes in A
and B become larger: what they say stays the same.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from reseed.methods._alternating import Alternating
from reseed.methods._base import State
from reseed.methods._orthogonal import OrthogonalCodes

__all__ = ["MOD"]

_SINGULAR = 1e-6  # share of the largest eigenvalue of A, its diagonal being 1, below which float32 tells nothing


class MOD(OrthogonalCodes, Alternating):
    """Sparse codes by orthogonal matching pursuit, and the dictionary that is best for them, all atoms at once."""

    title: ClassVar[str] = "Method of optimal directions"
    published_start: ClassVar[str] = "data"

    kind: Literal["mod"] = "mod"
    memory: Annotated[float, Field(ge=0, le=1)] = 0.0

    def fit(self, state: State) -> None:
        """The best dictionary, then unit atoms, in place."""
        products, atoms = state["products"].double(), state["atoms"].double()
        size = products.diagonal(dim1=1, dim2=2).sqrt()
        inverse_size = (1 / size).where(size > 0, 0.0).unsqueeze(-1)
        among = inverse_size * products * inverse_size.mT
        inverse = torch.linalg.pinv(among, rtol=_SINGULAR, hermitian=True)
        missing = state["sums"].double() - products @ atoms
        best = atoms + inverse_size * (inverse @ (inverse_size * missing))
        length = best.norm(dim=-1, keepdim=True)
        length = length.where(length > 0, 1.0)
        state["atoms"].copy_(best / length)
        state["products"].copy_(length * products * length.mT)
        state["sums"].mul_(length)
