"""How far R² would move on other held-out text: its error over windows, not tokens (docs/mathematics.md, eq. 9b).

Tokens of one window are about one thing and fit alike, so that they are no replicates.
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

__all__ = ["r2_errors"]


def r2_errors(
    lost: Float64[Tensor, "runs tokens"], there: Float64[Tensor, " tokens"], windows: Int[Tensor, " tokens"]
) -> Float64[Tensor, " runs"]:
    """The standard error of each run's held-out R², by leaving one window out in turn; nan for a single window.

    Args:
        lost: squared error of every token, by run.
        there: squared distance of every token to the training mean.
        windows: which window each token is of.
    """
    lost_of = torch.stack([_sums(errors, windows) for errors in lost])
    there_of = _sums(there, windows)
    n_windows = len(there_of)
    if n_windows == 1:
        return torch.full((len(lost),), torch.nan, dtype=torch.float64)
    without = 1 - (lost_of.sum(dim=1, keepdim=True) - lost_of) / (there_of.sum() - there_of)
    deviations = without - without.mean(dim=1, keepdim=True)
    return ((n_windows - 1) / n_windows * deviations.square().sum(dim=1)).sqrt()


def _sums(of_tokens: Float64[Tensor, " tokens"], windows: Int[Tensor, " tokens"]) -> Float64[Tensor, " windows"]:
    """Sums over the tokens of each window; one after the other, on the CPU, or they would depend on the threads."""
    return torch.bincount(windows.unique(return_inverse=True)[1].cpu(), weights=of_tokens.cpu())
