"""The loops of least squares on the simplex, for one run; arrays are C-contiguous float32 unless said otherwise."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["settle"]


@compiled
def settle(
    products: np.ndarray,
    gram: np.ndarray,
    codes: np.ndarray,
    limits: np.ndarray,
    steps: int,
    begin: bool,  # noqa: FBT001 (compiled loops take everything by position)
) -> None:
    """Move weight between two atoms of a token at a time, until its gap is within its limit.

    Args:
        products: (tokens, n) of the token with all atoms.
        gram: (n, n) products of atoms.
        codes: (tokens, n), where to begin, in place; rows are not negative and sum to 1.
        limits: (tokens,) of the gap; sums are in double precision.
        steps: the most for a token.
        begin: whether to begin with all weight on the nearest atom instead; codes are then zero.
    """
    n = products.shape[1]
    squares, slope, active = np.diag(gram).copy(), np.empty(n, np.float64), np.empty(n, np.int64)
    for token in range(len(products)):
        code = codes[token]
        if begin:
            code[_nearest(products[token], squares)] = 1
        count = _slope_of(products[token], gram, code, slope, active)
        anew = True  # whether the slope is computed from the codes, and not from many small steps
        for _ in range(steps):
            to = _first_lowest(slope)
            gap, place = _giver(gram[to], squares, slope, code, active, count, to)
            if gap <= limits[token] and anew:
                break
            if gap <= limits[token]:
                count, anew = _slope_of(products[token], gram, code, slope, active), True
                continue
            count, anew = _move(gram, squares, slope, code, active, count, to, place), False


@compiled
def _nearest(product: np.ndarray, squares: np.ndarray) -> int:
    best = 0
    for i in range(1, len(product)):
        if squares[i] / 2 - product[i] < squares[best] / 2 - product[best]:
            best = i
    return best


@compiled
def _slope_of(product: np.ndarray, gram: np.ndarray, code: np.ndarray, slope: np.ndarray, active: np.ndarray) -> int:
    """Put z G - c into `slope`; how many codes are not 0, in `active`."""
    count = 0
    for i in range(len(code)):
        slope[i] = -product[i]
    for i in range(len(code)):
        if code[i] > 0:
            active[count] = i
            count += 1
            row, amount = gram[i], code[i]
            for j in range(len(slope)):
                slope[j] += amount * row[j]
    return count


@compiled
def _first_lowest(slope: np.ndarray) -> int:
    low = slope[0]
    for i in range(len(slope)):
        low = min(low, slope[i])  # without a branch, so that it runs in lanes
    for i in range(len(slope)):
        if slope[i] == low:
            return i
    return 0


@compiled
def _giver(
    row: np.ndarray,
    squares: np.ndarray,
    slope: np.ndarray,
    code: np.ndarray,
    active: np.ndarray,
    count: int,
    to: int,
) -> tuple[float, int]:
    """The gap, and the place in `active` of the atom from which moving weight to atom `to` gains most."""
    gap, most, best = 0.0, -1.0, 0
    for place in range(count):
        i = active[place]
        fall = slope[i] - slope[to]
        gap += code[i] * fall
        if fall > 0:
            curvature = squares[to] + squares[i] - 2 * row[i]
            amount = _amount(code[i], fall, curvature)
            gain = amount * (fall - amount * curvature / 2)
            if gain > most:
                most, best = gain, place
    return gap, best


@compiled
def _amount(code: float, fall: float, curvature: float) -> float:
    """How much weight to move: to where the error is least, or all that there is."""
    return code if curvature * code <= fall else min(code, fall / curvature)


@compiled
def _move(
    gram: np.ndarray,
    squares: np.ndarray,
    slope: np.ndarray,
    code: np.ndarray,
    active: np.ndarray,
    count: int,
    to: int,
    place: int,
) -> int:
    """Move weight to atom `to`; how many codes are not 0 afterwards."""
    giver = active[place]
    gained, lost = gram[to], gram[giver]
    amount = _amount(code[giver], slope[giver] - slope[to], squares[to] + squares[giver] - 2 * gained[giver])
    for i in range(len(slope)):
        slope[i] += amount * (gained[i] - lost[i])
    if code[to] == 0:
        active[count] = to
        count += 1
    code[to] += amount
    code[giver] -= amount  # exactly 0 where all is moved
    if code[giver] == 0:
        count -= 1
        for later in range(place, count):
            active[later] = active[later + 1]
    return count
