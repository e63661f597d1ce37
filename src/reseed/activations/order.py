"""Which rows step t reads: a function of the order die and of t alone.

Every epoch is a fresh permutation of all training rows, evaluated at single positions by a keyed Feistel network.
Nothing of length `n_tokens` is ever held in memory, and a resumed run needs no history.
"""

import hashlib
import math

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from reseed._support.guard import guarded
from reseed.errors import ActivationsError

__all__ = ["batch_rows", "permuted", "rows_of_batches"]

_ROUNDS = 8


@guarded()
def batch_rows(n_tokens: int, batch_size: int, step: int, *, roll: int) -> Int[Tensor, "batch"]:
    """The rows that update number `step` (from 0) reads: `batch_size` distinct integers in [0, n_tokens).

    Within an epoch of `n_tokens // batch_size` steps no row comes twice; the remainder that fills no batch is left out,
    a different one in every epoch. `roll` is the number that the order die shows.

    Raises:
        ActivationsError: there are fewer tokens than one batch needs.
        ValueError: a negative step, or a batch without rows.
    """
    if batch_size < 1 or step < 0:
        raise ValueError(f"batch_size={batch_size}, step={step}: a batch has at least 1 row and steps count from 0")
    return rows_of_batches(n_tokens, batch_size, range(step, step + 1), roll=roll)[0]


def rows_of_batches(n_tokens: int, batch_size: int, steps: range, *, roll: int) -> Int[Tensor, "steps batch"]:
    """What `batch_rows` says of steps that follow each other.

    Raises:
        ActivationsError: there are fewer tokens than one batch needs.
    """
    if batch_size > n_tokens:
        raise ActivationsError(
            f"{n_tokens:,} training tokens are too few for a batch of {batch_size:,}: "
            "collect more tokens or use a smaller batch"
        )
    epochs, places = np.divmod(np.array(steps), n_tokens // batch_size)
    index = (places[:, None] * batch_size + np.arange(batch_size)).astype(np.uint64)
    rows = np.empty(index.shape, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        rows[epochs == epoch] = permuted(index[epochs == epoch], n_tokens, f"{roll}/{epoch}")
    return torch.from_numpy(rows)


def permuted(index: np.ndarray, n: int, key: str) -> np.ndarray:
    """Where a permutation of [0, n), named by `key`, sends each index (uint64 in, uint64 out, any shape).

    A Feistel network over a grid of about sqrt(n) by sqrt(n) cells. The grid has at most sqrt(n) + 1 cells too many:
    an index that lands on one of them walks on until it is back inside, which keeps the map one to one
    (Black & Rogaway 2002, "cycle walking").
    """
    height = math.isqrt(max(n - 1, 0)) + 1
    width = -(-n // height)
    keys = np.frombuffer(hashlib.shake_256(key.encode()).digest(8 * _ROUNDS), dtype="<u8")
    place = _feistel(index, height, width, keys)
    while (outside := place >= n).any():
        place[outside] = _feistel(place[outside], height, width, keys)
    return place


def _feistel(index: np.ndarray, height: int, width: int, keys: np.ndarray) -> np.ndarray:
    """One to one on [0, height · width): each half is shifted in turn by a hash of the other half."""
    rows, columns = np.uint64(height), np.uint64(width)
    left, right = index // columns, index % columns
    for key in keys.reshape(-1, 2):
        left = (left + _hash(right, key[0]) % rows) % rows
        right = (right + _hash(left, key[1]) % columns) % columns
    return left * columns + right


def _hash(value: np.ndarray, key: np.uint64) -> np.ndarray:
    """64 well-mixed bits of value and key: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = value ^ key
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
