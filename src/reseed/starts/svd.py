"""The `svd` start: singular vectors of the activations as they are, which all runs share.

With x = U S V' the atoms are the first rows of S V', what scikit-learn's DictionaryLearning begins with by default.
There is no chance in it: runs are born identical, whatever their dice, and two trainings differ by the order of the
data alone.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.errors import SpecError
from reseed.starts._kind import Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["SVD"]


def _atoms(_: "Start", n_atoms: int, seen: "Preprocessed", _rolls: Rolls) -> Float[Tensor, "atoms d_model"]:
    if n_atoms > seen.d_model:
        raise SpecError(
            f"{n_atoms} atoms from {seen.d_model} singular vectors: an svd start has one for each dimension, and the "
            f"other atoms would be zero; use at most {seen.d_model} atoms, or another start, such as pca or data"
        )
    moments = seen.moments
    squares, axes = torch.linalg.eigh(moments.covariance + torch.outer(moments.mean, moments.mean))
    axes = axes.T.flip(0)[:n_atoms]  # the strongest first
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    values = (moments.n_tokens * squares.flip(0)[:n_atoms].clamp(min=0.0)).sqrt()
    return (axes * largest.sign() * values.unsqueeze(1)).float()  # singular vectors have no sign of their own


SVD = StartKind(
    name="svd",
    title="Singular vectors",
    meaning="singular vectors of the activations, mean included, as long as their singular values; at most d_model, "
    "and the same in all runs",
    dice=(),
    atoms=_atoms,
    shared_when_published=True,
)
