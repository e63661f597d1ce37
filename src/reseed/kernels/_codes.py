"""Sparse codes: what a top-k encoder says about a batch."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Codes"]


class Codes(NamedTuple):
    """At most k active atoms for each token, the strongest first; a value of 0 means that the place is empty."""

    values: Float[Tensor, "runs batch k"]
    indices: Int[Tensor, "runs batch k"]
