"""What dictionaries make of held-out tokens: codes, which atoms fire, and how well they reconstruct."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.measures import StandardCodes, standardise_active

if TYPE_CHECKING:
    from reseed.interop import LoadedDictionary

__all__ = ["OnTokens", "Tokens", "on_tokens"]

_AT_A_TIME = 2**25  # codes in memory, in four bytes each


@dataclass(frozen=True)
class OnTokens:
    """One dictionary on some tokens."""

    codes: StandardCodes
    fired: Int[Tensor, " atoms"]
    """On how many tokens each atom fires."""
    l0: float
    """Active atoms of a token, on average."""
    r2: float
    """nan for a dictionary that writes another width than it reads."""

    @property
    def alive(self) -> Tensor:
        """Which atoms fire at all."""
        return self.fired > 0


@dataclass(frozen=True)
class Tokens:
    """Held-out tokens that codes are made of."""

    rows: Float[Tensor, "tokens d_in"]
    mean: Float[Tensor, " d_in"]
    """Of the training tokens, which R² is held against."""

    def seen_by(self, dictionary: LoadedDictionary, label: str) -> OnTokens | None:
        """What a dictionary makes of them, as `on_tokens`."""
        return on_tokens(dictionary, self.rows, self.mean, label=label)


def on_tokens(
    dictionary: LoadedDictionary,
    x: Float[Tensor, "tokens d_in"],
    mean: Float[Tensor, " d_in"],
    *,
    label: str,
) -> OnTokens | None:
    """What a dictionary makes of some tokens; None where it makes no codes.

    Args:
        dictionary: any.
        x: the tokens.
        mean: of the training tokens, which R² is held against.
        label: what it is called in messages.

    Raises:
        DictionaryError: it reads another width.
    """
    if dictionary.rule is None:
        return None
    encoder = dictionary.atoms if dictionary.encoder is None else dictionary.encoder
    if encoder.shape[1] != x.shape[1]:
        raise DictionaryError(
            f"{label} reads {encoder.shape[1]:,} dimensions and the activations have {x.shape[1]:,}: give activations "
            "of the layer that it was trained on"
        )
    n_atoms, writes_back = len(dictionary.atoms), dictionary.atoms.shape[1] == x.shape[1] and dictionary.skip is None
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    residual = spread = 0.0
    at_a_time = max(1, _AT_A_TIME // n_atoms)
    for first in range(0, len(x), at_a_time):
        block = x[first : first + at_a_time]
        codes, there = dictionary.coded(block) if writes_back else (dictionary.encode(block), None)
        where = codes.nonzero(as_tuple=True)
        parts.append((where[0] + first, where[1], codes[where]))
        if there is not None:
            residual += float((block - there).double().square().sum())
            spread += float((block - mean.to(block)).double().square().sum())
    tokens, which, values = (torch.cat(part) for part in zip(*parts, strict=True))
    return OnTokens(
        codes=standardise_active(tokens, which, values, n_tokens=len(x), n_atoms=n_atoms),
        fired=torch.bincount(which, minlength=n_atoms),
        l0=len(which) / len(x),
        r2=1 - residual / spread if spread > 0 else math.nan,
    )
