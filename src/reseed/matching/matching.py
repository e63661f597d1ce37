"""The best one-to-one matching of two dictionaries (science §3)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from reseed.matching.similarity import Sign, cosines, zero_atoms

__all__ = ["Matching", "match"]


@dataclass(frozen=True)
class Matching:
    """Which atom goes with which, one to one, so that the sum of their cosines is as large as it can be.

    The larger of two dictionaries of unequal size keeps unmatched atoms: see the coverages.
    """

    rows: Int[Tensor, " pairs"]
    """Matched atoms of the first dictionary, ascending."""
    cols: Int[Tensor, " pairs"]
    """Their partners in the second dictionary."""
    cosines: Float64[Tensor, " pairs"]
    """The cosine of each pair under `sign`; exactly 0 where one of the two is a zero atom."""
    n_rows: int
    n_cols: int
    zero_rows: int
    """Zero atoms of the first dictionary. They are matched like the others, with cosine 0."""
    zero_cols: int
    sign: Sign = "signed"
    gap: float = 0.0
    """How far `agreement` can be below the best possible one; 0 means proven best."""

    @property
    def agreement(self) -> float:
        """A(a, b) = mean cosine of the matched pairs, over min(n): in [-1, 1]; nan if a dictionary has no atoms."""
        return float(self.cosines.mean())

    @property
    def distance(self) -> float:
        """1 - A: 0 for the same atoms in any order."""
        return 1.0 - self.agreement

    @property
    def row_coverage(self) -> float:
        """The fraction of the first dictionary's atoms that have a partner: in [0, 1]."""
        return len(self.rows) / self.n_rows if self.n_rows else float("nan")

    @property
    def col_coverage(self) -> float:
        """The fraction of the second dictionary's atoms that have a partner: in [0, 1]."""
        return len(self.cols) / self.n_cols if self.n_cols else float("nan")


def match(
    a: Float[Tensor, "a_atoms d_model"], b: Float[Tensor, "b_atoms d_model"], *, sign: Sign = "signed"
) -> Matching:
    """Match the atoms of two dictionaries one to one, exactly: max over pi of (1/n) sum_i cos(a_i, b_pi(i)).

    `sign="signed"` takes the cosine as it is (codes are non-negative); `"abs"` takes its absolute value, for methods
    that leave the sign of an atom open (PCA, ICA). The result lies on the CPU. Needs the whole matrix of cosines in
    float64: 2 GB for 16,384 atoms each.

    Raises ValueError for shapes that do not fit and for NaN or inf.
    """
    similarity = cosines(a, b, sign=sign).cpu()
    rows, cols = (torch.from_numpy(index) for index in linear_sum_assignment(similarity.numpy(), maximize=True))
    return Matching(
        rows=rows,
        cols=cols,
        cosines=similarity[rows, cols],
        n_rows=len(a),
        n_cols=len(b),
        zero_rows=int(zero_atoms(a).sum()),
        zero_cols=int(zero_atoms(b).sum()),
        sign=sign,
    )
