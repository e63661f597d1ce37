"""The compiled loops of what looks at every row of a matrix."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["hash_rows", "norms_of_rows"]


@compiled
def hash_rows(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each row of 32-bit words the sum of all columns' (word + 1) times weight, its high bits mixed in; uint64."""
    hashes = np.zeros(len(rows), np.uint64)
    for i in range(len(rows)):
        total = np.uint64(0)
        for k in range(rows.shape[1]):
            mixed = (np.uint64(rows[i, k]) + np.uint64(1)) * weights[k]
            total += mixed ^ (mixed >> np.uint64(29))
        hashes[i] = total
    return hashes


@compiled
def norms_of_rows(rows: np.ndarray) -> np.ndarray:
    """The length of each float32 row, summed in float64, in float32."""
    norms = np.empty(len(rows), np.float32)
    for i in range(len(rows)):
        total = 0.0
        for k in range(rows.shape[1]):
            total += np.float64(rows[i, k]) * np.float64(rows[i, k])
        norms[i] = np.sqrt(total)
    return norms
