"""Least squares with an elastic net penalty, by coordinates, where only products of columns are known.

A sweep sets one coefficient after the other to what is best for it; for all responses at once, each of which stops by
itself, so that none depends on its companions. Coefficients are taken in blocks: within one, only its own columns are
kept up to date, and all others follow by one matrix product.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["elastic_net", "objective"]

_BLOCK = 32
_SETTLED = 1e-8  # of the largest coefficient: a response whose coefficients all change by less has settled


def elastic_net(
    products: Float[Tensor, "runs columns columns"],
    targets: Float[Tensor, "runs responses columns"],
    first: Float[Tensor, "runs responses columns"],
    *,
    l1: float,
    l2: float,
    sweeps: int,
) -> Float[Tensor, "runs responses columns"]:
    """The b that makes b' P b - 2 t' b + l2 |b|² + l1 |b|₁ smallest, for every response.

    Every sweep lowers that, or leaves it; a column that is zero has the coefficient 0 (@friedman2010regularization).

    Args:
        products: P of each run, the products of its columns with each other; positive semi-definite.
        targets: t, the products of its columns with each response.
        first: where to begin.
        l1: the penalty of absolute coefficients.
        l2: the penalty of squared ones.
        sweeps: the most of them.
    """
    found = first.clone()
    left = targets - found @ products
    going = torch.ones(found.shape[:2], dtype=torch.bool, device=found.device)
    for _ in range(sweeps):
        before = found.clone()
        for start in range(0, found.shape[2], _BLOCK):
            some = slice(start, start + _BLOCK)
            _block(products[:, some, some], left[..., some], found[..., some], going, l1=l1, l2=l2)
            left -= (found[..., some] - before[..., some]) @ products[:, some]
        going &= (found - before).abs().amax(2) > _SETTLED * found.abs().amax(2)
        if not going.any():
            break
    return found


def objective(
    products: Float[Tensor, "runs columns columns"],
    targets: Float[Tensor, "runs responses columns"],
    found: Float[Tensor, "runs responses columns"],
    *,
    l1: float,
    l2: float,
) -> Float[Tensor, "runs responses"]:
    """What `elastic_net` makes smallest: b' P b - 2 t' b + l2 |b|² + l1 |b|₁."""
    return ((found @ products - 2 * targets) * found + l2 * found.square() + l1 * found.abs()).sum(2)


def _block(
    products: Float[Tensor, "runs block block"],
    left: Float[Tensor, "runs responses block"],
    found: Float[Tensor, "runs responses block"],
    going: Bool[Tensor, "runs responses"],
    *,
    l1: float,
    l2: float,
) -> None:
    """One coefficient of a block after the other, in place in `found`; `left` is t - P b at the block's beginning."""
    left, curvature = left.clone(), products.diagonal(dim1=1, dim2=2)
    for i in range(found.shape[2]):
        own, old = curvature[:, i : i + 1], found[..., i]
        pull = torch.nn.functional.softshrink(left[..., i] + own * old, l1 / 2)
        best = torch.where(own > 0, pull / (own + l2), 0.0)
        change = (best - old) * going
        found[..., i] += change
        left -= change.unsqueeze(2) * products[:, i : i + 1]
