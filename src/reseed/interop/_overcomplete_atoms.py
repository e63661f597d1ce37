"""Atoms as overcomplete computes them from what it trains.

    plain         D = normalise(_weights) exp(m)
    archetypal    D = (rows(relu W) C + clip(Relax, delta)) exp(m), rows(.) summing to 1

Weights are put back where they belong before every forward pass, and so are they here.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

__all__ = ["NORMALISATIONS", "archetypal"]

_EPSILON = 1e-8  # the library's, in norms and in a sum of weights

Atoms = Float[Tensor, "atoms d_model"]

NORMALISATIONS: dict[str, Callable[[Atoms], Atoms]] = {
    "normalize_l2": lambda x: x / (x.norm(dim=1, keepdim=True) + _EPSILON),
    "normalize_max_l2": lambda x: x / x.norm(dim=1).amax(),
    "normalize_l1": lambda x: x / (x.norm(p=1, dim=1, keepdim=True) + _EPSILON),
    "normalize_max_l1": lambda x: x / x.norm(p=1, dim=1).amax(),
    "normalize_identity": lambda x: x,
}
"""By the names of the library's functions."""


def archetypal(
    weights: Float[Tensor, "atoms points"],
    points: Float[Tensor, "points d_model"],
    relaxation: Atoms,
    *,
    delta: float,
) -> Atoms:
    """Mixtures of points, and as much of the relaxation as delta lets."""
    reach = (delta / relaxation.norm(dim=1, keepdim=True)).clamp(max=1.0).nan_to_num(1.0)
    positive = weights.relu()
    return (positive / (positive.sum(dim=1, keepdim=True) + _EPSILON)) @ points + relaxation * reach
