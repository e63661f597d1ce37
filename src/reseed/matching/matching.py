"""The best one-to-one matching of two dictionaries (docs/mathematics.md, eq. 11)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed._support.brief import MOST_ROWS, BriefTable, brief_repr
from reseed._support.numbers import rounded
from reseed.matching.products import directions, parallel_map
from reseed.matching.similarity import Sign, check_dictionaries, check_sign

if TYPE_CHECKING:
    import polars as pl

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
    best_rows: Float64[Tensor, " a_atoms"]
    """The best cosine of each atom of the first dictionary with any atom of the second; what MMCS is the mean of.

    The best is found in float32: where several are equal to that precision, this is the cosine of one of them.
    """
    best_cols: Float64[Tensor, " b_atoms"]
    """The same for the second dictionary."""
    sign: Sign = "signed"
    gap: float = 0.0
    """How far `agreement` can be below the best possible one, rounding included: proven.

    The search goes on until this is at most 1e-6, or until twenty more rounds have not closed it.
    """

    __repr__ = brief_repr

    def to_frame(self) -> pl.DataFrame:
        """One row for every pair: `row`, `col` and `cosine`."""
        import polars as pl  # noqa: PLC0415 (matching needs none)

        return pl.DataFrame({"row": self.rows.numpy(), "col": self.cols.numpy(), "cosine": self.cosines.numpy()})

    def brief_table(self) -> BriefTable:
        """How far the two agree, and the pairs that are most alike."""
        order = self.cosines.argsort(descending=True, stable=True)[:MOST_ROWS]
        pairs = zip(*(each[order].tolist() for each in (self.rows, self.cols, self.cosines)), strict=True)
        told = f"Matched agreement {rounded(self.agreement, 3)} over {len(self.rows):,} pairs, at most {self.gap:.1g}"
        return BriefTable(
            title=f"Matching of {self.n_rows:,} with {self.n_cols:,} atoms",
            lines=(f"{told} below the best possible one.", f"The {len(order):,} pairs that are most alike:"),
            columns=("first", "second", "cosine"),
            rows=tuple((f"{row:,}", f"{col:,}", rounded(cosine, 3)) for row, col, cosine in pairs),
            n_words=0,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.brief_table().html

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
    a: Float[Tensor, "a_atoms d_model"],
    b: Float[Tensor, "b_atoms d_model"],
    *,
    sign: Sign = "signed",
    resume: str | Path | None = None,
) -> Matching:
    """Match the atoms of two dictionaries one to one: max over pi of (1/n) sum_i cos(a_i, b_pi(i)).

    `sign="signed"` takes the cosine as it is (codes are non-negative); `"abs"` takes its absolute value, for methods
    that leave the sign of an atom open (PCA, ICA). The products are made where the dictionaries lie; of more than 2**24
    pairs of atoms block by block, so that from there on memory grows with the number of atoms and not with its square.
    The result lies on the CPU.

    Of 8,192 distinct atoms or more on the CPU most of the time goes into a survey of all cosines. In the folder
    `resume` it is kept block by block, about 5 KB an atom, with a log of how far it is: where the process is killed,
    the same call goes on from there. Many pairs may share a folder, and nothing of it is needed once they are matched.

    Raises ValueError for shapes that do not fit, for NaN or inf, and for a folder with damaged blocks.
    """
    from reseed.matching.assignment import assign  # noqa: PLC0415 (judging, which matches nothing, starts sooner)

    with parallel_map() as parallel:
        check_dictionaries(a, b)
        check_sign(sign)
        first, second = parallel(directions, (a, b))
        swapped = len(a) > len(b)
        fewer, more = (second, first) if swapped else (first, second)
        folder = None if resume is None else Path(resume)
        found = assign(fewer, more, absolute=sign == "abs", parallel=parallel, resume=folder)
    own, partners = torch.arange(len(found.partners)), torch.from_numpy(found.partners)
    order = partners.argsort() if swapped else own
    best = torch.from_numpy(found.best), torch.from_numpy(found.partner_best)
    return Matching(
        rows=(partners if swapped else own)[order],
        cols=(own if swapped else partners)[order],
        cosines=torch.from_numpy(found.cosines)[order],
        n_rows=len(a),
        n_cols=len(b),
        zero_rows=int((first.scale == 0).sum()),
        zero_cols=int((second.scale == 0).sum()),
        best_rows=best[swapped],
        best_cols=best[not swapped],
        sign=sign,
        gap=found.gap,
    )
