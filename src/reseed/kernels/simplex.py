"""Least squares on the simplex: codes that are not negative and sum to 1, so that a token is a mixture of atoms.

    z = argmin 1/2 ||u - z D||^2,  z >= 0, sum z = 1;  c = u D',  G = D D',  s = z G - c
    gap = z . s - min_i s_i >= 1/2 ||u - z D||^2 - its least value                       (docs/mathematics.md, eq. 165)
    a step moves weight from an atom to the one with the lowest s, as much as lowers the error most      (eq. 166)

The atom that gives is the one from which that gains most, as in the decomposition methods for support vector machines
(@fan2005working). Codes are exactly 0 for most atoms. A step costs two rows of G, and a token needs about a hundred.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.kernels import _simplex_loops as loops

__all__ = ["simplex_codes"]

_BETWEEN = 32  # steps between two looks at which tokens have settled


def simplex_codes(
    products: Float[Tensor, "runs batch atoms"],
    gram: Float[Tensor, "runs atoms atoms"],
    *,
    start: Float[Tensor, "runs batch atoms"] | None = None,
    tolerance: float = 1e-7,
    steps: int = 10_000,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes z >= 0, sum z = 1, with the least ||u - z D||^2, from u D' and D D'.

    A token's gap is at most tolerance (max_i |c_i| + mean_i G_ii); after so many steps it keeps what it has. Atoms and
    tokens may be moved by one vector together, which leaves codes as they are: products are most exact about the middle
    of the atoms.

    Args:
        products: c, of every token with every atom.
        gram: G, of the atoms.
        start: codes to begin with, on the simplex; None: all weight on the nearest atom.
        tolerance: of the gap.
        steps: the most for a token.
    """
    limits = tolerance * (products.abs().amax(-1) + gram.diagonal(dim1=1, dim2=2).mean(-1, keepdim=True))
    runs = zip(products, gram, [None] * len(gram) if start is None else start, limits, strict=True)
    if products.dtype != torch.float32 or products.device.type != "cpu":
        return torch.stack([_together(*each, steps) for each in runs])
    return torch.stack([_in_turn(*each, steps) for each in runs])


def _in_turn(products: Tensor, gram: Tensor, start: Tensor | None, limits: Tensor, steps: int) -> Tensor:
    codes = torch.zeros_like(products) if start is None else start.clone(memory_format=torch.contiguous_format)
    given = (products.contiguous().numpy(), gram.contiguous().numpy())
    loops.settle(*given, codes.numpy(), limits.contiguous().numpy(), steps, start is None)
    return codes


def _together(products: Tensor, gram: Tensor, start: Tensor | None, limits: Tensor, steps: int) -> Tensor:
    """In operations that torch has everywhere: all tokens that have not settled make some steps at once."""
    codes = _on_the_nearest(products, gram.diagonal()) if start is None else start.clone()
    left = torch.arange(len(codes), device=codes.device)
    for _ in range(0, steps, _BETWEEN):
        z = codes[left]
        slope = z @ gram - products[left]
        gaps = (z * (slope - slope.amin(-1, keepdim=True))).sum(-1)
        far = gaps > limits[left]
        if not far.any():
            break
        left = left[far]
        codes[left] = _moved(z[far], slope[far], gram)
    return codes


def _moved(z: Tensor, slope: Tensor, gram: Tensor) -> Tensor:
    """The codes after some steps."""
    squares = gram.diagonal()
    for _ in range(_BETWEEN):
        to = _first(slope, slope.amin(-1, keepdim=True))
        gained, fall = gram[to.squeeze(1)], slope - slope.gather(1, to)
        curvature = squares[to] + squares - 2 * gained
        amounts = torch.where(curvature * z <= fall, z, torch.minimum(z, fall / curvature))
        gains = torch.where((z > 0) & (fall > 0), amounts * (fall - amounts * curvature / 2), -1.0)
        giver = _first(gains, gains.amax(-1, keepdim=True))
        amount = torch.where(gains.gather(1, giver) > 0, amounts.gather(1, giver), 0.0)
        slope = slope + amount * (gained - gram[giver.squeeze(1)])
        z = z.scatter_add(1, to, amount).scatter_add(1, giver, -amount)
    return z


def _on_the_nearest(products: Tensor, squares: Tensor) -> Tensor:
    distances = squares / 2 - products
    return torch.zeros_like(products).scatter_(1, _first(distances, distances.amin(-1, keepdim=True)), 1.0)


def _first(values: Tensor, wanted: Tensor) -> Tensor:
    """The lowest index at which each row has the wanted value."""
    places = torch.arange(values.shape[1], device=values.device)
    return torch.where(values == wanted, places, len(places) - 1).amin(-1, keepdim=True)
