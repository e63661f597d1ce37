"""Which windows are held out and which are trained on."""

from dataclasses import dataclass

import numpy as np

from reseed.activations.windows import Windows, shuffled
from reseed.errors import ActivationsError

__all__ = ["Plan", "enough", "share_out"]


@dataclass(frozen=True)
class Plan:
    """Which windows are held out and which are trained on, in the order in which they are read."""

    heldout: np.ndarray
    training: np.ndarray
    counts: np.ndarray
    """Tokens of each training window that can be kept."""
    n_heldout: int
    n_tokens: int
    per_shard: int
    """Windows that one shard is made of."""


def share_out(
    windows: Windows, kept: np.ndarray, *, heldout: int, tokens: int, per_shard: int, sure: np.ndarray
) -> Plan:
    """Share the windows out; one window more than needed is held out, in case outliers are dropped from it.

    `kept` are the tokens of each window that can be kept, `sure` those that can whatever the model turns out to be.
    """
    order = shuffled(windows)
    n_heldout, available = _shared(kept[order], heldout)
    if available < tokens:
        certain = max(0, _shared(sure[order], heldout)[1])
        advice = f"ask for at most {certain:,} tokens" if certain else f"hold out fewer than {heldout:,} tokens"
        raise ActivationsError(
            f"the texts hold {certain:,} training tokens beside the held-out split, {tokens:,} were asked for: "
            f"give more text or {advice}"
        )
    return Plan(order[:n_heldout], order[n_heldout:], kept[order][n_heldout:], heldout, tokens, per_shard)


def _shared(counts: np.ndarray, heldout: int) -> tuple[int, int]:
    """How many windows are held out, and how many tokens are left for training."""
    n_heldout = int(np.searchsorted(counts.cumsum(), heldout)) + 2
    return n_heldout, int(counts[n_heldout:].sum())


def enough(counts: np.ndarray, tokens: int) -> int:
    """How many windows hold `tokens` tokens, and two more for outliers."""
    return int(np.searchsorted(counts.cumsum(), tokens)) + 3
