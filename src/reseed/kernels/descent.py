"""Coordinate descent: every code in turn becomes what is best for its token while the other codes stay.

    z = argmin 1/2 ||u - z D||^2 + l1 |z|_1, perhaps with z >= 0;  c = u D',  G = D D'
    z_i <- shrink(c_i - sum over j != i of z_j G_ji, l1) / G_ii                          (docs/mathematics.md, eq. 150)

Atoms may have any length; the code of an atom of zeros is 0. On a CPU in float32 codes take turns: a sweep costs a row
of G for every code that moves, and almost nothing for one that does not. Elsewhere all codes of all tokens move at once
to the same minimum, by accelerated gradients (@beck2009fista) that begin anew where they overshoot
(@odonoghue2015restart).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.kernels import _descent_loops as loops

__all__ = ["coordinate_codes"]

_BETWEEN = 10  # steps between two looks at whether all tokens have settled


def coordinate_codes(
    products: Float[Tensor, "runs batch atoms"],
    gram: Float[Tensor, "runs atoms atoms"],
    *,
    l1: float = 0.0,
    positive: bool = False,
    start: Float[Tensor, "runs batch atoms"] | None = None,
    tolerance: float = 1e-6,
    sweeps: int = 1000,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes of the lasso, of the non-negative lasso, and with l1 = 0 of non-negative least squares.

    They have settled when no code is further than tolerance max_j |c_j| / G_ii from its own best, c being those of its
    token; after so many sweeps, or steps of all codes at once, they stay as they are. They begin at `start`, or at 0.
    Sums are in double precision.
    """
    if products.dtype != torch.float32 or products.device.type != "cpu":
        return _accelerated(products, gram, start, l1, tolerance=tolerance, steps=sweeps, positive=positive)
    codes = torch.zeros_like(products) if start is None else start.clone()
    codes = codes.contiguous()
    for some, products_of, among in zip(codes, products.contiguous(), gram.contiguous(), strict=True):
        loops.descend(products_of.numpy(), among.numpy(), some.numpy(), l1, positive, tolerance, sweeps)
    return codes


def _accelerated(
    products: Tensor, gram: Tensor, start: Tensor | None, l1: float, *, tolerance: float, steps: int, positive: bool
) -> Tensor:
    """In operations that torch has everywhere."""
    given, products, gram = products, products.double(), gram.double()
    squares = gram.diagonal(dim1=1, dim2=2).unsqueeze(1)
    rate = 1 / torch.linalg.matrix_norm(gram, ord=2).clamp(min=1e-300).view(-1, 1, 1)
    limit = tolerance * products.abs().amax(-1, keepdim=True)
    codes = torch.zeros_like(products) if start is None else start.to(products.dtype)
    ahead, pace = codes, torch.ones_like(limit)
    for step in range(steps):
        if step % _BETWEEN == 0:
            best = _shrunk(products - codes @ gram + codes * squares, l1, positive=positive) / squares
            if ((best - codes).where(squares > 0, 0.0).abs() * squares <= limit).all():
                break
        moved = _shrunk(ahead + rate * (products - ahead @ gram), rate * l1, positive=positive)
        pace = pace.where(((ahead - moved) * (moved - codes)).sum(-1, keepdim=True) <= 0, 1.0)
        faster = (1 + (1 + 4 * pace.square()).sqrt()) / 2
        ahead, codes, pace = moved + (pace - 1) / faster * (moved - codes), moved, faster
    return codes.to(given.dtype)


def _shrunk(values: Tensor, by: Tensor | float, *, positive: bool) -> Tensor:
    sizes = ((values if positive else values.abs()) - by).clamp(min=0.0)
    return sizes if positive else sizes * values.sign()
