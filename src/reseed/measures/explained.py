"""How much agreement is explained by retention, what the atoms keep of step 0 (docs/mathematics.md, eq. 32 and 33)."""

from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching, Sign, row_cosines
from reseed.measures._base import Dictionary, Matchings, Measure

__all__ = ["EXPLAINED", "explained_by_retention", "prepared_retention", "retention"]


@guarded()
def retention(
    atoms: Float[Tensor, "atoms d_model"], atoms_first: Float[Tensor, "atoms d_model"], *, sign: Sign = "signed"
) -> Float64[Tensor, " atoms"]:
    """cos(d_i(t), d_i(0)) of every atom with itself at step 0, by index; its mean is the init retention R(t)."""
    return row_cosines(atoms, atoms_first, sign=sign)


@guarded()
def explained_by_retention(
    born: Matching, retention_a: Float[Tensor, " a_atoms"], retention_b: Float[Tensor, " b_atoms"]
) -> float:
    """The agreement that two runs would keep if each atom only moved off its start, in a direction of its own.

    Mean over the pairs matched at step 0 of r_i r_j cos(d_i(0), d_j(0)), `born` being that matching; of its absolute
    value for sign "abs". For runs born identical the last factor is 1. What the runs agree beyond this is convergence.
    """
    if (len(retention_a), len(retention_b)) != (born.n_rows, born.n_cols):
        raise ValueError(
            f"the matching at step 0 is of {born.n_rows} with {born.n_cols} atoms, "
            f"but retentions of {len(retention_a)} and {len(retention_b)} were given"
        )
    kept = retention_a.cpu()[born.rows] * retention_b.cpu()[born.cols]
    return float(((kept.abs() if born.sign == "abs" else kept) * born.cosines).mean())


def prepared_retention(of: Dictionary) -> Float64[Tensor, " atoms"] | None:
    """Each atom's cosine with itself at step 0; None where nobody knows where the dictionary was born."""
    return None if of.born is None else retention(of.atoms, of.born)


def _explained(
    matchings: Matchings, a: Float64[Tensor, " a_atoms"] | None, b: Float64[Tensor, " b_atoms"] | None
) -> float:
    if matchings.born is None or a is None or b is None:
        return float("nan")
    return explained_by_retention(matchings.born, a, b)


EXPLAINED = Measure(
    name="explained",
    title="agreement explained by retention",
    meaning="agreement that two runs would keep if each atom only moved off its start, in a direction of its own",
    low=-1.0,
    high=1.0,
    prepare=prepared_retention,
    compare=_explained,
    needs=("step 0",),
    role="mechanism",
    short="explained by it",
)
