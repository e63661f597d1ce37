"""What activations look like from the origin: the cosine of two tokens, and the dimensions that make it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Bool, Float, Float64
from torch import Tensor

from reseed.geometry.document import Dimension
from reseed.matching import unit_rows

if TYPE_CHECKING:
    from reseed.activations import Moments

__all__ = ["cosine_parts", "dimensions", "energy_shares", "mean_cosine", "rogue"]

LISTED = 5  # dimensions that are named in any case
ROGUE = 10.0  # times the even share 1 / d_model
_ANY_COSINE = 0.05  # mean cosines below this have no parts worth naming


def cosine_parts(rows: Float[Tensor, "tokens d_model"]) -> Float64[Tensor, " d_model"]:
    """What each dimension adds to the mean cosine of two different rows, over all pairs (@timkey2021all, eq. 3 and 4).

    A zero row has cosine 0 with every other. nan for fewer than two rows.
    """
    unit = unit_rows(rows)
    pairs = len(rows) * (len(rows) - 1)
    return (unit.sum(dim=0).square() - unit.square().sum(dim=0)) / (pairs or math.nan)


def mean_cosine(rows: Float[Tensor, "tokens d_model"]) -> float:
    """The mean cosine of two different rows, over all pairs: in [-1, 1]."""
    return cosine_parts(rows).sum().item()


def energy_shares(moments: Moments) -> Float64[Tensor, " d_model"]:
    """Each dimension's share of E||x||^2, the mean included: they sum to 1; nan where all activations are zero."""
    energy = moments.covariance.diagonal() + moments.mean.square()
    return energy / energy.sum()


def rogue(shares: Float64[Tensor, " d_model"]) -> Bool[Tensor, " d_model"]:
    """Which dimensions hold more than ten times their even share; there can be none among ten or fewer."""
    return shares > ROGUE / len(shares)


def dimensions(shares: Float64[Tensor, " d_model"], parts: Float64[Tensor, " d_model"]) -> tuple[Dimension, ...]:
    """The dimensions with the largest shares of the energy, descending: five of them, and all that are rogue."""
    strange, cosine = rogue(shares), parts.sum().item()
    order = shares.argsort(descending=True, stable=True)[: max(LISTED, int(strange.sum()))]
    return tuple(
        Dimension(
            index=i,
            energy=shares[i].item(),
            cosine=parts[i].item() / cosine if cosine >= _ANY_COSINE else math.nan,
            rogue=bool(strange[i]),
        )
        for i in order.tolist()
    )
