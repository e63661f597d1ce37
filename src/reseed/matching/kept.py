"""A matching that was found before and written down, made whole without being searched for again."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.products import row_products
from reseed.matching.matching import Matching
from reseed.matching.similarity import Sign, check_dictionaries, unit_rows, zero_atoms

__all__ = ["KeptMatching"]

_AT_A_TIME = 2**24  # cosines in memory, in four bytes each


@dataclass(frozen=True)
class KeptMatching:
    """What files keep of a matching."""

    rows: Int[Tensor, " pairs"]
    """Matched atoms of the first dictionary, ascending."""
    cols: Int[Tensor, " pairs"]
    """Their partners in the second."""
    cosines: Float64[Tensor, " pairs"]
    """Of each pair."""
    gap: float
    """How far the agreement can be below the best possible one."""

    __repr__ = brief_repr

    def of(self, a: Float[Tensor, "a_atoms d_model"], b: Float[Tensor, "b_atoms d_model"], *, sign: Sign) -> Matching:
        """The matching of these two dictionaries, whole; it costs one product of the two, and no search.

        Raises:
            ValueError: they do not fit each other.
        """
        check_dictionaries(a, b)
        first, second = unit_rows(a).cpu(), unit_rows(b).cpu()
        return Matching(
            rows=self.rows,
            cols=self.cols,
            cosines=self.cosines,
            n_rows=len(a),
            n_cols=len(b),
            zero_rows=int(zero_atoms(a).sum()),
            zero_cols=int(zero_atoms(b).sum()),
            best_rows=_best(first, second, sign),
            best_cols=_best(second, first, sign),
            sign=sign,
            gap=self.gap,
        )


def _best(
    of: Float64[Tensor, "atoms d_model"], among: Float64[Tensor, "others d_model"], sign: Sign
) -> Float64[Tensor, " atoms"]:
    """The best cosine of each atom, found in float32."""
    found: list[Tensor] = []
    others = among.float()
    for block in of.split(max(1, _AT_A_TIME // max(1, len(among)))):
        cosines = row_products(block.float(), others)
        best = (cosines.abs() if sign == "abs" else cosines).argmax(dim=1)
        found.append((block * among[best]).sum(dim=1))
    cosines = torch.cat(found)
    return cosines.abs() if sign == "abs" else cosines
