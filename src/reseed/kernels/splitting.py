"""Non-negative least squares of many tokens at once, by the alternating direction method of multipliers.

    z = argmin 1/2 ||u - z D||^2,  z >= 0;  c = u D',  G = D D',  rho = 2 |G| / n
    x <- (c + rho (z - y)) (G + rho I)^-1;  x' = 1.6 x - .6 z;  z <- max(0, x' + y);  y <- x' + y - z

(docs/mathematics.md, eq. 169; @boyd2011distributed.) One inverse serves all tokens, so that a round is one matrix
product. Where hundreds of atoms are active that costs a thirtieth of coordinate descent, which has to solve a system of
equations for each token. A token's codes depend neither on the order of the atoms nor on the other tokens.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.products import row_products

__all__ = ["nonnegative_codes"]

_BEYOND = 1.6  # how far each step goes for 1: between 1.5 and 1.8 as a rule
_TOKENS = 1024  # at a time: few enough for the cache


def nonnegative_codes(
    products: Float[Tensor, "runs batch atoms"], gram: Float[Tensor, "runs atoms atoms"], *, rounds: int = 50
) -> Float[Tensor, "runs batch atoms"]:
    """Codes z >= 0 that make ||u - z D||^2 small, from u D' and D D': smallest, after enough rounds.

    On a language model's activations and 512 atoms 50 rounds leave a thousandth of ||u||^2, or less, above the least.
    """
    codes = torch.zeros_like(products, memory_format=torch.contiguous_format)
    for some, products_of, among in zip(codes, products, gram, strict=True):
        rho = 2 * torch.linalg.matrix_norm(among.double(), ord=2) / len(among)
        eye = torch.eye(len(among), dtype=torch.float64, device=among.device)
        rho = rho.where(rho > 0, 1.0)
        inverse = torch.linalg.inv(among.double() + rho * eye)
        step, inverse = (rho * inverse).to(among.dtype), inverse.to(among.dtype)
        for z, c in zip(some.split(_TOKENS), products_of.split(_TOKENS), strict=True):
            _rounds(z, row_products(c, inverse), step, rounds)
    return codes


def _rounds(z: Tensor, first: Tensor, step: Tensor, rounds: int) -> None:
    """Change the codes in place, from 0; matrices are symmetric."""
    y = torch.zeros_like(z)
    for _ in range(rounds):
        x = row_products(z - y, step).add_(first)
        y.add_(x, alpha=_BEYOND).add_(z, alpha=1 - _BEYOND)
        torch.clamp(y, min=0.0, out=z)
        y.sub_(z)
