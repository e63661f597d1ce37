"""Method of optimal directions: the dictionary that fits the codes best, then unit atoms.

    codes        orthogonal matching pursuit                                              (docs/mathematics.md, eq. 151)
    statistics   A <- memory A + z' z,  B <- memory B + z' u                              (eq. 145)
    dictionary   D <- D + A^+ (B - A D), which is A^-1 B where A has an inverse           (eq. 153)
                 d_i <- d_i / ||d_i||

Source: @engan1999method. Where A has no inverse, the codes leave open what the best dictionary is: what they leave open
stays as it is, such as an atom that no token uses. A^+ is that of a small ridge, applied anew to what is left until
nothing is. As an atom is divided by its length its codes in A and B are multiplied by it: what they say stays the same.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from reseed.methods._alternating import Alternating
from reseed.methods._base import State
from reseed.methods._orthogonal import OrthogonalCodes

__all__ = ["MOD"]

_RIDGE = 1e-5  # beside a diagonal of 1: more than rounding leaves of an eigenvalue of 0, as A is summed in float32
_TIMES = 3  # what the ridge holds back of the best dictionary is less each time, by the ridge over an eigenvalue


class MOD(OrthogonalCodes, Alternating):
    """Sparse codes by orthogonal matching pursuit, and the dictionary that is best for them, all atoms at once."""

    title: ClassVar[str] = "Method of optimal directions"
    published_start: ClassVar[str] = "data"

    kind: Literal["mod"] = "mod"
    memory: Annotated[float, Field(ge=0, le=1)] = 0.0

    def fit(self, state: State) -> None:
        """The best dictionary, then unit atoms, in place."""
        products, sums, best = (state[name].double() for name in ("products", "sums", "atoms"))
        size = products.diagonal(dim1=1, dim2=2).sqrt()
        per_size = (1 / size).where(size > 0, 0.0).unsqueeze(-1)
        among = per_size * products * per_size.mT
        among.diagonal(dim1=1, dim2=2).add_((size == 0) + _RIDGE)
        root = torch.linalg.cholesky_ex(among).L
        for _ in range(_TIMES):
            best = best + per_size * torch.cholesky_solve(per_size * (sums - products @ best), root)
        length = best.norm(dim=-1, keepdim=True)
        length = length.where(length > 0, 1.0)
        state["atoms"].copy_(best / length)
        state["products"].copy_(length * products * length.mT)
        state["sums"].mul_(length)
