"""Independent component analysis: sources that are as far from Gaussian as they can be, by FastICA.

    whitening    y = K (u - m), K = Λ^-½ U of the largest eigenvalues Λ of C and their directions U, as rows
    iteration    W <- E[g(W y) y'] - diag(E[g'(W y)]) W, then (W W')^-½ W     (docs/mathematics.md, eq. 163)
    encoder      W K: the sources have mean 0 and variance 1
    dictionary   W Λ^½ U, what a source adds to the activation: the pseudoinverse of the encoder

Source: @hyvarinen1999fast, symmetric form. A step is one iteration, with expectations over the batch and m and C of all
that was read, the batch included. Between steps W is kept as the dictionary, of which it is what whitening leaves: so
it goes on where it was when C moves and turns U. At step 0 the dictionary is the start's, so that W begins as the start
whitened and made orthonormal: a random start gives every W the same chance.

Expectations over a batch have its sampling error, and an iteration keeps it: use batches of many thousand tokens.
Normal sources have no directions of their own: for them nothing is found, and runs agree as at random.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from reseed._support.products import product
from reseed.methods._base import State
from reseed.methods._linear import Linear, covariance, orthonormal, principal_axes

__all__ = ["ICA"]

_NOTHING = 1e-12  # of the largest variance, and of 1: a direction with less is rounding, and is not blown up


class ICA(Linear):
    """Independent components (FastICA): directions of sources that are not Gaussian."""

    title: ClassVar[str] = "ICA"

    kind: Literal["ica"] = "ica"
    contrast: Literal["logcosh", "cube", "exp"] = "logcosh"
    """What is made extreme: `logcosh`, for most sources; `cube`, kurtosis, fast and led by outliers; `exp`, for sources
    with very heavy tails."""

    def fit(self, state: State, u: Float[Tensor, "runs batch d_model"]) -> None:
        """Eq. 163."""
        variances, axes = principal_axes(covariance(state), self.n_atoms)
        lengths = variances.maximum(_NOTHING * variances[:, :1].clamp(min=1)).sqrt().unsqueeze(1)
        w = orthonormal(state["atoms"] @ axes.mT / lengths)
        centred = u - state["mean"].unsqueeze(1).to(u)
        pulls, slopes = _CONTRASTS[self.contrast](product(centred, (w / lengths @ axes).mT.to(u)))
        moments = product(pulls.mT, centred).double() @ axes.mT / lengths
        w = orthonormal(moments / u.shape[1] - slopes.double().mean(1).unsqueeze(2) * w)
        state["encoder"], state["atoms"] = w / lengths @ axes, w * lengths @ axes


def _logcosh(s: Tensor) -> tuple[Tensor, Tensor]:
    g = s.tanh()
    return g, 1 - g.square()


def _cube(s: Tensor) -> tuple[Tensor, Tensor]:
    return s**3, 3 * s.square()


def _exp(s: Tensor) -> tuple[Tensor, Tensor]:
    bell = (-s.square() / 2).exp()
    return s * bell, (1 - s.square()) * bell


_CONTRASTS: Mapping[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = MappingProxyType(
    {"logcosh": _logcosh, "cube": _cube, "exp": _exp}
)
"""g and its derivative."""
