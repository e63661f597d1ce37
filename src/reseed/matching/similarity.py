"""Cosines between atoms, in float64, one rule for zero atoms and one for signs (docs/mathematics.md, eq. 10)."""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from reseed._support.guard import all_finite, guarded, is_plain_matrix
from reseed._support.mistakes import shown

__all__ = ["Sign", "check_dictionaries", "check_sign", "cosines", "is_zero", "row_cosines", "unit_rows", "zero_atoms"]

Sign = Literal["signed", "abs"]

_EQUAL = 1e-12  # cosines this close to 1 differ by rounding only
_ZERO = 1e-6  # an atom this much shorter than the median atom has no direction worth comparing


@guarded()
def zero_atoms(atoms: Float[Tensor, "atoms d_model"]) -> Bool[Tensor, " atoms"]:
    """Which atoms are zero or as good as zero: shorter than 1e-6 times the median norm of those not exactly zero."""
    return is_zero(norms_of(atoms))


def norms_of(atoms: Float[Tensor, "atoms d_model"]) -> Float64[Tensor, " atoms"]:
    """The norm of each atom; the square of a very long or short one may leave the range of float64."""
    if atoms.dtype != torch.float64 or not atoms.numel():
        return torch.linalg.vector_norm(atoms, dim=1, dtype=torch.float64)
    _, exponent = atoms.abs().amax(dim=1).frexp()
    size = exponent.double().exp2()  # a power of two: dividing by it rounds nothing
    return torch.linalg.vector_norm(atoms / size[:, None], dim=1) * size


def is_zero(norms: Float64[Tensor, " atoms"]) -> Bool[Tensor, " atoms"]:
    """The same, of atoms with these norms."""
    if len(norms) and norms.amin() > _ZERO * norms.amax():  # the median is no longer than the longest
        return torch.zeros_like(norms, dtype=torch.bool)
    median = norms[norms > 0].quantile(0.5) if norms.any() else 0.0  # a dictionary may be dead for the most part
    return (norms == 0) | (norms < _ZERO * median)


@guarded()
def unit_rows(atoms: Float[Tensor, "atoms d_model"]) -> Float64[Tensor, "atoms d_model"]:
    """The atoms at length 1 in float64; zero atoms as zeros, so that every cosine with them is 0."""
    norms = norms_of(atoms)
    zero = is_zero(norms)
    return (atoms.to(torch.float64) / norms.masked_fill(zero, 1.0)[:, None]).masked_fill(zero[:, None], 0.0)


def cosines(
    a: Float[Tensor, "a_atoms d_model"], b: Float[Tensor, "b_atoms d_model"], *, sign: Sign = "signed"
) -> Float64[Tensor, "a_atoms b_atoms"]:
    """The cosine of every atom of `a` with every atom of `b`: in [-1, 1], or its absolute value for sign "abs".

    Zero atoms have cosine 0 with everything. Raises ValueError for shapes that do not fit and for values that are
    not finite.
    """
    check_dictionaries(a, b)
    check_sign(sign)
    return _signed(unit_rows(a) @ unit_rows(b).T, sign)


def row_cosines(
    a: Float[Tensor, "atoms d_model"], b: Float[Tensor, "atoms d_model"], *, sign: Sign = "signed"
) -> Float64[Tensor, " atoms"]:
    """The cosine of each atom of `a` with the atom of the same index in `b`; otherwise as `cosines`."""
    check_dictionaries(a, b)
    check_sign(sign)
    if len(a) != len(b):
        raise ValueError(f"atoms are compared by index, but one dictionary has {len(a)} atoms and the other {len(b)}")
    return _signed(_row_products(a, b), sign)


def _row_products(a: Float[Tensor, "atoms d_model"], b: Float[Tensor, "atoms d_model"]) -> Float64[Tensor, " atoms"]:
    if a.is_cuda or b.is_cuda:
        return (unit_rows(a) * unit_rows(b)).sum(dim=1)
    from reseed.matching._loops import paired_products  # noqa: PLC0415 (judging, which matches nothing, starts sooner)

    each = np.arange(len(a))
    sides = [side.detach().to(side.dtype if side.dtype == torch.float64 else torch.float32) for side in (a, b)]
    scales = [_scales(norms_of(side)).numpy() for side in sides]
    rows, others = (np.ascontiguousarray(side.numpy()) for side in sides)
    return torch.from_numpy(paired_products(rows, others, scales[0], scales[1], (each, each)))


def _scales(norms: Float64[Tensor, " atoms"]) -> Float64[Tensor, " atoms"]:
    """What makes length 1 of atoms with these norms, and 0 of zero atoms."""
    return norms.reciprocal().masked_fill(is_zero(norms), 0.0)


def check_sign(sign: str) -> None:
    """Raise ValueError unless `sign` is one of the two sign policies."""
    if sign not in get_args(Sign):
        raise ValueError(f"sign is {shown(sign)}; use 'signed' (codes are non-negative) or 'abs' (PCA, ICA)")


def check_dictionaries(a: Tensor, b: Tensor) -> None:
    """Raise TypeError or ValueError unless both are finite matrices of atoms with as many dimensions each."""
    for name, atoms in (("first", a), ("second", b)):
        _check_dictionary(name, atoms)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"atoms have {a.shape[1]} dimensions in the first dictionary and {b.shape[1]} in the second")


def _check_dictionary(name: str, atoms: Tensor) -> None:
    if not isinstance(atoms, Tensor):
        raise TypeError(f"the {name} dictionary is a {type(atoms).__name__}; pass a torch.Tensor (torch.as_tensor)")
    if not is_plain_matrix(atoms):
        kind = "" if atoms.layout == torch.strided else f", {str(atoms.layout).removeprefix('torch.')}"
        given = f"{atoms.dtype}{kind}{', without data' if atoms.is_meta else ''} of shape {tuple(atoms.shape)}"
        raise ValueError(
            f"the {name} dictionary is {given}; a dictionary is a matrix of floats (n_atoms, d_model), dense and of "
            "16, 32 or 64 bits"
        )
    if not all_finite(atoms):
        broken = (~atoms.isfinite()).any(dim=1).nonzero()
        raise ValueError(f"the {name} dictionary has NaN or inf in {len(broken)} atoms, first in atom {int(broken[0])}")


def _signed(cosine: Tensor, sign: Sign) -> Tensor:
    # equal directions have cosine 1, and not what rounding leaves of it: a run born identical must read exactly 1
    cosine = cosine.where(cosine.abs() < 1.0 - _EQUAL, cosine.sign())
    return cosine.abs() if sign == "abs" else cosine
