"""Matching pursuit: a token takes one atom after another, each the one that fits best what the others have left.

    r_0 = u;  i_t = argmax_i r_(t-1) . d_i, if that is above 0;  v_t = r_(t-1) . d_(i_t);  r_t = r_(t-1) - v_t d_(i_t)

(docs/mathematics.md, eq. 120 and 121.) On a CPU in float32 the products of a residual with all atoms are not computed
anew in each round: an atom that is taken changes them by its own products with all atoms, which are one row of the
dictionary's Gram matrix. The amounts v are products with the residual itself, so that nothing adds up but which of two
atoms that fit equally well to the last digits is taken.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.products import row_products
from reseed.kernels import _pursuit_loops as loops
from reseed.kernels import sparse
from reseed.kernels._codes import Codes, Pursuit

__all__ = ["pursue", "pursuit_pass"]

_TOKENS = 256  # that are encoded at a time
_MOST = 2**26  # numbers of a Gram matrix, 256 MiB: with more of them, products are computed anew in every round


def pursue(
    u: Float[Tensor, "runs batch d_model"], dictionary: Float[Tensor, "runs atoms d_model"], *, k: int
) -> tuple[Codes, Float[Tensor, "runs batch d_model"]]:
    """The atoms that k rounds take from each token, in this order, and what is left; of equals the lowest index wins.

    Atoms have length 1. A token that no atom fits any more takes none: its other places are empty.
    """
    if u.dtype != torch.float32 or u.device.type != "cpu":
        return _rounds(u, dictionary, k)
    runs, batch, _ = u.shape
    codes = Codes(u.new_empty(runs, batch, k), torch.empty(runs, batch, k, dtype=torch.int64))
    left = u.clone(memory_format=torch.contiguous_format)
    for atoms, *parts in zip(dictionary.contiguous(), left, *codes, strict=True):
        takes = _take_by_gram if len(atoms) ** 2 <= _MOST else _take_by_products
        takes(atoms, *parts)
    return codes, left


def pursuit_pass(
    u: Float[Tensor, "runs batch d_model"], dictionary: Float[Tensor, "runs atoms d_model"], *, k: int
) -> Pursuit:
    """What k rounds leave of u, and the exact gradients of mean(left^2), the choice of atoms being as it is."""
    codes, left = pursue(u, dictionary, k=k)
    factor = 2 / u[0].numel()
    if u.dtype != torch.float32 or u.device.type != "cpu":
        return Pursuit(left, codes, *_back(codes, left, dictionary, factor))
    for_dictionary, for_input = torch.zeros_like(dictionary), torch.empty(len(u), u.shape[2])
    for atoms, values, indices, rest, into, sums in zip(
        dictionary.contiguous(), *codes, left, for_dictionary, for_input, strict=True
    ):
        gradient = rest * factor
        loops.back(atoms.numpy(), values.numpy(), indices.numpy(), rest.clone().numpy(), gradient.numpy(), into.numpy())
        sums.copy_(gradient.sum(0))
    return Pursuit(left, codes, for_dictionary, for_input)


def _take_by_gram(atoms: Tensor, left: Tensor, values: Tensor, indices: Tensor) -> None:
    gram = row_products(atoms, atoms).numpy()
    for some, value, index in zip(left.split(_TOKENS), values.split(_TOKENS), indices.split(_TOKENS), strict=True):
        products = row_products(some, atoms)
        loops.take(products.numpy(), gram, atoms.numpy(), some.numpy(), value.numpy(), index.numpy())


def _take_by_products(atoms: Tensor, left: Tensor, values: Tensor, indices: Tensor) -> None:
    for some, value, index in zip(left.split(_TOKENS), values.split(_TOKENS), indices.split(_TOKENS), strict=True):
        for place in range(value.shape[1]):
            best = row_products(some, atoms).max(1).indices  # on a CPU the first of several
            index[:, place] = best
            loops.take_one(atoms.numpy(), best.numpy(), some.numpy(), value.numpy(), index.numpy(), place)


def _rounds(u: Tensor, dictionary: Tensor, k: int) -> tuple[Codes, Tensor]:
    """In operations that torch has everywhere."""
    left, places = u.clone(), torch.arange(dictionary.shape[1], device=u.device)
    shape = *u.shape[:2], k
    codes = Codes(u.new_empty(shape), torch.empty(shape, dtype=torch.int64, device=u.device))
    for place in range(k):
        products = left @ dictionary.mT
        best = torch.where(products == products.amax(-1, keepdim=True), places, len(places) - 1).amin(-1, keepdim=True)
        atoms = dictionary.gather(1, best.expand(*best.shape[:2], u.shape[2]))
        value = (left * atoms).sum(-1, keepdim=True).clamp(min=0.0)
        left -= value * atoms
        codes.values[..., place : place + 1] = value
        codes.indices[..., place : place + 1] = best.where(value > 0, 0)
    return codes, left


def _back(codes: Codes, left: Tensor, dictionary: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """The rounds in reverse, in operations that torch has everywhere."""
    n_atoms = dictionary.shape[1]
    gradient, residual = left * factor, left.clone()
    for_dictionary = torch.zeros_like(dictionary)
    for value, index in zip(reversed(codes.values.split(1, -1)), reversed(codes.indices.split(1, -1)), strict=True):
        atoms = dictionary.gather(1, index.expand(*index.shape[:2], dictionary.shape[2]))
        residual += value * atoms
        along = (gradient * atoms).sum(-1, keepdim=True) * (value > 0)
        one = Codes(value, index)
        for_dictionary -= sparse.row_gradients(one, value, gradient, n_atoms=n_atoms)
        for_dictionary -= sparse.row_gradients(one, along, residual, n_atoms=n_atoms)
        gradient -= along * atoms
    return for_dictionary, gradient.sum(1)
