"""The compiled loops of agreement."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["common_products", "order_by"]


@compiled
def common_products(
    pairs_a: np.ndarray,
    pairs_b: np.ndarray,
    ends_a: np.ndarray,
    tokens_a: np.ndarray,
    values_a: np.ndarray,
    ends_b: np.ndarray,
    tokens_b: np.ndarray,
    values_b: np.ndarray,
) -> np.ndarray:
    """For each pair of atoms the sum over the tokens at which both are active of the product of their values.

    Atom i of a dictionary has the entries ends[i] to ends[i + 1] of `tokens` (ascending) and `values` (float64).
    """
    sums = np.zeros(len(pairs_a))
    for pair in range(len(pairs_a)):
        here, last_here = ends_a[pairs_a[pair]], ends_a[pairs_a[pair] + 1]
        there, last_there = ends_b[pairs_b[pair]], ends_b[pairs_b[pair] + 1]
        while here < last_here and there < last_there:
            if tokens_a[here] == tokens_b[there]:
                sums[pair] += values_a[here] * values_b[there]
                here += 1
                there += 1
            elif tokens_a[here] < tokens_b[there]:
                here += 1
            else:
                there += 1
    return sums


@compiled
def order_by(which: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Where the entries of 0 stand, those of 1, and so on, each in their order; number i has ends[i] to ends[i + 1]."""
    place, order = ends[:-1].copy(), np.empty(len(which), np.int64)
    for at in range(len(which)):
        order[place[which[at]]] = at
        place[which[at]] += 1
    return order
