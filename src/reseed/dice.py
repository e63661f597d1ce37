"""Seven dice, never one seed.

Each random choice in the life of a run belongs to one die, and every draw comes from a generator of that die.
A *roll* is the number a die shows: two runs that share a roll make the same draws of that kind.

| die        | what it decides                                             |
|------------|-------------------------------------------------------------|
| `data`     | which part of the activations a run reads, where not all of them |
| `init`     | the dictionary at step 0 (random rows, mixing weights, row order) |
| `encoder`  | an encoder that does not start as the decoder's transpose   |
| `points`   | which activations k-means or an archetypal hull gets to see |
| `kmeans`   | where k-means itself starts                                 |
| `order`    | the order in which training reads the activations           |
| `resample` | which activations replace dead atoms                        |
"""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

import torch

__all__ = ["DICE", "Die", "generator", "roll"]

Die = Literal["data", "init", "encoder", "points", "kmeans", "order", "resample"]
DICE: tuple[Die, ...] = get_args(Die)

_BITS = 63  # the largest roll that TOML, JSON and torch all hold as a signed integer


def roll(die: Die, *scope: int | str) -> int:
    """The number that `die` shows for a scope, such as a start or a run: an integer in [0, 2^63).

    Rolls for different dice or scopes are unrelated; the same die and scope always show the same number.
    """
    text = "/".join([die, *(str(part) for part in scope)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)


def generator(rolled: int, *use: int | str) -> torch.Generator:
    """A fresh generator on the CPU for one use of a roll, such as an epoch number."""
    text = "/".join([str(rolled), *(str(part) for part in use)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return torch.Generator().manual_seed(number >> (64 - _BITS))
