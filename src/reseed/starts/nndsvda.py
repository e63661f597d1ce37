"""The `nndsvda` start: of every singular vector the positive or the negative half; there is no chance in it.

    X = U S V' of activations, uncentred;  y+ = max(y, 0), y- = max(-y, 0)
    atom 1   sqrt(S_1) |V_1|
    atom j   sqrt(S_j m) y+ / ||y+||, y = V_j, m = ||x+|| ||y+||, x = U_j;  or x-, y- where that m is larger
    entries  0 becomes the mean of X

Source: @boutsidis2008svd, as scikit-learn begins NMF with (docs/mathematics.md, eq. 159c). It looks at activations at
even distances, as many as k-means would. Those with negative entries are taken in halves, X = (max(x, 0), max(-x, 0)):
an atom is the difference of its halves, in which an entry of 0 stays 0.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed._support import stopping
from reseed.errors import SpecError
from reseed.methods import unit_rows
from reseed.starts._kind import Rolls, StartKind

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["NNDSVDA", "non_negative_vectors"]

_SMALLEST = 1e-6  # below which scikit-learn takes an entry for 0


def _atoms(start: "Start", n_atoms: int, seen: "Preprocessed", _: Rolls) -> Float[Tensor, "atoms d_model"]:
    count = start.tokens_for(n_atoms, seen.n_tokens)
    rows = seen.rows(torch.arange(count) * seen.n_tokens // count).double()
    if (rows >= 0).all():
        return non_negative_vectors(rows, n_atoms, filled=True).float()
    halves = torch.cat([rows.clamp(min=0), (-rows).clamp(min=0)], dim=1)
    positive, negative = non_negative_vectors(halves, n_atoms, filled=False).chunk(2, dim=1)
    return (positive - negative).float()


def non_negative_vectors(
    rows: Float64[Tensor, "tokens columns"], n_vectors: int, *, filled: bool
) -> Float64[Tensor, "vectors columns"]:
    """That many vectors without negative entries, by the formula above; `filled`: without entries of 0 either.

    Raises:
        SpecError: more vectors than rows, or than columns.
    """
    most = min(rows.shape)
    if n_vectors > most:
        raise SpecError(
            f"{n_vectors} atoms: an nndsvda start has at most {most} of {len(rows):,} activations in {rows.shape[1]} "
            "columns; use fewer atoms, or a random or kmeans start"
        )
    stopping.check()  # a wide layer takes a minute
    axes = torch.linalg.eigh(rows.T @ rows).eigenvectors.T.flip(0)[:n_vectors]  # the strongest first
    scores = rows @ axes.T  # U S
    positive, negative = axes.clamp(min=0), (-axes).clamp(min=0)
    above = scores.clamp(min=0).norm(dim=0) * positive.norm(dim=1)
    below = (-scores).clamp(min=0).norm(dim=0) * negative.norm(dim=1)
    half = positive.where((above > below).unsqueeze(1), negative)
    vectors = torch.maximum(above, below).sqrt().unsqueeze(1) * unit_rows(half)
    vectors[0] = scores[:, 0].norm().sqrt() * axes[0].abs()
    vectors[vectors < _SMALLEST] = 0
    return vectors.where(vectors > 0, rows.mean()) if filled else vectors


NNDSVDA = StartKind(
    name="nndsvda",
    title="Halves of singular vectors",
    meaning="the larger half of each singular vector of activations, the same for all runs",
    dice=(),
    atoms=_atoms,
    keeps_mean=True,
    shared_when_published=True,
)
