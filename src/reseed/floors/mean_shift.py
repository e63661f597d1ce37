"""Random directions around a common mean: a formula (docs/mathematics.md, eq. 24)."""

import math

from reseed._support.guard import guarded
from reseed.floors.isotropic import isotropic

__all__ = ["mean_shift"]


@guarded(mean_share=(0, 1), d_model=(2, 2**31), n_atoms=(1, 2**31))
def mean_shift(mean_share: float, d_model: int, n_atoms: int) -> float:
    """MMCS (signed) of independent atoms mu + eps, where `mean_share` = rho = ||mu||^2 / (||mu||^2 + E ||eps||^2).

    About rho + (1 - rho) sqrt(1 + rho (1 - rho)) I, I being `isotropic`, to first order in 1/sqrt(d): the best of n
    atoms also has a well-placed component along the mean, which the plain rho + (1 - rho) I leaves out
    (docs/mathematics.md, eq. 24).
    """
    if not 0 <= mean_share <= 1:
        raise ValueError(f"mean_share is {mean_share}; it is a share of the mean squared norm, in [0, 1]")
    rest = 1 - mean_share
    return mean_share + rest * math.sqrt(1 + mean_share * rest) * isotropic(d_model, n_atoms)
