"""How much of a dictionary is still its start, and the agreement that explains (docs/mathematics.md, eq. 32-34)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed.matching import Matching, Sign, row_cosines

__all__ = ["explained_by_retention", "persistence", "retention"]


def retention(
    atoms: Float[Tensor, "atoms d_model"], atoms_first: Float[Tensor, "atoms d_model"], *, sign: Sign = "signed"
) -> Float64[Tensor, " atoms"]:
    """cos(d_i(t), d_i(0)) of every atom with itself at step 0, by index; its mean is the init retention R(t)."""
    return row_cosines(atoms, atoms_first, sign=sign)


def explained_by_retention(
    born: Matching, retention_a: Float[Tensor, " a_atoms"], retention_b: Float[Tensor, " b_atoms"]
) -> float:
    """The agreement that two runs would keep if each atom only moved off its start, in a direction of its own.

    Mean over the pairs matched at step 0 of r_i r_j cos(d_i(0), d_j(0)), `born` being that matching. For runs born
    identical the last factor is 1. What the runs agree beyond this is convergence.
    """
    if (len(retention_a), len(retention_b)) != (born.n_rows, born.n_cols):
        raise ValueError(
            f"the matching at step 0 is of {born.n_rows} with {born.n_cols} atoms, "
            f"but retentions of {len(retention_a)} and {len(retention_b)} were given"
        )
    kept = retention_a.cpu()[born.rows] * retention_b.cpu()[born.cols]
    return float((kept * born.cosines).mean())


def persistence(earlier: Matching, later: Matching) -> float:
    """The fraction of an earlier snapshot's matched pairs that are still matched later: in [0, 1]; churn is the rest.

    Raises ValueError if the two matchings are of dictionaries of different sizes.
    """
    if (earlier.n_rows, earlier.n_cols) != (later.n_rows, later.n_cols):
        raise ValueError(
            f"one matching is of {earlier.n_rows} with {earlier.n_cols} atoms, "
            f"the other of {later.n_rows} with {later.n_cols}"
        )
    partner = torch.full((later.n_rows,), -1)
    partner[later.rows] = later.cols
    return float((partner[earlier.rows] == earlier.cols).to(torch.float64).mean())
