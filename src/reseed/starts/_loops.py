"""Loops of k-means that no tensor operation does in one pass over a block that the cache still holds."""

import numpy as np

from reseed._support.jit import compiled

_HALF = 2  # bytes of a bfloat16

__all__ = ["list_largest", "nearest_listed", "to_scores"]


@compiled
def list_largest(ordered: np.ndarray, wanted: int, maxima: np.ndarray, listed: np.ndarray) -> int:
    """For each row the places of its `wanted` largest scores, and of few others that were not told from them.

    Every g-th score of a row belongs to group g. What reaches the `wanted`-th largest of the groups' maxima is listed:
    the largest scores are, wherever they are, and hardly any more.

    Args:
        ordered: (rows, n) floats read as integers; those below 0 count downwards.
        wanted: at least 1 and at most as many as there are groups.
        maxima: scratch of one int32 per group, at most n of them.
        listed: (rows, most) int32, overwritten; what is left of a row repeats its first place.

    Returns:
        How many rows have more places than there is room for, and lack some.
    """
    n, n_groups, most = ordered.shape[1], len(maxima), listed.shape[1]
    mask = np.int32(0x7FFF if ordered.itemsize == _HALF else 0x7FFFFFFF)
    lost = 0
    for number in range(len(ordered)):
        row = ordered[number]
        _group_maxima(row, mask, maxima)
        least, count = _reached_by(maxima, wanted), 0
        for group in range(n_groups):
            if maxima[group] >= least:
                for i in range(group, n, n_groups):
                    if _in_order(row[i], mask) >= least:
                        listed[number, min(count, most - 1)] = i
                        count += 1
        lost += 1 if count > most else 0
        for empty in range(count, most):
            listed[number, empty] = listed[number, 0]
    return lost


@compiled
def _group_maxima(row: np.ndarray, mask: np.int32, maxima: np.ndarray) -> None:
    n, n_groups = len(row), len(maxima)
    for group in range(n_groups):
        maxima[group] = _in_order(row[group], mask)
    # stretches of neighbours rather than one group after another, so that the loop is compiled to vector instructions
    for start in range(n_groups, n, n_groups):
        part = row[start : start + n_groups]
        for group in range(len(part)):
            maxima[group] = max(maxima[group], _in_order(part[group], mask))


@compiled
def _in_order(bits: int, mask: np.int32) -> np.int32:
    """An integer that is ordered as the float with these bits is; `mask` has all of its bits but the sign."""
    wide = np.int32(bits)
    return wide ^ ((wide >> np.int32(31)) & mask)


@compiled
def _reached_by(maxima: np.ndarray, wanted: int) -> np.int32:
    """The `wanted`-th largest of the maxima, by bisection."""
    low, high = maxima[0], maxima[0]
    for group in range(len(maxima)):
        low, high = min(low, maxima[group]), max(high, maxima[group])
    while low < high:
        middle = np.int32(high - ((np.int64(high) - np.int64(low)) >> 1))
        reached = np.int32(0)
        for group in range(len(maxima)):
            reached += np.int32(1) if maxima[group] >= middle else np.int32(0)
        if reached >= wanted:
            low = middle
        else:
            high = np.int32(middle - 1)
    return low


@compiled
def to_scores(
    products: np.ndarray, steps: np.ndarray, half: np.ndarray, row_steps: np.ndarray, scores: np.ndarray
) -> None:
    """What scores, row . point + half, are in the unit of each row's step, from products of integers.

    Args:
        products: (rows, points) int32.
        steps: (points,) float32, what 1 stands for in each point.
        half: (points,) float32.
        row_steps: (rows,) float32, the same of each row.
        scores: float32, of as many rows or more, overwritten.
    """
    for number in range(len(products)):
        each = np.float32(1) / row_steps[number]
        for point in range(len(steps)):
            scores[number, point] = np.float32(products[number, point]) * steps[point] + half[point] * each


@compiled
def nearest_listed(
    rows: np.ndarray, points: np.ndarray, half: np.ndarray, listed: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> None:
    """For each row the listed point p with the largest row . p + half, the first among equals, and that score.

    Args:
        rows: (rows, columns) float32.
        points: (points, columns) float32.
        half: (points,) float32, minus half of their squared lengths.
        listed: (rows, most) int32.
        labels: (rows,) int64, overwritten.
        scores: (rows,) float32, overwritten.
    """
    for number in range(len(rows)):
        row, best, found = rows[number], np.float32(-np.inf), np.int64(listed[number, 0])
        for place in range(listed.shape[1]):
            point = listed[number, place]
            if place and point == listed[number, 0]:
                break
            score = half[point]
            for column in range(len(row)):
                score += row[column] * points[point, column]
            if score > best:
                best, found = score, np.int64(point)
        labels[number], scores[number] = found, best
