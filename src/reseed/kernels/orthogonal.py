"""Orthogonal matching pursuit: a token takes one atom after another, and after each the codes of all it has fit best.

    r = u - z D;  i = argmax_j |r . d_j|;  S <- S with i;  z_S = argmin ||u - z_S D_S||   (docs/mathematics.md, eq. 151)

Source: @pati1993orthogonal, by the Gram matrix and a Cholesky factor that grows by a row for each atom, as in
@rubinstein2008efficient. With z >= 0 the atom with the largest product is taken, and while a best code is not above 0
the codes move towards the best only until a first one is 0, whose atom is left: the algorithm of @lawson1995solving for
non-negative least squares, which ends after k atoms. With k = n_atoms it is non-negative least squares.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed._support.products import row_products
from reseed.kernels import _orthogonal_loops as loops

__all__ = ["orthogonal_pursuit"]

_TOKENS = 256  # that are encoded at a time
_NOTHING = 32  # roundings of a token's largest product: what fits no better does not count
_SINGULAR = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Share of an atom's squared length that others leave of it, at which it is a combination of them, up to rounding."""


def orthogonal_pursuit(
    u: Float[Tensor, "runs batch d_model"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    positive: bool = False,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes of the k atoms that each token takes at most, dense; of atoms that fit alike the lowest index is taken.

    A token stops before k where no atom fits any more, up to rounding, and where the best one is a combination of those
    that it has. Atoms are meant to have length 1: shorter ones are taken less.
    """
    nothing, singular = _NOTHING * torch.finfo(u.dtype).eps, _SINGULAR[u.dtype]
    if u.dtype != torch.float32 or u.device.type != "cpu":
        return _rounds(u, dictionary, k, nothing, singular, positive=positive)
    codes = u.new_empty(*u.shape[:2], dictionary.shape[1])
    for some, atoms, into in zip(u.contiguous(), dictionary.contiguous(), codes, strict=True):
        gram = row_products(atoms, atoms).numpy()
        for tokens, part in zip(some.split(_TOKENS), into.split(_TOKENS), strict=True):
            products = row_products(tokens, atoms).numpy()
            loops.take(products, gram, part.numpy(), k, positive, nothing, singular)
    return codes


def _rounds(
    u: Tensor, dictionary: Tensor, k: int, nothing: float, singular: float, *, positive: bool
) -> Float[Tensor, "runs batch atoms"]:
    """In operations that torch has everywhere; a token has k places, each of which may be empty."""
    products, gram = u @ dictionary.mT, dictionary @ dictionary.mT
    limit = nothing * products.abs().amax(-1, keepdim=True)
    numbers, places = torch.arange(products.shape[2], device=u.device), torch.arange(k, device=u.device)
    taken = torch.zeros(*u.shape[:2], k, dtype=torch.int64, device=u.device)
    held, values = torch.zeros_like(taken, dtype=torch.bool), u.new_zeros(taken.shape)
    going = torch.ones_like(limit, dtype=torch.bool)
    codes = torch.zeros_like(products)
    for _ in range(3 * k):
        left = products - codes @ gram
        fit = left if positive else left.abs()
        top = fit.amax(-1, keepdim=True)
        best = torch.where(fit == top, numbers, len(numbers) - 1).amin(-1, keepdim=True)
        going = going & ~(top <= limit) & ~held.all(-1, keepdim=True) & (_beyond(gram, taken, held, best) > singular)
        if not going.any():
            break
        place = torch.where(held, k - 1, places).amin(-1, keepdim=True)  # the first that is empty
        taken = taken.scatter(-1, place, best.where(going, taken.gather(-1, place)))
        held = held.scatter(-1, place, going | held.gather(-1, place))
        fitted = _fitted(products, gram, taken, held)
        values, held = (
            _not_negative(products, gram, taken, held, old=values, new=fitted) if positive else (fitted, held)
        )
        going = going & held.gather(-1, place)  # else rounding has chosen it
        codes = torch.zeros_like(products).scatter_add_(-1, taken, values)
    return codes


def _among(gram: Tensor, taken: Tensor, held: Tensor) -> Tensor:
    """Of each token the products of its atoms with each other; an empty place is an atom of its own."""
    run = torch.arange(len(gram), device=gram.device).view(-1, 1, 1, 1)
    both = held.unsqueeze(-1) & held.unsqueeze(-2)
    return (gram[run, taken.unsqueeze(-1), taken.unsqueeze(-2)] * both).add(torch.diag_embed((~held).to(gram.dtype)))


def _fitted(products: Tensor, gram: Tensor, taken: Tensor, held: Tensor) -> Tensor:
    """The codes that fit best; 0 in an empty place."""
    right = (products.gather(-1, taken) * held).unsqueeze(-1)
    root = torch.linalg.cholesky_ex(_among(gram, taken, held)).L
    return torch.cholesky_solve(right, root).squeeze(-1)


def _beyond(gram: Tensor, taken: Tensor, held: Tensor, atom: Int[Tensor, "runs batch 1"]) -> Tensor:
    """The share of an atom's squared length that the atoms of its token leave of it."""
    run = torch.arange(len(gram), device=gram.device).view(-1, 1, 1)
    with_held = (gram[run, atom, taken] * held).unsqueeze(-1)
    root = torch.linalg.cholesky_ex(_among(gram, taken, held)).L
    explained = torch.linalg.solve_triangular(root, with_held, upper=False).square().sum(-2)
    square = gram[run, atom, atom]
    return 1 - explained / square


def _not_negative(
    products: Tensor, gram: Tensor, taken: Tensor, held: Tensor, *, old: Tensor, new: Tensor
) -> tuple[Float[Tensor, "runs batch k"], Bool[Tensor, "runs batch k"]]:
    """Leave atoms until all codes that fit best are above 0; these codes, and which places are still held."""
    while (below := held & (new <= 0)).any():
        to_zero = torch.where(below & (old > 0), old / (old - new), torch.where(below, 0.0, 1.0))
        share = to_zero.amin(-1, keepdim=True)
        held = held & ~(below & (to_zero <= share))
        old = (old + share * (new - old)) * held
        new = _fitted(products, gram, taken, held)
    return new, held
